"""ENGINE-005: sums in another order."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import COMPARE

ID = "ENGINE-005"
SLUG = "expected-engine-noise"
KIND = CauseKind.CLEARS
PLANES = "I"
CLAIM = "What differs is what two right engines or devices differ by."
PREDICTS = "Tensors are equal and logits differ by no more than float32 sums in another order do."
REFUTED_IF = "Logits differ by more than the bound for two engines, or tensors differ."
FIX_HINT = "Nothing to mend: judge logits by the bound for another device, not by equality."
COMMANDS = (COMPARE,)
