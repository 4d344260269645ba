"""HARNESS-003: not the binary or artefact that was meant."""

from bot.records import CauseKind

ID = "HARNESS-003"
SLUG = "version-skew"
KIND = CauseKind.HARNESS
PLANES = "L"
CLAIM = "The binary, library or artefact that took part is not the version the test is about, or is not installed."
PREDICTS = "A command, symbol, module or revision is missing, or the file's version is newer than its reader."
REFUTED_IF = "The versions that are recorded with the run are those the test asks for."
FIX_HINT = "Install what the playbook names, call it by its full path, and record its version and hash."
COMMANDS = (("requalify", "doctor"),)
