"""NAME-003: a tensor the source does not have."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "NAME-003"
SLUG = "tensor-unexpected"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The result holds tensors that the source does not have."
PREDICTS = "A stored name has no role in the architecture, or a role that the source leaves empty."
REFUTED_IF = "Every tensor of the result has a counterpart in the source."
FIX_HINT = "Drop what the architecture does not know; a loader may refuse the whole file for one extra tensor."
COMMANDS = (COMPARE, INSPECT_B)
