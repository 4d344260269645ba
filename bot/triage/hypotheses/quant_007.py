"""QUANT-007: padding of quantized rows overlooked."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_A, INSPECT_B

ID = "QUANT-007"
SLUG = "row-padding"
KIND = CauseKind.DEFECT
PLANES = "T"
CLAIM = "Rows padded to whole blocks were read or written as if they had no padding."
PREDICTS = "Reading the blocks without regard to the padding, row lengths running on, gives the tensor."
REFUTED_IF = "Rows are whole blocks, so that there is no padding, or reading without it restores nothing."
FIX_HINT = "Step by the padded length of a row and drop its tail; size / rows tells the padded length."
COMMANDS = (INSPECT_A, INSPECT_B, COMPARE)
