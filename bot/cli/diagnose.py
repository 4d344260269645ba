"""`requalify diagnose A B`: why B is not A."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from bot.cli import PATH, finish
from bot.errors import Exit, UserError
from bot.playbook.schema import DTYPES
from bot.report.redact import clean
from bot.report.story import result
from bot.report.verdicts import cause

if TYPE_CHECKING:
    from bot.triage.investigate import Diagnosis


@click.command("diagnose")
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--asked",
    metavar="DTYPE",
    help="What the conversion was asked for: q8_0, q4_k_m, ... or lossless; leave out when not known.",
)
def command(a: Path, b: Path, as_json: bool, asked: str | None) -> None:
    """Find out why B is not A, by experiment on tensors, metadata and tokenizer; A is the one that is trusted.

    Exit status 0 when B is A or within what its types cost, 1 when B is faulty or another model.
    """
    from bot.triage.investigate import diagnose

    found = diagnose(a, b, asked=_dtype(asked))
    if as_json:
        made = {
            "verdict": found.verdict,
            "causes": [cause(finding) for finding in found.findings],
            "unexplained": list(found.unexplained),
        }
        click.echo(json.dumps(made, allow_nan=False))
    else:
        _show(found, Console())
    finish(Exit.HELD if found.verdict in {"equal", "within-budget"} else Exit.FALSIFIED)


def _dtype(asked: str | None) -> str | None:
    """Return an element type in small letters, an empty one for lossless; UserError for a word that is none."""
    from bot.formats.blocks import QUANTIZERS

    if asked is None or asked.lower() == "lossless":
        return asked and ""
    known = sorted({*DTYPES, *(name.lower() for name in QUANTIZERS)})
    if asked.lower() not in known:
        hint = f"known: lossless, {', '.join(known)}"
        raise UserError(f"{asked[:40]!r} is no element type", where="--asked", hint=hint)
    return asked.lower()


def _show(found: "Diagnosis", console: Console) -> None:
    for finding in found.findings:
        style = "green" if finding.kind == "clears" else "bold red"
        console.print(Text(clean(f"{finding.id} {finding.slug} ({finding.confidence.value})"), style))
        lines = [finding.claim, result(finding), finding.pattern, *finding.evidence_for, *finding.evidence_against]
        if finding.refuted:
            lines.append(f"refuted: {', '.join(finding.refuted)}")
        if finding.side:
            lines.append(f"the wrong side is {finding.side}")
        for line in filter(None, lines):
            console.print(Text(f"  {clean(line)}"), soft_wrap=True)
    if found.unexplained:
        console.print(Text(f"unexplained: {clean(', '.join(found.unexplained[:10]))}"), soft_wrap=True)
    console.print(Text(found.verdict, "bold"))
