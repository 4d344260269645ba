"""LAYOUT-003: fused q, k, v in another arrangement."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "LAYOUT-003"
SLUG = "fused-qkv-order"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The rows of a fused query-key-value projection are grouped otherwise than the architecture asks."
PREDICTS = "B's rows are A's, gathered by another arrangement of q, k and v: by part, by head, or by key head."
REFUTED_IF = "No arrangement of q, k and v by part, head or key head gives B's rows."
FIX_HINT = "Split the fused projection by the source's arrangement before joining it in the target's."
COMMANDS = (EXPLAIN, COMPARE)
