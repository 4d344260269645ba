"""LAYOUT-008: axes of a convolution."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "LAYOUT-008"
SLUG = "convolution-axes"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The axes of a convolution kernel stand in another order, or one of length one was lost or added."
PREDICTS = "Some permutation of A's axes, squeezed or not, gives B."
REFUTED_IF = "No permutation of the axes gives B."
FIX_HINT = (
    "Write kernels in the order the target reads, and do not reverse again what a container already lists in reverse."
)
COMMANDS = (EXPLAIN, COMPARE)
