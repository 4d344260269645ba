"""ARCH-002: a stored type the tool cannot read or compute with."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "ARCH-002"
SLUG = "unsupported-type"
KIND = CauseKind.DEFECT
PLANES = "LM"
CLAIM = "The tool has no reader or no kernel for a type that the file holds."
PREDICTS = "The tool names a type, its number or a missing operation; checkpoints in other types work."
REFUTED_IF = "The same tool reads a tensor of that type from another file."
FIX_HINT = "Convert to a type the tool has, or add the missing reader; an unknown type must never be read as float."
COMMANDS = (INSPECT_A, INSPECT_B)
