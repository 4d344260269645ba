"""INFRA-006: no right to read it."""

from bot.records import CauseKind

ID = "INFRA-006"
SLUG = "access-denied"
KIND = CauseKind.INFRA
PLANES = "L"
CLAIM = "The account or token that was used may not read what was asked for, which servers often show as not found."
PREDICTS = "401, 403, a gated or an unknown repository, or a file without permission."
REFUTED_IF = "The same account reads the same file."
FIX_HINT = "Accept the model's terms with the account of the token, and check that the runner is given it."
COMMANDS = (("requalify", "doctor", "--runner"),)
