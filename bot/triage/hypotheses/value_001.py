"""VALUE-001: one more or one less on norms."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "VALUE-001"
SLUG = "norm-offset"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The one that some architectures add to their norm weights is missing, or was added where it is not asked for."
PREDICTS = "B minus A is +1 or -1 on the norms, with a spread of rounding only."
REFUTED_IF = "The difference is no constant, or another constant than one."
FIX_HINT = (
    "Gemma and Nemotron multiply by 1 + w: a GGUF stores 1 + w, a Hugging Face checkpoint w. Add or take away one "
    "exactly once."
)
COMMANDS = (EXPLAIN, COMPARE)
