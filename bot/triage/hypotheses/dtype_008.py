"""DTYPE-008: the source itself holds non-numbers."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_A

ID = "DTYPE-008"
SLUG = "nan-or-inf-in-source"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The source holds NaN or infinite weights, which a conversion can only pass on."
PREDICTS = "The source is not finite there, and the result differs only in the blocks that hold such a weight."
REFUTED_IF = "All of the source is finite, or the result is wrong in other blocks as well."
FIX_HINT = "Find a sound checkpoint: no converter can repair this one. Check weights for non-numbers before converting."
COMMANDS = (INSPECT_A, COMPARE)
