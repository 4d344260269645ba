"""A JSON file that somebody named: its value, or one error that names it."""

from pathlib import Path

import pytest

from bot.errors import UserError
from bot.jsonfile import read_json


def test_a_value_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_text('{"a": [1]}')
    assert read_json(tmp_path / "f", largest=10) == {"a": [1]}


@pytest.mark.parametrize(("data", "words"), (
    (b"", "not costs: Expecting"), (b"\xff", "not costs: 'utf-8'"), (b"[" * 100_000, "not costs: nested too deep"),
    (b" " * 200_001, "more than 200000 bytes"), (b"9" * 5000, "not costs: "),
), ids=("empty", "binary", "deep", "large", "digits"))  # fmt: skip
def test_what_is_no_json_is_one_error(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(UserError, match=words) as told:
        read_json(tmp_path / "f", what="costs", largest=200_000, hint="mend it")
    assert str(told.value).startswith(str(tmp_path / "f"))
    assert str(told.value).endswith("(mend it)")


@pytest.mark.parametrize("name", (".", "absent", "x" * 300))
def test_what_cannot_be_read_is_one_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_json(tmp_path / name)


def test_an_endless_file_ends() -> None:
    with pytest.raises(UserError, match="more than 1000 bytes"):
        read_json(Path("/dev/zero"), largest=1000)
