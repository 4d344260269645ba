"""The story in the documentation is what the commands do today."""

import os
from pathlib import Path

import pytest
import story
from fake_github import Hub, serve

DOCS = Path(__file__).parent.parent.parent / "docs" / "story.md"


def test_the_story_is_what_happens(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    with serve(hub) as url:
        teller = story.Teller(hub, url, tmp_path, monkeypatch.setenv)
        story.patch(monkeypatch, teller)
        text = story.tell(teller)
    if os.environ.get("REQUALIFY_BLESS"):
        DOCS.write_text(text)
    assert DOCS.read_text() == text, "REQUALIFY_BLESS=1 writes the page anew"
