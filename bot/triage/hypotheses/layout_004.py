"""LAYOUT-004: gate and up changed places."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "LAYOUT-004"
SLUG = "gate-up-order"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The gate and up halves of a fused projection changed places, or are interleaved where halves are asked for."
PREDICTS = "B's rows are A's with the halves exchanged, or with even and odd rows gathered."
REFUTED_IF = "Neither the exchange of halves nor interleaving gives B's rows."
FIX_HINT = "State which half is the gate, and whether rows are interleaved, for source and target apart."
COMMANDS = (EXPLAIN, COMPARE)
