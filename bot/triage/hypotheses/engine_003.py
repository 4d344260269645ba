"""ENGINE-003: the same twice, and two answers."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE

ID = "ENGINE-003"
SLUG = "nondeterminism"
KIND = CauseKind.DEFECT
PLANES = "IL"
CLAIM = "The same command on the same inputs at the same commit gives different results."
PREDICTS = "Two runs disagree beyond the noise of the device, or the runtime names an operation of no fixed order."
REFUTED_IF = "Repeated runs of one build agree within the noise of the device."
FIX_HINT = "Fix seed, threads and kernels; measure the spread of repeated runs before anything is compared with it."
COMMANDS = (COMPARE,)
