"""ROPE-006: context extension dropped."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "ROPE-006"
SLUG = "rope-scaling-lost"
KIND = CauseKind.DEFECT
PLANES = "MI"
CLAIM = "The scaling of rotary frequencies is lost or changed, so long contexts break and short ones do not show it."
PREDICTS = "The source has a rope_scaling, factors or a tensor of factors that the result has not."
REFUTED_IF = "Both sides state the same scaling and hold the same factors."
FIX_HINT = "Carry the scaling type with all its parameters, and the tensor of factors where the format keeps one."
COMMANDS = (INSPECT_A, INSPECT_B)
