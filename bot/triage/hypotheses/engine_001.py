"""ENGINE-001: right on the CPU, wrong on the accelerator."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "ENGINE-001"
SLUG = "backend-divergence"
KIND = CauseKind.DEFECT
PLANES = "I"
CLAIM = "The file is right and one backend computes something else from it."
PREDICTS = (
    "Tensors are equal, logits agree on the CPU and not on the accelerator, or the same file differs between the two."
)
REFUTED_IF = "The CPU is off as well, or tensors differ, or both backends agree within float32 noise."
FIX_HINT = "Run the accelerator in float32 and with another attention kernel to see which of them overflows."
COMMANDS = (COMPARE, EXPLAIN)
