"""What all tests share: no clock decides, and real models are used where `make models` put them."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("requalify", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("requalify")

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
MODELS = Path(os.environ.get("REQUALIFY_CACHE") or CACHE / "requalify") / "models"


def _model(file: str) -> Path:
    path = MODELS / file
    if not path.exists():
        pytest.skip(f"{path} is not there: `make models` fetches it")
    return path


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct, Q4_1."""
    return _model("smollm2-135m-instruct-q4_1.gguf")


@pytest.fixture(scope="session")
def qwen() -> Path:
    """Qwen2.5-Coder-0.5B-Instruct, Q4_K_M: the model of the issue this project is modelled on."""
    return _model("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")
