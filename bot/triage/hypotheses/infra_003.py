"""INFRA-003: the memory of the machine was full."""

from bot.records import CauseKind

ID = "INFRA-003"
SLUG = "host-out-of-memory"
KIND = CauseKind.INFRA
PLANES = "L"
CLAIM = "The kernel or a memory limit ended the command, or refused it memory."
PREDICTS = "SIGKILL without a message, an allocation that fails, or a line of the kernel that names the process."
REFUTED_IF = "The peak of the command stays far below the limit, or a deadline had killed it."
FIX_HINT = "Run it alone or with a higher limit; compare the peak with the baseline of the same conversion."
COMMANDS = (("requalify", "doctor", "--runner"),)
