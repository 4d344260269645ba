"""LAYOUT-002: a transpose too many or too few."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "LAYOUT-002"
SLUG = "data-transposed"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The row-major order of a matrix was violated: it was transposed once too often or too seldom."
PREDICTS = "B equals A transposed, or A's bytes read as column-major and transposed, and no gather of rows restores it."
REFUTED_IF = "The transpose of B differs from A by more than the types allow, or its bytes are A's under another shape."
FIX_HINT = (
    "Store matrices as (out, in), row-major, on both sides; only GPT-2's Conv1D weights are transposed between "
    "containers."
)
COMMANDS = (EXPLAIN, COMPARE)
