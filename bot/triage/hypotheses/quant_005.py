"""QUANT-005: bytes of one quantized type under another's tag."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_A, INSPECT_B

ID = "QUANT-005"
SLUG = "type-tag"
KIND = CauseKind.DEFECT
PLANES = "TM"
CLAIM = "The bytes are sound blocks of another quantized type than the one stated."
PREDICTS = "Decoding them as that type restores the tensor within that type's budget."
REFUTED_IF = "No type of the same size restores the tensor."
FIX_HINT = "Map types by name between formats, since their numbers differ, and write the tag from the encoder that ran."
COMMANDS = (INSPECT_A, INSPECT_B, COMPARE)
