"""QUANT-003: codes counted from another zero."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "QUANT-003"
SLUG = "zero-point"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The number subtracted from the codes is not the type's own."
PREDICTS = "All blocks are off by the same part of their scale, and another zero point restores them."
REFUTED_IF = "The error is no constant multiple of the block scales."
FIX_HINT = "Subtract 8 from Q4_0's unsigned nibbles, 16 from Q5_0's, 32 from Q6_K's; Q8_0's bytes are signed."
COMMANDS = (COMPARE, EXPLAIN)
