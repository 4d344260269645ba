"""TOK-002: the merges of a BPE are not there."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "TOK-002"
SLUG = "merges-lost"
KIND = CauseKind.DEFECT
PLANES = "K"
CLAIM = "The merges are lost, fewer or in another order."
PREDICTS = "A byte-pair vocabulary without its merges, or with others; words fall apart into single bytes."
REFUTED_IF = "Both sides hold the same merges in the same order."
FIX_HINT = "Read merges as pairs and as strings: both spellings exist in tokenizer.json."
COMMANDS = (INSPECT_A, INSPECT_B)
