"""INFRA-002: the memory of the card was full."""

from bot.records import CauseKind

ID = "INFRA-002"
SLUG = "gpu-out-of-memory"
KIND = CauseKind.INFRA
PLANES = "L"
CLAIM = "The card had no room for what was asked, because something else held it."
PREDICTS = "An allocation on the card fails; the same command works on an empty card."
REFUTED_IF = "The card was empty and the model should have fitted: then the tool needs too much."
FIX_HINT = "Look who holds the card, free it and run again; if it was empty, compare the peak with the model's size."
COMMANDS = (("nvidia-smi",), ("requalify", "doctor", "--runner"))
