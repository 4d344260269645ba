"""FILE-005: written on, or for, a machine of the other byte order."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_B

ID = "FILE-005"
SLUG = "byte-order"
KIND = CauseKind.DEFECT
PLANES = "BT"
CLAIM = "Numbers are stored with their bytes in the opposite order."
PREDICTS = (
    "The version reads as a huge number, or tensors are wild and equal the source once each element's bytes "
    "are swapped."
)
REFUTED_IF = "Swapping the bytes of each element brings no tensor to the source's values."
FIX_HINT = "Write little-endian: header, scales of blocks and floats alike; bytes of packed nibbles stay as they are."
COMMANDS = (INSPECT_B, COMPARE)
