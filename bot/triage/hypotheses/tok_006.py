"""TOK-006: another chat template."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "TOK-006"
SLUG = "chat-template"
KIND = CauseKind.DEFECT
PLANES = "K"
CLAIM = "The chat template is lost or changed."
PREDICTS = "The template is missing or another text; conversations are rendered as the model never saw them."
REFUTED_IF = "Both templates are the same text."
FIX_HINT = "Carry the template as it is, from tokenizer_config.json or chat_template.jinja."
COMMANDS = (INSPECT_A, INSPECT_B)
