"""FILE-009: the file's own checksum does not fit."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_B

ID = "FILE-009"
SLUG = "checksum-mismatch"
KIND = CauseKind.DEFECT
PLANES = "B"
CLAIM = "The bytes are not those that the file's checksum was made of."
PREDICTS = "A checksum in header or footer disagrees with the bytes it covers."
REFUTED_IF = "All checksums fit."
FIX_HINT = "Write the checksum last, over what was really written; copy the file again if it was right once."
COMMANDS = (INSPECT_B,)
