"""FILE-003: data looked for at another alignment than it was written with."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "FILE-003"
SLUG = "alignment-mismatch"
KIND = CauseKind.DEFECT
PLANES = "BT"
CLAIM = "Tensor data does not lie where the stated alignment says."
PREDICTS = (
    "Offsets are no multiples of the alignment, or every tensor is equal to the source read a few bytes "
    "beside its offset."
)
REFUTED_IF = "All offsets are aligned and no shift of a few bytes makes the tensors equal to the source's."
FIX_HINT = "Pad the header and every tensor by the alignment that the file states, and read by that one too."
COMMANDS = (INSPECT_B, COMPARE)
