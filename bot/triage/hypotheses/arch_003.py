"""ARCH-003: a special of one architecture."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "ARCH-003"
SLUG = "architecture-special"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "A tensor only some architectures have was treated as its ordinary neighbours are."
PREDICTS = "The norm of a head is A's in rotary order, although it follows rows that did not move."
REFUTED_IF = "The norm is not A's in any rotary order."
FIX_HINT = "Give per-head norms the order of the rows they scale, architecture by architecture."
COMMANDS = (EXPLAIN, COMPARE)
