"""NAME-007: biases dropped, or written over weights."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "NAME-007"
SLUG = "bias-lost-or-misplaced"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Biases of the source are missing in the result, or stand where another tensor belongs."
PREDICTS = "The names that are missing end in .bias, their weights being there."
REFUTED_IF = "Every bias of the source is found in the result."
FIX_HINT = "Carry biases wherever the source has them: qwen2 has them on q, k and v, llama has none."
COMMANDS = (COMPARE, INSPECT_B)
