"""DTYPE-001: values too large for float16."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "DTYPE-001"
SLUG = "overflow-to-inf"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Weights beyond 65504 became infinite on their way through float16."
PREDICTS = (
    "The result is infinite, or stuck at 65504, exactly where the source's magnitude is 65520 or more, and right "
    "elsewhere."
)
REFUTED_IF = "The source holds nothing so large, or the result is wrong at other places as well."
FIX_HINT = "Keep such tensors in BF16 or F32, or refuse to narrow a tensor whose largest magnitude exceeds 65504."
COMMANDS = (COMPARE, INSPECT_B)
