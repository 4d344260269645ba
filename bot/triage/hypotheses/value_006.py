"""VALUE-006: a merged adapter."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "VALUE-006"
SLUG = "adapter-merge"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "An adapter was merged, not merged, or merged with another factor."
PREDICTS = "B minus A is a matrix of low rank that touches most rows and columns."
REFUTED_IF = "The difference has full rank, or touches a few rows only."
FIX_HINT = (
    "Merge adapters once, with their alpha over rank, before conversion; or compare with the checkpoint that was "
    "merged."
)
COMMANDS = (EXPLAIN, COMPARE)
