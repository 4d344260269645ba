"""VALUE-007: a scale folded in."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "VALUE-007"
SLUG = "scale-folded-into-neighbour"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Each column or each row carries its own scale, as when a norm or a smoothing scale is folded into a matrix."
PREDICTS = "B is A times a diagonal matrix."
REFUTED_IF = "The ratio varies within rows and within columns."
FIX_HINT = (
    "A scale folded into one tensor must be taken out of its neighbour; convert the checkpoint as it was before fusing."
)
COMMANDS = (EXPLAIN, COMPARE)
