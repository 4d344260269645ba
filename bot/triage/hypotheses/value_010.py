"""VALUE-010: local damage."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "VALUE-010"
SLUG = "corrupted-blocks"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "A few runs of values are damaged and all others are right."
PREDICTS = "Outside a few blocks B agrees with A; inside them it is unrelated."
REFUTED_IF = "More than a fifth of the blocks are wrong, or a convention restores them."
FIX_HINT = (
    "Look at those offsets: a torn download, a bad shard, a race between writers. Convert again and compare hashes."
)
COMMANDS = (EXPLAIN, COMPARE)
