"""ROPE-003: rows moved for nothing."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "ROPE-003"
SLUG = "rotary-permutation-superfluous"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Rotary rows were moved though both sides keep them in one order, or moved again or the wrong way."
PREDICTS = "B's q and k rows are the asked order with one more rotary move upon it."
REFUTED_IF = "Undoing one rotary move does not restore q and k."
FIX_HINT = (
    "Move rows only for the architectures whose GGUF keeps pairs, and only when the order changes between the two "
    "files."
)
COMMANDS = (EXPLAIN, COMPARE)
