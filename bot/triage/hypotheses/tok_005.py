"""TOK-005: another end of sequence."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "TOK-005"
SLUG = "end-of-sequence"
KIND = CauseKind.DEFECT
PLANES = "K"
CLAIM = "The end-of-sequence token, or whether one is added, is lost or changed."
PREDICTS = "The id or the flag differs; texts never end, or end at once."
REFUTED_IF = "Both sides state the same id and flag."
FIX_HINT = "Carry eos_token_id of the configuration that generation uses, and every end-of-turn token."
COMMANDS = (INSPECT_A, INSPECT_B)
