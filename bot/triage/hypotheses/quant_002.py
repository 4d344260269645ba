"""QUANT-002: scales and minima of blocks confused."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "QUANT-002"
SLUG = "scales-and-minima"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Scales and minima of quantized blocks were unpacked by another rule, exchanged or left out."
PREDICTS = "Decoding the same codes with that rule gives the result exactly, or restores the source within budget."
REFUTED_IF = "The codes decode rightly with ggml's rule, or no exchange of fields restores the tensor."
FIX_HINT = "Unpack as ggml's get_scale_min_k4 does and compare a decoded block with an independent decoder."
COMMANDS = (COMPARE, EXPLAIN)
