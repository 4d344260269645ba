"""LAYOUT-006: vocabulary rows beside their tokens."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, EXPLAIN

ID = "LAYOUT-006"
SLUG = "vocabulary-rows-shifted"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "From some row on, vocabulary rows stand at other token ids."
PREDICTS = "From one row on, every row of B is the row of A a fixed distance away."
REFUTED_IF = "Rows sampled all over the vocabulary have no common distance."
FIX_HINT = "Write embedding rows by token id; insert or drop no row without moving its token as well."
COMMANDS = (EXPLAIN, COMPARE)
