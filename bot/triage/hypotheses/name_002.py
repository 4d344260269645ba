"""NAME-002: names in another container's spelling."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "NAME-002"
SLUG = "naming-convention"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Tensors are there and right but named as another container names them."
PREDICTS = "With the spelling undone, or matched by their values, the tensors are found."
REFUTED_IF = "All names are in the spelling of their container, or the tensors stay missing under every spelling."
FIX_HINT = "Translate names on writing: Hugging Face names in SafeTensors and APR, ggml names in GGUF."
COMMANDS = (COMPARE, INSPECT_B)
