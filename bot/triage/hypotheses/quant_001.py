"""QUANT-001: codes in another order than the type's."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "QUANT-001"
SLUG = "nibble-order"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The codes of quantized blocks were taken out of their bytes, or put there, in another order."
PREDICTS = "Each block is a fixed re-ordering of the right codes, and undoing it restores the tensor."
REFUTED_IF = "No order of low and high nibbles restores the tensor."
FIX_HINT = "Follow ggml: in each 16 (Q4_0) or 32 bytes (Q4_K) all low nibbles come first, then all high ones."
COMMANDS = (COMPARE, EXPLAIN)
