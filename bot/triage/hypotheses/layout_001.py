"""LAYOUT-001: a shape listed in reverse."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN, INSPECT_B

ID = "LAYOUT-001"
SLUG = "shape-reversed-data-unmoved"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The dimensions of a tensor are listed in reverse and its bytes never moved."
PREDICTS = "B states the reversed shape of A; read in A's shape, its bytes are A's values in their order."
REFUTED_IF = "Read in the source's shape the values are still others, or the shape is not the reversed one."
FIX_HINT = (
    "GGUF lists the fastest dimension first: reverse the list when a shape crosses that border, and leave the "
    "data alone."
)
COMMANDS = (EXPLAIN, COMPARE, INSPECT_B)
