"""VALUE-005: scales of blocks left behind."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "VALUE-005"
SLUG = "block-scales-lost"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Weights were copied without the scales of their blocks."
PREDICTS = "The ratio of B to A is constant within blocks and differs from block to block."
REFUTED_IF = "The ratio varies within blocks, or is one number everywhere."
FIX_HINT = "Multiply by the block scales (weight_scale_inv and its kin) before the weights are stored in another type."
COMMANDS = (EXPLAIN, COMPARE)
