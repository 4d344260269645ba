"""HARNESS-001: a command line the tool does not understand."""

from bot.records import CauseKind

ID = "HARNESS-001"
SLUG = "command-line-mismatch"
KIND = CauseKind.HARNESS
PLANES = "L"
CLAIM = "The command asks for something this version of the tool does not have: an option, a subcommand, a format."
PREDICTS = "The tool prints a usage error or says that an option is ignored; no tensor was read."
REFUTED_IF = "The tool's own help lists what was asked for."
FIX_HINT = "Ask the tool's help for what it knows before it is driven, and skip what it does not."
COMMANDS = (("requalify", "doctor"),)
