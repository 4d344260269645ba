"""META-006: called another architecture."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "META-006"
SLUG = "architecture-name"
KIND = CauseKind.DEFECT
PLANES = "M"
CLAIM = "The result says it is of another architecture."
PREDICTS = "The two architectures are not two names of one; engines will compute another graph."
REFUTED_IF = "Both names are known to stand for the same graph."
FIX_HINT = "Write the source's architecture (model_type, general.architecture), never one guessed from shapes."
COMMANDS = (INSPECT_A, INSPECT_B)
