"""DTYPE-003: numbers too small to be normal."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE

ID = "DTYPE-003"
SLUG = "subnormals-flushed"
KIND = CauseKind.CLEARS
PLANES = "T"
CLAIM = "Numbers below the smallest normal one of a float type were flushed to zero or kept coarsely."
PREDICTS = (
    "All bits are those of the source, or of its rounding, but for magnitudes below that number, which are zero "
    "or coarse."
)
REFUTED_IF = "A larger value differs, or the small ones became something else than zero or the nearest coarse step."
FIX_HINT = "None is needed; to keep them, switch flush-to-zero off while converting, or do not pass through float16."
COMMANDS = (COMPARE,)
