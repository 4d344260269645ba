"""TOK-009: padding, unknown or separator id."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "TOK-009"
SLUG = "other-special-ids"
KIND = CauseKind.DEFECT
PLANES = "K"
CLAIM = "The padding, unknown or separator token is lost or changed."
PREDICTS = "One of these ids differs or is missing in the result."
REFUTED_IF = "All of them are the same on both sides."
FIX_HINT = "Carry every special id that the source states."
COMMANDS = (INSPECT_A, INSPECT_B)
