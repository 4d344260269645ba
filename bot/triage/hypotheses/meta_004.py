"""META-004: another attention window."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "META-004"
SLUG = "sliding-window"
KIND = CauseKind.DEFECT
PLANES = "M"
CLAIM = "The sliding window, or which layers have one, is lost or changed."
PREDICTS = "The result states another window or none; texts shorter than the window do not show it."
REFUTED_IF = "Both sides state the same window."
FIX_HINT = "Carry the window and its pattern from config.json as the publisher wrote it."
COMMANDS = (INSPECT_A, INSPECT_B)
