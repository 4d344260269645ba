"""TOK-007: other tokens under the same ids."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "TOK-007"
SLUG = "vocabulary-mismatch"
KIND = CauseKind.DEFECT
PLANES = "K"
CLAIM = "The vocabulary is another one: tokens, their order, their scores or their kind differ."
PREDICTS = "Ids stand for other tokens, added tokens are missing, or a byte-pair vocabulary is called SentencePiece."
REFUTED_IF = "Every id stands for the same token on both sides, padding entries apart."
FIX_HINT = "Write all tokens by id, added ones too; pad only behind the last."
COMMANDS = (INSPECT_A, INSPECT_B)
