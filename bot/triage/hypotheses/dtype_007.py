"""DTYPE-007: a loss nobody asked for."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "DTYPE-007"
SLUG = "precision-policy"
KIND = CauseKind.DEFECT
PLANES = "TM"
CLAIM = "Tensors were stored in a type that loses what was not asked to be lost."
PREDICTS = (
    "Tensors are within their type's budget, yet that type was not asked for, or not declared, or not fit for vectors."
)
REFUTED_IF = (
    "The type was asked for, or holds the source's values exactly, or all matrices and the file's declaration "
    "agree on it."
)
FIX_HINT = "Copy what the target can hold, keep vectors, norms and routers in F32, and quantize only when asked to."
COMMANDS = (INSPECT_B, COMPARE)
