"""Two checkpoints under one question: why is B not A?

A is trusted. Everything is opened once here; tensor names and row orders of B are read by A's
architecture, so that wrong metadata shows as wrong metadata and not as a hundred wrong tensors.
"""

import dataclasses
from pathlib import Path

from bot.formats import faults, open_checkpoint
from bot.formats._base import Checkpoint, Fault, FormatError
from bot.formats.config import ModelConfig, read_config
from bot.formats.tokenizer import Tokenizer, read_tokenizer
from bot.formats.view import View, canonical


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A trusted checkpoint and a suspect one. B's parts are None when its file cannot be read."""

    path_a: Path
    path_b: Path
    a: View
    b: View | None
    config_a: ModelConfig
    config_b: ModelConfig | None
    tokenizer_a: Tokenizer | None
    tokenizer_b: Tokenizer | None
    faults_b: tuple[Fault, ...]
    asked: str | None = None  # the dtype the conversion was asked for; "" lossless; None unknown

    @property
    def readable(self) -> bool:
        """Tell whether B could be opened."""
        return self.b is not None

    def close(self) -> None:
        """Release both files."""
        self.a.checkpoint.close()
        if self.b:
            self.b.checkpoint.close()


def open_pair(path_a: Path, path_b: Path, *, asked: str | None = None) -> Pair:
    """Open both sides. An unreadable A is the user's mistake (FormatError); an unreadable B is a finding."""
    left = canonical(open_checkpoint(path_a))
    found = tuple(faults(path_b))
    right: View | None = None
    try:
        right = canonical(open_checkpoint(path_b), trusted=left)
    except FormatError as error:
        found = found or error.faults
    checkpoint: Checkpoint | None = right.checkpoint if right else None
    return Pair(
        path_a=path_a, path_b=path_b, a=left, b=right,
        config_a=left.config, config_b=read_config(checkpoint) if checkpoint else None,
        tokenizer_a=read_tokenizer(left.checkpoint), tokenizer_b=read_tokenizer(checkpoint) if checkpoint else None,
        faults_b=found, asked=asked,
    )  # fmt: skip
