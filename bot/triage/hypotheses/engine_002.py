"""ENGINE-002: the tool died."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_B

ID = "ENGINE-002"
SLUG = "crash"
KIND = CauseKind.DEFECT
PLANES = "L"
CLAIM = "The tool ended by a signal, a panic, an abort or a fault of the device instead of an error of its own."
PREDICTS = "The log ends in a panic or a failed assertion, or the exit status is that of a signal nobody sent."
REFUTED_IF = "The same command with the same inputs ends with an error message, or something from outside killed it."
FIX_HINT = "Run it once more with a backtrace; a damaged input excuses an error message, not a crash."
COMMANDS = (INSPECT_B,)
