"""INFRA-001: the deadline came first."""

from bot.records import CauseKind

ID = "INFRA-001"
SLUG = "timeout"
KIND = CauseKind.INFRA
PLANES = "L"
CLAIM = "A deadline ended the command, and nothing else had failed."
PREDICTS = "The command was still at work when it was ended; its log holds no error."
REFUTED_IF = "The log names an error before the deadline, or the command ends in time when it runs alone."
FIX_HINT = "Run it again alone; raise the deadline only when progress is seen."
COMMANDS = (("requalify", "doctor", "--runner"),)
