"""ARCH-001: a model family the tool does not know."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A

ID = "ARCH-001"
SLUG = "unsupported-architecture"
KIND = CauseKind.DEFECT
PLANES = "LM"
CLAIM = "The converter or loader does not know this model type, whatever else it says about the file."
PREDICTS = "The tool names the architecture, or calls a file corrupt or wrongly shaped that other readers open."
REFUTED_IF = "The same tool opens another checkpoint of the same model type."
FIX_HINT = "Name the architecture to the tool's maintainers; try the newest release, which may already know it."
COMMANDS = (INSPECT_A,)
