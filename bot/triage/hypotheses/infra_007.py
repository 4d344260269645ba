"""INFRA-007: a GPU that cannot be used."""

from bot.records import CauseKind

ID = "INFRA-007"
SLUG = "driver-mismatch"
KIND = CauseKind.INFRA
PLANES = "L"
CLAIM = "Driver, toolkit, build and device do not fit together, so that the GPU cannot be used."
PREDICTS = "The runtime finds no device, no fitting driver or no kernel for it, or the build has no GPU backend."
REFUTED_IF = "Another program of the same build computes on the same GPU."
FIX_HINT = "Mend the machine or install a build for it; cells that need a GPU are skipped until then."
COMMANDS = (("nvidia-smi",), ("requalify", "doctor", "--runner"))
