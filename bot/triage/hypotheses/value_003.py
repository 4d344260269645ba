"""VALUE-003: one factor too many."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "VALUE-003"
SLUG = "constant-factor"
KIND = CauseKind.DEFECT
PLANES = "TM"
CLAIM = "A tensor was multiplied by a constant that belongs into the computation, or was not where it should have been."
PREDICTS = "B is one number times A, everywhere."
REFUTED_IF = "The ratio of B to A varies."
FIX_HINT = "Fold no multiplier into weights; state it in the metadata (embedding scale, residual or logit multiplier)."
COMMANDS = (EXPLAIN, COMPARE)
