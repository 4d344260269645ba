"""VALUE-009: the two files were never the same model."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_A, INSPECT_B

ID = "VALUE-009"
SLUG = "different-checkpoint"
KIND = CauseKind.HARNESS
PLANES = "T"
CLAIM = "The two files hold different models or different states of one, so neither is a conversion of the other."
PREDICTS = "Nearly every tensor differs, the norms that converters copy among them, and no experiment restores any."
REFUTED_IF = "One transformation restores the tensors, or the tensors that are only copied are equal bit for bit."
FIX_HINT = "Check which revision was downloaded: base or instruct, another commit, a text tower of a larger model."
COMMANDS = (COMPARE, INSPECT_A, INSPECT_B)
