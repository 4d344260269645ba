"""NAME-005: layers lost, or counted wrongly."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_A, INSPECT_B

ID = "NAME-005"
SLUG = "layer-count"
KIND = CauseKind.DEFECT
PLANES = "TM"
CLAIM = "The result has, or claims, another number of layers than the source."
PREDICTS = "All tensors of some layers are missing or additional, or the stated count is not that of the tensors."
REFUTED_IF = "Both sides state, and hold, the same number of layers."
FIX_HINT = "Count the layers that are written; keep extra blocks (next-token prediction) out of the count or in both."
COMMANDS = (COMPARE, INSPECT_A, INSPECT_B)
