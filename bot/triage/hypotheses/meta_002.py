"""META-002: another number of heads."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "META-002"
SLUG = "head-counts"
KIND = CauseKind.DEFECT
PLANES = "M"
CLAIM = "The number of attention heads or key-value heads is lost or changed."
PREDICTS = "The stated counts differ; rows of q and k over the head width tell which side is right."
REFUTED_IF = "Both sides state the same counts."
FIX_HINT = "Copy both counts; a model without a stated key-value count is taken for one without grouping."
COMMANDS = (INSPECT_A, INSPECT_B)
