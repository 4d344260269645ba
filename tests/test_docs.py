"""What the documents say of the program is true of the program."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import COMMANDS, group

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "playbooks").glob("*.md")])
SOURCE = "\n".join(
    path.read_text() for folder in ("bot", ".github/actions") for path in sorted((ROOT / folder).rglob("*.*"))
    if path.suffix in {".py", ".sh"}
)  # fmt: skip


def quoted() -> list[str]:
    """The texts in the first column of the tables of docs/troubleshooting.md, cut at what differs."""
    rows = re.findall(r"^\| (.+?) \| ", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)
    texts = [text for row in rows for text in re.findall(r"``? ?(.+?) ?``?(?!`)", row)]
    parts = [part.strip("` :,") for text in texts for part in text.split("…")]
    return [part for part in parts if len(part) > 3]


@pytest.mark.parametrize("text", quoted())
def test_an_error_text_in_the_documents_is_one_of_ours(text: str) -> None:
    joined = re.sub(r'"\s*\n\s*f?"', "", SOURCE)
    assert text in joined, text


def test_there_are_error_texts() -> None:
    assert len(quoted()) > 15


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_options_in_the_documents_exist(page: Path) -> None:
    for start, name, rest in re.findall(r"(^\$ |`)requalify ([a-z-]+)([^`\n]*)", page.read_text(), re.MULTILINE):
        if start == "`" and name not in COMMANDS:
            continue  # the name of a check or a model
        assert name in COMMANDS, name
        words = CliRunner().invoke(group, [name, "--help"]).output
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", rest):
            assert option in words, f"requalify {name} has no {option}"
