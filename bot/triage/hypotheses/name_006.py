"""NAME-006: two tensors in each other's place."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "NAME-006"
SLUG = "tensors-exchanged"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Tensors of equal shape are stored under each other's names."
PREDICTS = "A differing tensor equals another tensor of the source, and no re-ordering of its own."
REFUTED_IF = "No other tensor of the source has these values."
FIX_HINT = "Assign by name, never by position, and mind names that mean different things in two architectures."
COMMANDS = (COMPARE, EXPLAIN)
