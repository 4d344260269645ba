"""QUANT-004: blocks of another length."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "QUANT-004"
SLUG = "block-size"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Quantized data was cut into blocks of another number of elements than its type has."
PREDICTS = "Reading it with blocks of that length, or one scale for several blocks, gives the tensor."
REFUTED_IF = "No block length that divides the rows restores the tensor."
FIX_HINT = "Use the type's own length: 32 for Q4_0 to Q8_0, 256 for K types; another group size needs another type."
COMMANDS = (COMPARE, INSPECT_B)
