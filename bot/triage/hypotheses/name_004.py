"""NAME-004: layers under each other's numbers."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "NAME-004"
SLUG = "layers-out-of-order"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Whole layers are stored under other layers' numbers."
PREDICTS = (
    "The tensors of layer i are bit for bit, or within budget, those of another layer, the same one for all kinds."
)
REFUTED_IF = "The tensors of a layer match none of another layer, or different layers for different kinds."
FIX_HINT = "Sort layers as numbers, not as text, and count from the same start on both sides."
COMMANDS = (COMPARE, EXPLAIN)
