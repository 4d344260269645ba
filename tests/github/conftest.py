"""The fake GitHub and a client of it that never sleeps."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_github import Hub, connect, serve

from bot.github.client import Client

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "report"))  # judgements made by hand


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A repository; the test fails on any request that GitHub's description does not know."""
    made = Hub()
    yield made
    assert made.violations == []


@pytest.fixture
def sleeps() -> list[float]:
    return []


@pytest.fixture
def client(hub: Hub, sleeps: list[float]) -> Iterator[Client]:
    with serve(hub) as url:
        yield connect(url, sleeps)
