"""TOK-008: no tokenizer at all."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "TOK-008"
SLUG = "tokenizer-absent"
KIND = CauseKind.DEFECT
PLANES = "K"
CLAIM = "The source has a tokenizer and the result has none."
PREDICTS = "No vocabulary is found in or beside the result."
REFUTED_IF = "A vocabulary is found with the result."
FIX_HINT = "Write the tokenizer into the file, or its files beside the weights."
COMMANDS = (INSPECT_A, INSPECT_B)
