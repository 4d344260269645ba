"""Fetches the evidence a run left as artifacts. What is in them may be a stranger's: only small JSON comes through.

GitHub's rules: docs.github.com, REST API endpoints for GitHub Actions artifacts.
"""

import dataclasses
import io
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from bot.errors import UserError

EVIDENCE = re.compile(r"requalify-evidence-\d{1,4}")
STATE = "requalify-state"
ARTIFACTS = 256  # as many as a matrix has jobs
ZIPPED = 64 << 20  # bytes of one archive
UNZIPPED = 256 << 20  # bytes of its members together
MEMBERS = 32
_MEMBER = re.compile(
    r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]{0,100}/){0,3}[A-Za-z0-9_-][A-Za-z0-9_.-]{0,100}\.jsonl?|problems\.txt"
)
_CHUNK = 1 << 16


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One artifact as the list API gives it."""

    id: int
    name: str
    size: int  # bytes, zipped
    expired: bool
    created: datetime
    head_branch: str
    own: bool  # made by a run of this repository, not of a fork


class Artifacts:
    """The artifacts of one repository; reads only."""

    def __init__(self, repository: str, token: str, base_url: str, timeout_s: int = 30) -> None:
        self._root = f"{base_url.rstrip('/')}/repos/{repository}/actions"
        self._session = requests.Session()
        self._session.headers.update({"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"})
        self._timeout = timeout_s

    def of_run(self, run: int) -> list[Artifact]:
        """Return the evidence artifacts of a run, by name."""
        found = [item for item in self._listed(f"/runs/{run}/artifacts") if EVIDENCE.fullmatch(item.name)]
        return sorted(found, key=lambda item: item.name)

    def newest_state(self, branch: str) -> Artifact | None:
        """Return what was last kept by a run of this repository on its default branch; None before the first."""
        listed = self._listed("/artifacts", {"name": STATE})
        mine = [i for i in listed if i.name == STATE and i.own and i.head_branch == branch and not i.expired]
        return max(mine, key=lambda item: item.created, default=None)

    def _listed(self, path: str, query: Mapping[str, str] | None = None) -> list[Artifact]:
        found: list[Artifact] = []
        for page in range(1, 1 + -(-ARTIFACTS // 100)):
            told = self._get(f"{self._root}{path}", {**(query or {}), "per_page": "100", "page": str(page)}).json()
            found += [_artifact(item) for item in told["artifacts"]]
            if len(told["artifacts"]) < 100:
                break
        return found[:ARTIFACTS]

    def _get(self, url: str, query: Mapping[str, str] | None = None) -> requests.Response:
        try:
            answer = self._session.get(url, params=query, timeout=self._timeout, stream=True)
            answer.raise_for_status()
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            what = f"GitHub answered {status}" if status else f"GitHub did not answer: {type(error).__name__}"
            hint = "the job needs `actions: read`" if status in {401, 403, 404} else "run the job again"
            raise UserError(what, where=url.partition("?")[0], hint=hint) from None
        return answer

    def unpack(self, artifact: Artifact, folder: Path) -> list[Path]:
        """Download an artifact and write its members below `folder`; UserError for anything out of bounds."""
        if artifact.size > ZIPPED:
            raise UserError(f"{artifact.size} bytes are more than evidence takes", where=artifact.name)
        # requests drops the token when the answer redirects to another host
        answer = self._get(f"{self._root}/artifacts/{artifact.id}/zip")
        data = b""
        for chunk in answer.iter_content(_CHUNK):
            data += chunk
            if len(data) > ZIPPED:
                raise UserError(f"more than {ZIPPED} bytes came", where=artifact.name)
        return unpack(data, folder, artifact.name)


def _artifact(item: Mapping[str, Any]) -> Artifact:
    run = item.get("workflow_run") or {}
    return Artifact(
        id=int(item["id"]),
        name=str(item["name"]),
        size=int(item["size_in_bytes"]),
        expired=bool(item["expired"]),
        created=datetime.fromisoformat(str(item["created_at"])),
        head_branch=str(run.get("head_branch") or ""),
        own=run.get("repository_id") is not None and run.get("repository_id") == run.get("head_repository_id"),
    )


def unpack(data: bytes, folder: Path, name: str) -> list[Path]:
    """Write the members of a zip below `folder`, all of them or none.

    Raises UserError for a member that is no JSON of a plain name, a link, a duplicate, or too large when unpacked:
    what the archive says of sizes is not believed.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            _refuse(members, name)
            contents = _contents(archive, members, name)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"not a readable zip: {error}", where=name) from None
    written = []
    for member, content in contents.items():
        path = folder / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written.append(path)
    return written


def _refuse(members: Sequence[zipfile.ZipInfo], name: str) -> None:
    if len(members) > MEMBERS:
        raise UserError(f"{len(members)} files are more than {MEMBERS}", where=name)
    names = [info.filename for info in members]
    odd = [n for n in names if not _MEMBER.fullmatch(n)]
    links = [i.filename for i in members if stat.S_IFMT(i.external_attr >> 16) not in {0, stat.S_IFREG}]
    twice = [n for n in names if names.count(n) > 1]
    for found, what in ((odd, "is no JSON file of a plain name"), (links, "is a link"), (twice, "is there twice")):
        if found:
            raise UserError(f"{found[0][:80]!r} {what}", where=name)


def _contents(archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], name: str) -> dict[str, bytes]:
    left, contents = UNZIPPED, {}
    for info in members:
        with archive.open(info) as member:
            content = member.read(left + 1)
        left -= len(content)
        if left < 0:
            raise UserError(f"unpacks to more than {UNZIPPED} bytes", where=name)
        contents[info.filename] = content
    return contents


def age(artifact: Artifact, now: datetime | None = None) -> timedelta:
    """Return how long ago an artifact was made."""
    return (now or datetime.now(UTC)) - artifact.created
