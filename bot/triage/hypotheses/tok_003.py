"""TOK-003: special tokens typed as ordinary ones."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "TOK-003"
SLUG = "special-token-types"
KIND = CauseKind.DEFECT
PLANES = "K"
CLAIM = "The types of tokens are lost or changed."
PREDICTS = (
    "Tokens that are special in the source are NORMAL or USER_DEFINED in the result, so markers are split or shown."
)
REFUTED_IF = "Every special token of the source has type CONTROL or UNKNOWN in the result."
FIX_HINT = "Write the list of token types: CONTROL for what tokenizer.json calls special."
COMMANDS = (INSPECT_A, INSPECT_B)
