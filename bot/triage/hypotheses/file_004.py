"""FILE-004: the table says where tensors are, and is wrong."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "FILE-004"
SLUG = "offset-table-wrong"
KIND = CauseKind.DEFECT
PLANES = "BT"
CLAIM = "The offsets or sizes in the tensor table do not describe the bytes behind them."
PREDICTS = (
    "Ranges overlap, leave holes or are empty; a tensor equals another one of the source, or starts inside "
    "its neighbour."
)
REFUTED_IF = "Every range has the size of its type and shape and none meets another."
FIX_HINT = "Compute offsets from the tensors that are written, in the order they are written, padding included."
COMMANDS = (INSPECT_B, COMPARE)
