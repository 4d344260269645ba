"""`requalify causes`: what can be wrong with a conversion, and how each cause is told from the others."""

import difflib
import fnmatch
import json
import shlex
from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli import finish
from bot.errors import Exit, UserError
from bot.triage.hypotheses import ALL
from bot.triage.hypotheses._base import Hypothesis

PLANES = {
    "T": "tensors", "M": "metadata", "K": "tokenizer", "I": "logits of a run", "B": "bytes of the file",
    "L": "output of a failed command",
}  # fmt: skip


@click.group("causes", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the causes; `causes explain ID` says what one claims, what would refute it and what mends it."""
    if ctx.invoked_subcommand is not None:
        return
    if as_json:
        click.echo(json.dumps({"causes": [_described(cause) for cause in ALL.values()]}, indent=2))
    else:
        Console().print(_table(ALL.values()))
    finish(Exit.HELD)


@command.command("explain")
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def explain(ctx: click.Context, name: str, as_json: bool) -> None:
    """Explain one cause by id or slug, or each that a glob such as ROPE-* matches."""
    found = _found(name)
    if as_json or (ctx.parent and ctx.parent.params["as_json"]):
        told = [_described(cause) for cause in found]
        click.echo(json.dumps(told[0] if len(told) == 1 and "*" not in name else {"causes": told}, indent=2))
    else:
        click.echo("\n\n".join(_explained(cause) for cause in found))
    finish(Exit.HELD)


def _found(name: str) -> list[Hypothesis]:
    found = [
        cause for cause in ALL.values()
        if fnmatch.fnmatchcase(cause.ID, name.upper()) or name.lower() == cause.SLUG
    ]  # fmt: skip
    if not found:
        slugs = {cause.SLUG: cause.ID for cause in ALL.values()}
        near = difflib.get_close_matches(name.upper(), ALL, n=2, cutoff=0.5)
        near += [slugs[slug] for slug in difflib.get_close_matches(name.lower(), slugs, n=2, cutoff=0.5)]
        hint = f"nearest: {', '.join(dict.fromkeys(near))}" if near else "`requalify causes` lists them"
        raise UserError(f"no cause {name[:80]!r}", hint=hint)
    return found


def _described(cause: Hypothesis) -> dict[str, Any]:
    return {
        "id": cause.ID, "slug": cause.SLUG, "kind": cause.KIND.value, "planes": list(cause.PLANES.replace(" ", "")),
        "claim": cause.CLAIM, "predicts": cause.PREDICTS, "refuted_if": cause.REFUTED_IF, "fix_hint": cause.FIX_HINT,
        "commands": [list(argv) for argv in cause.COMMANDS],
    }  # fmt: skip


def _table(causes: Iterable[Hypothesis]) -> Table:
    table = Table("Cause", "Slug", "Kind", "Planes", "Claim")
    for cause in causes:
        table.add_row(
            Text(cause.ID, no_wrap=True), cause.SLUG, cause.KIND.value, " ".join(cause.PLANES.replace(" ", "")),
            Text(cause.CLAIM),
        )  # fmt: skip
    return table


def _explained(cause: Hypothesis) -> str:
    planes = ", ".join(PLANES.get(plane, plane) for plane in cause.PLANES.replace(" ", ""))
    facts = {
        "kind": cause.KIND.value, "looks at": planes, "predicts": cause.PREDICTS, "refuted if": cause.REFUTED_IF,
        "to mend": cause.FIX_HINT,
    }  # fmt: skip
    lines = [f"  {name + ':':<12}{value}" for name, value in facts.items()]
    lines += [f"  {'look:' if i == 0 else '':<12}{shlex.join(argv)}" for i, argv in enumerate(cause.COMMANDS)]
    return "\n".join((f"{cause.ID} {cause.SLUG}", "", cause.CLAIM, "", *lines))
