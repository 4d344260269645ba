"""FILE-001: the end of the file is not there."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "FILE-001"
SLUG = "truncated-file"
KIND = CauseKind.DEFECT
PLANES = "B"
CLAIM = "The file ends before its last tensor does."
PREDICTS = "The header promises more bytes than the file has; the last tensors cannot be read."
REFUTED_IF = "Every tensor's byte range lies within the file."
FIX_HINT = "Copy or download the file again and compare sizes and checksums before it is used."
COMMANDS = (INSPECT_B, COMPARE)
