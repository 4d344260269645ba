"""UNKNOWN-001: what no cause of the catalogue accounts for."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "UNKNOWN-001"
SLUG = "unexplained"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Something differs that no experiment of the catalogue restores."
PREDICTS = "Tensors or gates stay behind when every cause has been tried."
REFUTED_IF = "Another cause of the catalogue accounts for what is listed."
FIX_HINT = "Start from the first tensor listed; what was tried and how far it came is recorded with it."
COMMANDS = (EXPLAIN, COMPARE)
