"""DTYPE-002: low bits cut off."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "DTYPE-002"
SLUG = "truncated-instead-of-rounded"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Floats were narrowed by dropping their low bits instead of rounding to the nearest even."
PREDICTS = (
    "Every value is bit for bit the source with its low bits cut, never larger than the source, and not what "
    "rounding gives."
)
REFUTED_IF = (
    "Rounding to nearest even predicts the same bits or better ones, or some magnitudes are larger than the source's."
)
FIX_HINT = (
    "Add half a step before the shift: bits + 0x7FFF + (bits >> 16 & 1) for BF16, or use the library's own conversion."
)
COMMANDS = (COMPARE, EXPLAIN)
