"""ROPE-007: another number of rotated dimensions."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "ROPE-007"
SLUG = "partial-rotary-dimension"
KIND = CauseKind.DEFECT
PLANES = "MI"
CLAIM = "The number of dimensions that are rotated in each head differs."
PREDICTS = "partial_rotary_factor or rope.dimension_count differs between the two files."
REFUTED_IF = "Both sides rotate the same number of dimensions."
FIX_HINT = "Write rope.dimension_count as head_dim times partial_rotary_factor."
COMMANDS = (INSPECT_A, INSPECT_B)
