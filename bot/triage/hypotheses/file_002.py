"""FILE-002: something else under a model's name."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_B

ID = "FILE-002"
SLUG = "not-a-model-file"
KIND = CauseKind.DEFECT
PLANES = "B"
CLAIM = "The file is no GGUF, SafeTensors or APR at all."
PREDICTS = "Its first bytes are those of a Git LFS pointer, a web page, an archive, or nothing known."
REFUTED_IF = "The magic bytes are those of a format this program reads."
FIX_HINT = "Fetch the real file: `git lfs pull`, or the link that resolves to the file and not to its page."
COMMANDS = (INSPECT_B,)
