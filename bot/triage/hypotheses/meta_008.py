"""META-008: another maximum length."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "META-008"
SLUG = "context-length"
KIND = CauseKind.DEFECT
PLANES = "M"
CLAIM = "The stated maximum context length differs."
PREDICTS = "max_position_embeddings or context_length differs between the two files."
REFUTED_IF = "Both sides state the same length."
FIX_HINT = "Copy the length the source states; it is not the length used for a calibration or a test."
COMMANDS = (INSPECT_A, INSPECT_B)
