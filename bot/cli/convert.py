"""`requalify convert SRC DST`: the embedded reference converter."""

import json
from pathlib import Path

import click

from bot.cli import PATH
from bot.errors import spelled


@click.command("convert")
@click.argument("source", type=PATH)
@click.argument("target", type=PATH)
@click.option("--dtype", help="Element type of the matrices: f32, f16, bf16, q8_0, q4_0, ... Lossless when not given.")
@click.option(
    "--plant", "plants", multiple=True, metavar="CAUSE[:WHERE]", help="Commit this defect on purpose (repeatable)."
)
@click.option("--plant-where-possible", is_flag=True, hidden=True, help="Leave out plants that find nothing to change.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    source: Path, target: Path, dtype: str | None, plants: tuple[str, ...], plant_where_possible: bool, as_json: bool
) -> None:  # fmt: skip
    """Convert a checkpoint between GGUF, SafeTensors and APR.

    The target's suffix says the format: .gguf, .apr, .safetensors, or a folder for SafeTensors with its
    config and tokenizer files. Nothing is left under the target's name when it fails.
    """
    from bot.toolchains import conversion
    from bot.toolchains.plants import parse_all

    done = conversion.convert(
        source, target, dtype=dtype, plants=parse_all(plants), where_possible=plant_where_possible
    )
    if as_json:
        click.echo(json.dumps(done))
    else:
        click.echo(f"{spelled(done['target'], lines=False)}: {done['tensors']} tensors, {done['from']} to {done['to']}")
