"""HARNESS-004: a tool contradicts itself."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE

ID = "HARNESS-004"
SLUG = "tool-verdict-wrong"
KIND = CauseKind.HARNESS
PLANES = "L"
CLAIM = "The exit status or the verdict of a tool's own check contradicts what it printed or what is known to be right."
PREDICTS = "Success is reported over an error text, or a right file is refused by a check that cannot be right."
REFUTED_IF = "Exit status, verdict and text agree, and an independent reader agrees with them."
FIX_HINT = "Judge by tensors and by what was printed, never by the tool's own verdict."
COMMANDS = (COMPARE,)
