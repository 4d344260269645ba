"""DTYPE-005: quantized bytes taken for floats."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_A, INSPECT_B

ID = "DTYPE-005"
SLUG = "quantized-bytes-misread"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = (
    "Blocks of a quantized type were read as plain numbers, or plain numbers as blocks: an unknown type fell back "
    "to another."
)
PREDICTS = "The result is the source's bytes decoded as the other type, non-numbers and huge values included."
REFUTED_IF = "The bytes decoded as any float or integer type are not what the result holds."
FIX_HINT = (
    "Refuse an element type without a decoder instead of falling back to F32; check the size against type and shape."
)
COMMANDS = (INSPECT_A, INSPECT_B, COMPARE)
