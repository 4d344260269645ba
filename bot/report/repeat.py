"""The commands that make a run's files again: its work folder is gone when somebody reads the issue."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bot.records import Evidence

Evidences = Mapping[str, Mapping[str, Evidence]]
Told = tuple[str, tuple[str, ...]]  # why, argv
OURS = ("-m", "bot")


def conversions(cells: Iterable[str], evidence: Evidences, wanted: Sequence[str]) -> Iterator[Told]:
    """Yield how to make the file that `wanted` commands speak of, or the first that could not be made."""
    hops = _hops(cells, evidence, set(wanted))
    folders = dict.fromkeys(target.rpartition("/")[0] for hop in hops if (target := _text(hop, "target")))
    if made := [folder for folder in folders if folder]:
        yield "Make room for the converted files", ("mkdir", "-p", *made)
    for hop in hops:
        yield f"Repeat the conversion {_text(hop, 'hop') or ''}".rstrip(), printable(hop["argv"])


def printable(argv: Sequence[str]) -> tuple[str, ...]:
    """Return an argv as a reader types it: our own module by the name of the command."""
    words = tuple(str(word) for word in argv)
    return ("requalify", *words[3:]) if words[1:3] == OURS else words


def _hops(cells: Iterable[str], evidence: Evidences, wanted: set[str]) -> list[dict[str, Any]]:
    """Return the hops that end in a wanted file, else those that end in a failure."""
    failed: list[dict[str, Any]] = []
    for cell in cells:
        for item in evidence.get(cell, {}).values():
            found = _list(item.provenance.get("conversions"))
            if found and _text(found[-1], "target") in wanted:
                return found
            if not failed and item.kind == "failure" and item.data.get("argv"):
                failed = [*_list(item.data.get("conversions")), *_list([item.data])]
    return failed


def _list(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list | tuple) else ()
    return [item for item in items if isinstance(item, dict) and isinstance(item.get("argv"), list) and item["argv"]]


def _text(hop: Mapping[str, Any], name: str) -> str | None:
    value = hop.get(name)
    return value if isinstance(value, str) and value else None
