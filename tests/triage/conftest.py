from collections.abc import Callable
from pathlib import Path

import pytest
from triage import families


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Tiny models by architecture, each written once."""
    root = tmp_path_factory.mktemp("models")
    return lambda arch: families.source(root, arch)
