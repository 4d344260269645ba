"""ROPE-002: rows moved by the wrong heads."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "ROPE-002"
SLUG = "rotary-permutation-head-count"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Rotary rows were moved by a wrong number of heads."
PREDICTS = (
    "Moving the rows back by another divisor of their number restores them; under grouped queries k is wrong and "
    "q is right."
)
REFUTED_IF = "The right head count restores the rows, or none does."
FIX_HINT = "Use the key-value heads for k; neither the query heads nor their quotient."
COMMANDS = (EXPLAIN, COMPARE)
