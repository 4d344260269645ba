"""DTYPE-006: a second quantization of what was quantized."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_A, INSPECT_B

ID = "DTYPE-006"
SLUG = "quantized-twice"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The result was quantized from a tensor that had been quantized before, so it carries both errors."
PREDICTS = (
    "The result's codes are the nearest ones, on its own grid, to the values of the quantized tensor it was made from."
)
REFUTED_IF = "The codes miss the nearest ones as often as a quantization of the unquantized weights would."
FIX_HINT = "Copy the blocks where source and target share the type; else quantize from the unquantized checkpoint."
COMMANDS = (COMPARE, INSPECT_A, INSPECT_B)
