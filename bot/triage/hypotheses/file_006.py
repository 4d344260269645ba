"""FILE-006: a part of a split is missing or in another's place."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_B

ID = "FILE-006"
SLUG = "shard-missing-or-misordered"
KIND = CauseKind.DEFECT
PLANES = "B"
CLAIM = "A shard that the index or the split's header names is not there, or is another one."
PREDICTS = (
    "Files named are absent, numbers or counts of parts do not agree, tensors of the index are in none of its files."
)
REFUTED_IF = "Every named shard exists, says which part it is, and all tensors of the index are found."
FIX_HINT = "Fetch all parts of one revision; never concatenate a split, open its first part."
COMMANDS = (INSPECT_B,)
