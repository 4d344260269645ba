"""VALUE-008: nothing but one value."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "VALUE-008"
SLUG = "zeroed-or-constant"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "A tensor, or rows of it, hold one value only."
PREDICTS = "All wrong rows of B are one constant although A's are not."
REFUTED_IF = "B's values vary, or A's are constant as well."
FIX_HINT = "Find who allocated the tensor and never filled it: a name that mapped to nothing, or an unread file region."
COMMANDS = (EXPLAIN, COMPARE)
