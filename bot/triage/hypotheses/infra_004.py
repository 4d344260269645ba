"""INFRA-004: no room on the disk."""

from bot.records import CauseKind

ID = "INFRA-004"
SLUG = "disk-full"
KIND = CauseKind.INFRA
PLANES = "L"
CLAIM = "The disk or its quota had no room for what was written."
PREDICTS = "A write fails for lack of space; files written last are short."
REFUTED_IF = "There was room on every disk that was written to."
FIX_HINT = "Free the disk, throw away what was half-written and run again."
COMMANDS = (("requalify", "doctor", "--runner"),)
