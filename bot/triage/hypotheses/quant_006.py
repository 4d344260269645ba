"""QUANT-006: block scales that are no numbers."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "QUANT-006"
SLUG = "non-finite-block-scale"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Scales of some quantized blocks are NaN or infinite, which ruins every element of those blocks."
PREDICTS = "Whole blocks of the type's length are no numbers, and all the others are right."
REFUTED_IF = "The scales are finite, or single elements inside a block are not numbers."
FIX_HINT = "Guard the division by a zero or huge maximum, and validate block scales before writing."
COMMANDS = (COMPARE, INSPECT_B)
