"""INFRA-005: the network or a server failed."""

from bot.records import CauseKind

ID = "INFRA-005"
SLUG = "download-failed"
KIND = CauseKind.INFRA
PLANES = "L"
CLAIM = "A download failed for a reason of the network or of the server."
PREDICTS = "The log names a refused, reset or timed-out connection, throttling or an error of the server."
REFUTED_IF = "The same download works again and the failure stays."
FIX_HINT = "Run it again later; keep what is needed in a cache and bound the number of requests."
COMMANDS = (("requalify", "doctor", "--runner"),)
