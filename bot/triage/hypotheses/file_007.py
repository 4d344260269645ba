"""FILE-007: old shards beside new ones."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_B

ID = "FILE-007"
SLUG = "stale-shards"
KIND = CauseKind.DEFECT
PLANES = "B"
CLAIM = "The folder holds shards of two different savings."
PREDICTS = "Files match the pattern of shards and the index names none of them, or a tensor is stored twice."
REFUTED_IF = "The index names every shard in the folder, and every tensor is stored once."
FIX_HINT = "Empty the target folder before saving; load by the index, never by a pattern."
COMMANDS = (INSPECT_B,)
