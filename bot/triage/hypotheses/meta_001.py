"""META-001: another epsilon in the norms."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "META-001"
SLUG = "norm-epsilon"
KIND = CauseKind.DEFECT
PLANES = "M"
CLAIM = "The epsilon of the norms is lost or changed."
PREDICTS = "The result states another epsilon, none, or that of the other kind of norm; greedy text seldom shows it."
REFUTED_IF = "Both sides state the same epsilon under the key of the same kind of norm."
FIX_HINT = "Copy the epsilon under the key of the architecture's own norm: RMS or LayerNorm."
COMMANDS = (INSPECT_A, INSPECT_B)
