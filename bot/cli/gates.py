"""`requalify gates`: what is claimed of a conversion, and how each claim is judged."""

import json
from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli import finish
from bot.errors import Exit, UserError
from bot.gates import ALL, Gate

_WORDS = {"*": "each format", "*result": "each result", "source": "the source"}


@click.group("gates", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the gates; `gates explain ID` says what one claims, why it matters and what to do when it fails."""
    if ctx.invoked_subcommand is not None:
        return
    if as_json:
        click.echo(json.dumps({"gates": [_described(gate) for gate in ALL.values()]}, indent=2))
    else:
        Console().print(_table(ALL.values()))
    finish(Exit.HELD)


@command.command("explain")
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def explain(ctx: click.Context, name: str, as_json: bool) -> None:
    """Explain one gate, or each that a glob such as F-CONV-RT-* matches."""
    found = _found(name)
    if as_json or (ctx.parent and ctx.parent.params["as_json"]):
        told = [_described(gate) for gate in found]
        click.echo(json.dumps(told[0] if name in ALL else {"gates": told}, indent=2))
    else:
        click.echo("\n\n".join(_explained(gate) for gate in found))
    finish(Exit.HELD)


def _found(name: str) -> list[Gate]:
    import difflib
    import fnmatch

    found = [gate for gate in ALL.values() if fnmatch.fnmatchcase(gate.id, name.upper())]
    if not found:
        near = difflib.get_close_matches(name.upper(), ALL, n=3, cutoff=0.3)
        hint = f"nearest: {', '.join(near)}" if near else "`requalify gates` lists them"
        raise UserError(f"no gate {name[:80]!r}", hint=hint)
    return found


def _described(gate: Gate) -> dict[str, Any]:
    return {
        "id": gate.id, "title": gate.title, "severity": gate.severity, "family": gate.family, "needs": list(gate.needs),
        "takes": list(gate.takes), "chains": [list(chain) for chain in gate.chains], "backends": gate.backends,
        "only": gate.only, "both": gate.both, "modality": gate.modality, "tiers": sorted(gate.tiers), "text": gate.text,
        "definition": gate.definition,
    }  # fmt: skip


def _table(gates: Iterable[Gate]) -> Table:
    table = Table("Gate", "Severity", "Family", "Claim")
    for gate in gates:
        table.add_row(Text(gate.id, no_wrap=True), gate.severity, gate.family, Text(gate.title))
    return table


def _explained(gate: Gate) -> str:
    cells = ", ".join(_WORDS.get("".join(chain), " to ".join(chain)) for chain in gate.chains)
    optional = [kind for kind in gate.takes if kind not in gate.needs]
    facts = {
        "severity": gate.severity,
        "family": gate.family,
        "judges": cells + _where(gate),
        "needs": ", ".join(gate.needs) + (f"; takes also {', '.join(optional)}" if optional else ""),
        "definition": gate.definition,
    }
    lines = "\n".join(f"  {name + ':':<12}{value}" for name, value in facts.items())
    return f"{gate.id}\n\n{gate.text}\n\n{lines}"


def _where(gate: Gate) -> str:
    """Say on which backends, ways of asking and tiers it is planned."""
    backend = f", on {gate.only}" if gate.only else ", on each backend" if gate.backends else ""
    backend = ", needs both backends" if gate.both else backend
    modality = f", asked by {gate.modality}" if gate.modality else ""
    tiers = f", in tiers {' and '.join(sorted(gate.tiers))}" if gate.tiers else ""
    return backend + modality + tiers
