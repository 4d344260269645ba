"""INFRA-008: the runner went away."""

from bot.records import CauseKind

ID = "INFRA-008"
SLUG = "runner-lost"
KIND = CauseKind.INFRA
PLANES = "L"
CLAIM = "The runner lost its connection or was shut down while the command was at work."
PREDICTS = "The service says that the runner was lost, evicted or shut down; the log ends in the middle."
REFUTED_IF = "The runner was there all the time and the command ended by itself."
FIX_HINT = "Run it again; look at the runner's machine if it happens twice."
COMMANDS = (("requalify", "doctor", "--runner"),)
