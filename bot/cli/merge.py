"""`requalify merge DIR... --out DIR`: one journal from the journals of shards."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.cli import PATH, finish, make_folder
from bot.errors import Exit, UserError
from bot.jsonfile import read_json

if TYPE_CHECKING:
    from bot.fleet.merge import Merged

TOLD = "merge.json"  # what was found and what is missing, beside the journals


@click.command("merge")
@click.argument("places", metavar="DIR...", nargs=-1, required=True, type=PATH)
@click.option("--out", required=True, type=PATH, help="Folder for the journal, costs.json and merge.json.")
@click.option("--each", is_flag=True, help="Several playbooks: one folder under --out for each.")
@click.option("--plan", "matrix", type=PATH, help="What `requalify plan` printed: names what never arrived.")
@click.option("--costs", "older", type=PATH, help="Costs of earlier runs, kept in costs.json.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    places: tuple[Path, ...], out: Path, each: bool, matrix: Path | None, older: Path | None, as_json: bool
) -> None:
    """Join the journals of one run's shards, found anywhere below the folders given.

    Says which shards are missing or were cut short; their cells stay planned and have no evidence, which is
    never a pass. Exit status 0 when all are there, 4 when not. Journals of different runs are refused.
    """
    from bot.fleet import costs, merge

    parts, notes = merge.found(places, out)
    grouped = merge.by_playbook(parts)
    absent = sorted(_expected(matrix) - set(grouped)) if matrix else []
    if not parts:
        raise UserError("no journal in any of the folders", where=", ".join(map(str, places)), hint="\n".join(notes))
    if len(grouped) > 1 and not each:
        names = ", ".join(list(grouped)[:4])
        hint = "merge one playbook's shards, or give --each"
        raise UserError(f"journals of {len(grouped)} playbooks: {names}", where="merge", hint=hint)
    joined = {name: merge.merge(found) for name, found in grouped.items()}
    known = costs.read_costs(older) if older else costs.Costs()
    paths = _write(joined, out, each)
    for merged in joined.values():
        known = known.updated(costs.of_records(merged.header.playbook, merged.evidence))
    (out / costs.NAME).write_text(known.dumps(), encoding="utf-8")
    told = {
        "journals": [_row(name, merged, paths[name]) for name, merged in joined.items()],
        "playbooks_missing": absent, "notes": notes,
    }  # fmt: skip
    (out / TOLD).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    _tell(told, as_json)
    whole = not absent and not notes and all(merged.complete for merged in joined.values())
    finish(Exit.HELD if whole else Exit.UNJUDGED)


def _expected(path: Path) -> set[str]:
    """Return the names of the playbooks in a printed matrix."""
    told = read_json(path, what="what `requalify plan` prints")
    try:
        return {str(run["name"]) for entry in told["include"] for run in entry["runs"]}
    except (KeyError, TypeError):
        raise UserError("not what `requalify plan` prints", where=str(path)) from None


def _write(joined: "Mapping[str, Merged]", out: Path, each: bool) -> dict[str, Path]:
    """Write every journal; return where each is."""
    from bot.fleet import merge

    for name in joined if each else ():
        merge.check_name(name)
    make_folder(out)
    return {name: merged.write(out / name if each else out) for name, merged in joined.items()}


def _tell(told: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(told))
        return
    for row in told["journals"]:
        there = row["shards"] - len(row["missing"])
        click.echo(f"{row['journal']}: {there} of {row['shards']} shards, {row['measured']} of {row['cells']} cells")
        for word, numbers in (("missing", row["missing"]), ("cut short", row["unfinished"])):
            for number in numbers:
                click.echo(f"  {word}: shard {number}/{row['shards']} of {row['playbook']}")
    for name in told["playbooks_missing"]:
        click.echo(f"missing: every shard of {name}")
    for note in told["notes"]:
        click.echo(f"note: {note}", err=True)


def _row(name: str, merged: "Merged", path: Path) -> dict[str, Any]:
    planned = {cell.id for cell in merged.header.cells}
    return {
        "playbook": name, "journal": str(path), "shards": merged.parts, "missing": list(merged.missing),
        "unfinished": list(merged.unfinished), "cells": len(planned),
        "measured": len(planned & {item.cell for item in merged.evidence}),
    }  # fmt: skip
