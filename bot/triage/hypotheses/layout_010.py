"""LAYOUT-010: an array written by its memory."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "LAYOUT-010"
SLUG = "strided-array-written-raw"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "A transposed or strided array was written by its memory instead of by its shape."
PREDICTS = (
    "B has the right shape; its bytes are A's values read column by column, on the matrices the converter "
    "transposed or sliced."
)
REFUTED_IF = "B's bytes are not A's in column order."
FIX_HINT = "Make arrays contiguous before they are saved: numpy.ascontiguousarray (safetensors/safetensors#825)."
COMMANDS = (EXPLAIN, COMPARE)
