"""LAYOUT-007: more or fewer vocabulary rows."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN, INSPECT_B

ID = "LAYOUT-007"
SLUG = "vocabulary-padding"
KIND = CauseKind.DEFECT
PLANES = "TM"
CLAIM = "The number of vocabulary rows was changed: padding was added or trimmed, or rows of real tokens were."
PREDICTS = "The rows both sides have are equal; B only has more, or fewer, at the end."
REFUTED_IF = "The rows both sides have differ."
FIX_HINT = "Trim rows only beyond the tokenizer's last token, and state the number of rows the tensor really has."
COMMANDS = (EXPLAIN, COMPARE, INSPECT_B)
