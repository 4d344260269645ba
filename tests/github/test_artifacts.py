"""Evidence of a run comes through as small JSON; everything else about an archive is refused, and nothing is left."""

import io
import json
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fake_github import Fault, Hub, serve
from hypothesis import given
from hypothesis import strategies as st

from bot.cli import group
from bot.errors import UserError
from bot.github import artifacts
from bot.github.artifacts import Artifacts, unpack


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def store(hub: Hub) -> Iterator[Artifacts]:
    with serve(hub) as url:
        yield Artifacts("o/r", "t0ken", url)


def test_shards_of_the_run_are_unpacked_and_nothing_of_other_runs(hub: Hub, store: Artifacts, tmp_path: Path) -> None:
    hub.keep(7, "requalify-evidence-1", zipped({"evidence.jsonl": b"{}\n"}))
    hub.keep(7, "requalify-evidence-0", zipped({"evidence.jsonl": b"[]\n", "health.json": b"{}"}))
    hub.keep(7, "requalify-report-0", zipped({"report.html": b"<script>"}))
    hub.keep(8, "requalify-evidence-0", zipped({"evidence.jsonl": b"other"}))
    found = store.of_run(7)
    assert [item.name for item in found] == ["requalify-evidence-0", "requalify-evidence-1"]
    written = store.unpack(found[0], tmp_path / "0")
    assert {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in written} == {
        "0/evidence.jsonl": b"[]\n", "0/health.json": b"{}",
    }  # fmt: skip


def test_state_is_the_newest_of_the_default_branch_of_this_repository(hub: Hub, store: Artifacts) -> None:
    assert store.newest_state("main") is None
    mine = hub.keep(1, "requalify-state", b"")
    hub.tick(hours=1)
    hub.keep(2, "requalify-state", b"", branch="topic")
    hub.keep(3, "requalify-state", b"", fork=True)  # a fork's branch may be called main as well
    found = store.newest_state("main")
    assert found is not None
    assert found.id == mine
    hub.tick(hours=1)
    newer = hub.keep(4, "requalify-state", b"")
    assert store.newest_state("main").id == newer  # type: ignore[union-attr]
    hub.artifacts[newer]["expired"] = True
    assert store.newest_state("main").id == mine  # type: ignore[union-attr]


def link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("evidence.jsonl")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def twice() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("evidence.jsonl", "1")
        archive.writestr("evidence.jsonl", "2")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"no zip", "not a readable zip", id="no zip"),
        pytest.param(zipped({"../evidence.jsonl": b""}), "no JSON file of a plain name", id="up"),
        pytest.param(zipped({"/etc/evidence.json": b""}), "no JSON file of a plain name", id="absolute"),
        pytest.param(zipped({"a\\..\\evidence.json": b""}), "no JSON file of a plain name", id="backslashes"),
        pytest.param(zipped({"evidence.pkl": b""}), "no JSON file of a plain name", id="pickle"),
        pytest.param(zipped({".git/config.json": b""}), "no JSON file of a plain name", id="hidden"),
        pytest.param(zipped({f"{n}.json": b"" for n in range(33)}), "33 files are more than 32", id="many"),
        pytest.param(link(), "is a link", id="link"),
        pytest.param(twice(), "is there twice", id="twice"),
    ],
)
def test_an_archive_out_of_bounds_is_refused_whole(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        unpack(data, tmp_path / "out", "requalify-evidence-0")
    assert list(tmp_path.rglob("*")) == []


def test_a_bomb_is_stopped_while_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "UNZIPPED", 1000)
    with pytest.raises(UserError, match="unpacks to more than 1000 bytes"):
        unpack(zipped({"evidence.jsonl": bytes(10_000)}), tmp_path / "out", "requalify-evidence-0")
    assert list(tmp_path.rglob("*")) == []


def test_an_archive_larger_than_it_says_is_not_read_to_its_end(
    hub: Hub, store: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "ZIPPED", 1000)
    identity = hub.keep(7, "requalify-evidence-0", bytes(5000))
    (found,) = store.of_run(7)
    with pytest.raises(UserError, match="5000 bytes are more"):
        store.unpack(found, tmp_path)
    hub.artifacts[identity]["size_in_bytes"] = 10
    (found,) = store.of_run(7)
    with pytest.raises(UserError, match="more than 1000 bytes came"):
        store.unpack(found, tmp_path)


@given(st.binary(max_size=300), st.integers(0, 120), st.binary(min_size=1, max_size=4))
def test_whatever_comes_is_unpacked_or_refused(tail: bytes, cut: int, patch: bytes) -> None:
    sound = zipped({"evidence.jsonl": b'{"type": "run"}\n', "health.json": b"{}"})
    for data in (tail, sound[:cut], sound[:cut] + patch + sound[cut + len(patch) :], sound + tail):
        with tempfile.TemporaryDirectory() as folder:
            try:
                written = unpack(data, Path(folder), "x")
            except UserError:
                written = []
            assert sorted(path for path in Path(folder).rglob("*") if path.is_file()) == sorted(written)


def run(url: str, event: dict[str, Any], tmp_path: Path, *words: str, **environment: str) -> Any:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event))
    variables = {"GITHUB_API_URL": url, "GITHUB_TOKEN": "t0ken", "GITHUB_EVENT_PATH": str(path), **environment}
    return CliRunner().invoke(group, ["fetch", "--repo", "o/r", *words], env=variables)


def test_fetch_takes_the_run_from_the_event(hub: Hub, tmp_path: Path) -> None:
    hub.keep(7, "requalify-evidence-3", zipped({"evidence.jsonl": b"{}\n"}))
    with serve(hub) as url:
        done = run(url, {"workflow_run": {"id": 7}}, tmp_path, "--out", str(tmp_path / "a"))
        assert (done.exit_code, (tmp_path / "a/3/evidence.jsonl").read_bytes()) == (0, b"{}\n")
        done = run(url, {"pull_request": {}}, tmp_path, "--out", str(tmp_path / "b"), GITHUB_RUN_ID="7")
        assert (done.exit_code, (tmp_path / "b/3/evidence.jsonl").exists()) == (0, True)
        done = run(url, {"workflow_run": {"id": 9}}, tmp_path, "--out", str(tmp_path / "c"))
        assert (done.exit_code, "run 9 left no evidence" in done.stderr) == (0, True)


def test_silence_for_days_fails_loudly(hub: Hub, tmp_path: Path) -> None:
    event = {"repository": {"default_branch": "main"}}
    words = ("--state", "--newer-than", "3", "--out", str(tmp_path / "s"))
    with serve(hub) as url:
        assert "there is none at all" in str(run(url, event, tmp_path, *words).exception)
        hub.now = datetime.now(UTC)
        hub.keep(1, "requalify-state", zipped({"history.json": b"{}"}))
        assert run(url, event, tmp_path, *words).exit_code == 0
        assert (tmp_path / "s/history.json").exists()
        hub.artifacts.clear()
        hub.tick(days=-4)
        hub.keep(1, "requalify-state", zipped({"history.json": b"{}"}))
        assert "nothing was published for 3 days" in str(run(url, event, tmp_path, *words).exception)


def test_a_refusal_names_the_permission(hub: Hub, tmp_path: Path) -> None:
    hub.faults.append(Fault("404"))
    with serve(hub) as url:
        done = run(url, {"workflow_run": {"id": 7}}, tmp_path, "--out", str(tmp_path / "a"))
    assert isinstance(done.exception, UserError)
    assert "actions: read" in str(done.exception)
