"""META-005: other numbers of experts."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "META-005"
SLUG = "expert-counts"
KIND = CauseKind.DEFECT
PLANES = "M"
CLAIM = "The counts or the gating of experts are lost or changed."
PREDICTS = "Number of experts, experts used for a token, or the normalisation of their weights differ."
REFUTED_IF = "Both sides state the same numbers."
FIX_HINT = "Carry the number of experts, of experts used, and how their weights are normalised."
COMMANDS = (INSPECT_A, INSPECT_B)
