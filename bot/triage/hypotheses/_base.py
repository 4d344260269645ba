"""What a module of this package states: an argument, not a threshold.

ID, SLUG, KIND, PLANES and the texts are plain constants, so a hosted job can conclude and explain without
numpy. What needs tensors lives in `bot.triage.experiments` and is imported inside the function that runs it.
"""

from collections.abc import Mapping
from typing import Protocol

from bot.records import CauseKind

Argv = tuple[str, ...]


class Hypothesis(Protocol):
    """A named class of defect, and how it could be refuted."""

    # stable id and slug of the catalogue: "LAYOUT-002", "data-transposed"
    ID: str
    SLUG: str
    KIND: CauseKind
    # what its experiment works on: T tensors, M metadata, K tokenizer, I inference, B bytes, L log text
    PLANES: str
    # one sentence each, for people
    CLAIM: str
    PREDICTS: str
    REFUTED_IF: str
    FIX_HINT: str
    # argv with {a}, {b} (the two checkpoints) and {tensor} (a suspect) to fill in; run as printed
    COMMANDS: tuple[Argv, ...]


def filled(commands: tuple[Argv, ...], values: Mapping[str, str]) -> tuple[Argv, ...]:
    """Fill the placeholders of argv templates, word by word; a template lacking a value is left out."""
    done = []
    for argv in commands:
        try:
            done.append(tuple(word.format_map(values) for word in argv))
        except KeyError:
            continue
    return tuple(done)
