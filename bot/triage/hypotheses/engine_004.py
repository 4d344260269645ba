"""ENGINE-004: right, but slow or large."""

from bot.records import CauseKind

ID = "ENGINE-004"
SLUG = "slow-path"
KIND = CauseKind.DEFECT
PLANES = "L"
CLAIM = "The result is right, but time or memory is far from the baseline of the same machine."
PREDICTS = "Throughput, latency or peak memory misses its baseline while every value holds."
REFUTED_IF = "The same command on the idle machine reaches its baseline."
FIX_HINT = "Look for a kernel that fell back and for a second copy of the weights; measure again alone on the machine."
COMMANDS = (("requalify", "doctor"),)
