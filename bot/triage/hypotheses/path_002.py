"""PATH-002: a file that belongs beside the weights is not there."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "PATH-002"
SLUG = "companion-file-absent"
KIND = CauseKind.HARNESS
PLANES = "L"
CLAIM = "The configuration or tokenizer file that the tool looks for beside the weights is not there."
PREDICTS = "The tool names config.json, tokenizer.json or their like; the weights themselves are readable."
REFUTED_IF = "The named file lies beside the weights."
FIX_HINT = "Put the companion files of the source beside the file, or hand them over by option."
COMMANDS = (INSPECT_A, INSPECT_B)
