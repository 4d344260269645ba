"""`requalify inspect FILE`: what a model file says about itself, and which laws of its format it breaks."""

import json
from pathlib import Path
from typing import Any

import click

from bot.cli import PATH, finish
from bot.errors import Exit


@click.command("inspect")
@click.argument("file", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--limit", type=click.IntRange(0), default=20, show_default=True, help="How many tensors and keys to list (0: all)."
)
def command(file: Path, as_json: bool, limit: int) -> None:
    """Show format, architecture, tensors, metadata and broken laws of a checkpoint.

    FILE is a model file, a Hugging Face folder, a shard index or one part of a split. Exit status 0 when it
    breaks no law of its format, 1 when it does, 2 when it is no model file.
    """
    from bot.formats.summary import summary

    found = summary(file)
    if as_json:
        click.echo(json.dumps(found, allow_nan=False))
    else:
        for line in lines(found, limit or 1 << 30):
            click.echo(line)
    finish(Exit.FALSIFIED if found["faults"] else Exit.HELD)


def lines(found: dict[str, Any], limit: int) -> list[str]:
    """Return the lines a person reads; every text of the file is spelled so that no terminal obeys it."""
    from bot.formats.summary import inert

    shown = [f"{inert(found['path'], 400)}: {found['format'].upper()} {found.get('version') or ''}".rstrip()]
    if found["readable"]:
        shown += [
            f"architecture  {inert(str(found['architecture']))}",
            f"tensors       {len(found['tensors'])} of {found['parameters']:,} values in {found['bytes']:,} bytes: "
            + ", ".join(f"{count} {dtype}" for dtype, count in found["dtypes"].items()),
            "layout        " + ", ".join(f"{key} {value}" for key, value in found["layout"].items()),
        ]
        shown += _cut([_key(key, value) for key, value in found["metadata"].items()], limit, "keys")
        shown += _cut([_tensor(tensor) for tensor in found["tensors"]], limit, "tensors")
    for fault in found["faults"]:
        place = "" if fault["offset"] is None else f" at byte {fault['offset']}"
        shown.append(f"BROKEN {fault['law']} ({fault['cause']}){place}: {inert(fault['detail'], 400)}")
    return [*shown, f"{len(found['faults'])} broken laws" if found["faults"] else "no law of the format is broken"]


def _key(key: str, value: Any) -> str:
    from bot.formats.summary import inert

    return f"  {inert(key)} = {inert(json.dumps(value, ensure_ascii=False), 200)}"


def _tensor(tensor: dict[str, Any]) -> str:
    from bot.formats.summary import inert

    return f"  {inert(tensor['name'])}  {tensor['dtype']} {tensor['shape']} at {tensor['offset']}"


def _cut(items: list[str], limit: int, what: str) -> list[str]:
    return items if len(items) <= limit else [*items[:limit], f"  ... and {len(items) - limit} more {what} (--limit 0)"]
