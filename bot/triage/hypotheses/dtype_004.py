"""DTYPE-004: the bits of one float type taken for another's."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_A, INSPECT_B

ID = "DTYPE-004"
SLUG = "float-bits-misread"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Bytes of one 16- or 32-bit type were read, or labelled, as another type."
PREDICTS = "Exponents are wild, and the tensor equals the source exactly once its bytes are read as the other type."
REFUTED_IF = "No other float or integer type of that size turns the bytes into the source's values."
FIX_HINT = "Take the element type from the tensor's own record, map it by name and refuse a code that is not known."
COMMANDS = (INSPECT_A, INSPECT_B, COMPARE)
