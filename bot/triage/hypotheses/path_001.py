"""PATH-001: the tool was not handed the file it needs."""

from bot.records import CauseKind
from bot.triage.hypotheses._base import INSPECT_A, INSPECT_B

ID = "PATH-001"
SLUG = "directory-instead-of-file"
KIND = CauseKind.HARNESS
PLANES = "L"
CLAIM = "A directory, nothing at all or another file was handed to the tool where it expects a model file."
PREDICTS = "The tool speaks of a directory, a missing extension or a missing file; no tensor was read."
REFUTED_IF = "The path the tool was given is a readable model file."
FIX_HINT = "Hand over the file itself, and check that the step that makes it had succeeded."
COMMANDS = (INSPECT_A, INSPECT_B)
