"""ROPE-001: rows that did not move."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "ROPE-001"
SLUG = "rotary-permutation-missing"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The two sides order rotary rows differently, and the rows of q and k did not move."
PREDICTS = (
    "B's q and k rows are in A's order, each head's halves where pairs are asked for or the reverse; all else is equal."
)
REFUTED_IF = "Moving the rows by the right head counts does not restore q and k."
FIX_HINT = (
    "Re-order the rows of q by the query heads and of k by the key heads: (2, d/2) to (d/2, 2) for a GGUF of the "
    "llama family, the inverse on the way back."
)
COMMANDS = (EXPLAIN, COMPARE)
