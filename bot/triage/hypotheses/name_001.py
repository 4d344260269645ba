"""NAME-001: a tensor that was not carried over."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "NAME-001"
SLUG = "tensor-missing"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "The result lacks tensors of the source."
PREDICTS = "Names of the source have no counterpart, under any spelling, and no unknown tensor holds their values."
REFUTED_IF = "Another tensor of the result holds the missing values bit for bit."
FIX_HINT = "Map every name of the architecture and fail on one that has no place, instead of skipping it."
COMMANDS = (COMPARE, INSPECT_B)
