"""HARNESS-002: a comparison that says nothing."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE

ID = "HARNESS-002"
SLUG = "meaningless-metric"
KIND = CauseKind.HARNESS
PLANES = "L"
CLAIM = (
    "The comparison cannot fail, because nothing was compared, or cannot pass, because paths and times are compared."
)
PREDICTS = "Zero tokens, zero tensors or only skipped checks are called a pass, or two runs of one file differ."
REFUTED_IF = "The comparison fails on a broken copy and passes on an exact one."
FIX_HINT = "Compare tensors and logits, and count what was compared."
COMMANDS = (COMPARE,)
