"""NAME-008: the output head and the embedding it may share."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_A, INSPECT_B

ID = "NAME-008"
SLUG = "tied-head"
KIND = CauseKind.DEFECT
PLANES = "TM"
CLAIM = "The output head is absent, added or different, though one side shares it with the embedding."
PREDICTS = (
    "A copy of the embedding appears or disappears as head; where both sides compute with equal weights it clears."
)
REFUTED_IF = "Both sides hold a head of their own, or neither does."
FIX_HINT = "Write no head where it is tied and say so in the metadata; write it where it is not."
COMMANDS = (COMPARE, INSPECT_A, INSPECT_B)
