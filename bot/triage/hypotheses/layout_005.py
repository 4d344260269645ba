"""LAYOUT-005: experts in another order."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "LAYOUT-005"
SLUG = "expert-order"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Experts are stacked or numbered in another order than the router counts them."
PREDICTS = "The tensors of an expert in B are those of another expert of the same layer in A."
REFUTED_IF = "The expert's values are in no other expert of that layer."
FIX_HINT = "Stack experts by their number as a number; check one expert's values against the source after stacking."
COMMANDS = (EXPLAIN, COMPARE)
