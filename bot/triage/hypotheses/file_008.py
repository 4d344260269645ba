"""FILE-008: a header that breaks its format's rules."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_B

ID = "FILE-008"
SLUG = "header-damaged-or-hostile"
KIND = CauseKind.DEFECT
PLANES = "B"
CLAIM = "The header breaks a rule of its format, so readers will disagree about the file or refuse it."
PREDICTS = "Impossible counts or lengths, names twice, types nobody knows, JSON that is none."
REFUTED_IF = "No rule of the header is broken."
FIX_HINT = "Write the header with the format's own library; a name may occur once."
COMMANDS = (INSPECT_B,)
