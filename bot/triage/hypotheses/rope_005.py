"""ROPE-005: another rotary base frequency."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "ROPE-005"
SLUG = "rope-base"
KIND = CauseKind.DEFECT
PLANES = "MI"
CLAIM = "The rotary base frequency is lost or changed."
PREDICTS = "The result states another base, or none, and readers fall back to their own default."
REFUTED_IF = "Both sides state the same base, or the default that is fallen back to is the source's base."
FIX_HINT = "Write rope.freq_base (rope_theta) always, the default too; read it from rope_parameters as well."
COMMANDS = (INSPECT_A, INSPECT_B)
