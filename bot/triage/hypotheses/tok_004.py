"""TOK-004: another beginning of sequence."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "TOK-004"
SLUG = "begin-of-sequence"
KIND = CauseKind.DEFECT
PLANES = "K"
CLAIM = "The begin-of-sequence token, or whether one is added, is lost or changed."
PREDICTS = "The id or the flag differs; prompts begin with no such token or with two."
REFUTED_IF = "Both sides state the same id and flag."
FIX_HINT = "Carry bos_token_id and add_bos_token, also when it is false."
COMMANDS = (INSPECT_A, INSPECT_B)
