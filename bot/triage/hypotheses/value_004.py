"""VALUE-004: logits multiplied or divided by another constant."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "VALUE-004"
SLUG = "logit-scale"
KIND = CauseKind.DEFECT
PLANES = "IM"
CLAIM = "The constant that logits are scaled by is lost, changed or inverted."
PREDICTS = "The metadata state another logit scale; logits are those of the source times a constant, their order kept."
REFUTED_IF = "Both sides state the same scale and no constant relates their logits."
FIX_HINT = "Mind the direction: some models multiply by logit_scale, others divide by logits_scaling."
COMMANDS = (INSPECT_A, INSPECT_B)
