"""ROPE-004: rows right, rotated by the other convention."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "ROPE-004"
SLUG = "rotary-convention-of-engine"
KIND = CauseKind.DEFECT
PLANES = "IM"
CLAIM = "The rows of q and k are where they should be, but the file or the engine says to rotate them the other way."
PREDICTS = (
    "Tensors equal the source as stored while the stated rotary type asks for the other order; logits agree "
    "at position 0 and part after it."
)
REFUTED_IF = "Re-ordering rows by the stated convention brings the tensors to the source's, or no convention is stated."
FIX_HINT = "Write the rotary type that the rows are in (0 adjacent pairs, 2 halves), or move the rows."
COMMANDS = (COMPARE, INSPECT_B)
