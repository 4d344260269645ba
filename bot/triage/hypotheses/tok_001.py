"""TOK-001: text is cut differently before it is merged."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "TOK-001"
SLUG = "pre-tokenizer"
KIND = CauseKind.DEFECT
PLANES = "K"
CLAIM = "The pre-tokenizer is lost or another one."
PREDICTS = "Its name is missing, `default` or another; digits, contractions and spaces are cut into other ids."
REFUTED_IF = "Both names stand for the same pattern, or all probe texts give the same ids."
FIX_HINT = "Write the pre-tokenizer's name by its pattern and refuse one that is not known."
COMMANDS = (INSPECT_A, INSPECT_B)
