"""VALUE-002: decay and its logarithm."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "VALUE-002"
SLUG = "decay-reparameterised"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The decay of a state-space model is stored as its logarithm on one side and as -exp of it on the other."
PREDICTS = "B equals -exp(A), or A equals -exp(B)."
REFUTED_IF = "Neither relation holds within rounding."
FIX_HINT = "A GGUF stores A = -exp(A_log): apply it once, and take the logarithm on the way back."
COMMANDS = (EXPLAIN, COMPARE)
