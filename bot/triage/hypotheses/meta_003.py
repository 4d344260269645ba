"""META-003: attention scaled or capped differently."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "META-003"
SLUG = "attention-scale-or-softcap"
KIND = CauseKind.DEFECT
PLANES = "M"
CLAIM = "The attention scale or a soft cap is lost or changed."
PREDICTS = "query_pre_attn_scalar, attention_multiplier or a softcapping key differs or is missing."
REFUTED_IF = "Both sides state the same scale and caps."
FIX_HINT = "Carry the scale and both caps; a reader's default fits one size of the family at most."
COMMANDS = (INSPECT_A, INSPECT_B)
