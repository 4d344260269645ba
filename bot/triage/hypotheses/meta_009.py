"""META-009: sizes that contradict the tensors."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "META-009"
SLUG = "dimensions"
KIND = CauseKind.DEFECT
PLANES = "M"
CLAIM = "Stated sizes contradict the tensors or the source."
PREDICTS = "Hidden, intermediate or vocabulary size differs from the source's or from the shapes beside it."
REFUTED_IF = "The sizes agree with the source and with the tensors."
FIX_HINT = "Copy sizes from the source's configuration, or read them from the right axis of the right tensor."
COMMANDS = (INSPECT_A, INSPECT_B)
