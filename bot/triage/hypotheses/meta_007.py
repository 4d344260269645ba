"""META-007: hyper-parameters not carried over."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "META-007"
SLUG = "keys-missing"
KIND = CauseKind.DEFECT
PLANES = "M"
CLAIM = "Hyper-parameters that the source states are missing in the result."
PREDICTS = "Keys of the source have no counterpart, and what a reader assumes instead is not what the source says."
REFUTED_IF = "Every key of the source is stated, or its default is the source's value."
FIX_HINT = "Write every key of the source's configuration; read old and new spellings (rope_parameters)."
COMMANDS = (INSPECT_A, INSPECT_B)
