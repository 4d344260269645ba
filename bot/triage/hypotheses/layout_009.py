"""LAYOUT-009: a head's width computed where it must be read."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE, INSPECT_A, INSPECT_B

ID = "LAYOUT-009"
SLUG = "head-dim-derived-wrong"
KIND = CauseKind.DEFECT
PLANES = "TM"
CLAIM = "The width of a head was derived as hidden size over heads although the source states another."
PREDICTS = "Stated widths, or rows of q, k and v, follow the quotient instead of the source's head_dim."
REFUTED_IF = "The result states the source's head_dim, or the source's is that quotient."
FIX_HINT = "Read head_dim (key_length) where it is stated; divide only when it is not."
COMMANDS = (INSPECT_A, INSPECT_B, COMPARE)
