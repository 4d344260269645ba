"""QUANT-008: the loss its type is known for."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE

ID = "QUANT-008"
SLUG = "within-quantization-budget"
KIND = CauseKind.CLEARS
PLANES = "T"
CLAIM = "The result differs only by what storing weights in its type costs."
PREDICTS = "The error of each tensor is within its type's measured budget."
REFUTED_IF = "A tensor is off by more than its type has been measured to cost."
FIX_HINT = "None is needed."
COMMANDS = (COMPARE,)
