"""A conversion before it is written: every tensor still a promise, so a plant can change any part of it."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from bot.formats import blocks
from bot.formats._base import F32, Bytes, OutTensor
from bot.formats.config import ModelConfig
from bot.formats.names import Change
from bot.formats.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DraftTensor:
    """One tensor to be written: its values in the target's convention, or its bytes where they are only copied."""

    name: str  # as the target spells it
    hf: str
    dtype: str  # what the file will say it is
    shape: tuple[int, ...]  # what the file will say, C order
    values: Callable[[], F32]
    packed: Callable[[], Bytes] | None = None  # bytes to copy, when nothing has to be computed
    recode: Callable[[Bytes], Bytes] | None = None  # changes the encoded bytes (plants)
    stored_as: str | None = None  # how the bytes really are encoded, where the label lies (plants)
    size: int | None = None  # bytes in the file, where shape and type do not tell (plants)
    was: Change = Change.NONE  # what the source's container had done to it
    asks: Change = Change.NONE  # what the target's container has done to it

    def data(self) -> Bytes:
        """Return the encoded bytes, C-contiguous."""
        if self.packed is not None:
            encoded = self.packed()
        else:
            values = self.values()
            rows = values.reshape(-1, values.shape[-1]) if values.ndim and values.size else values.reshape(1, -1)
            encoded = blocks.encode(self.stored_as or self.dtype, rows)
        return self.recode(encoded) if self.recode else encoded

    def out(self) -> OutTensor:
        """Return the tensor as a writer takes it."""

        def chunks() -> Any:
            yield self.data()

        size = self.size or blocks.nbytes(self.stored_as or self.dtype, self.shape)
        return OutTensor(name=self.name, dtype=self.dtype, shape=self.shape, nbytes=size, chunks=chunks())

    @property
    def is_matrix(self) -> bool:
        """Tell whether it has two dimensions or more, none of them 1."""
        return len(self.shape) > 1 and math.prod(self.shape) > max(self.shape)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A whole checkpoint to be written."""

    format: str
    config: ModelConfig
    tokenizer: Tokenizer | None
    metadata: Mapping[str, Any]  # what the container states, in its own spelling
    tensors: tuple[DraftTensor, ...]
    folder: Mapping[str, str] = dataclasses.field(default_factory=dict)  # companions of a SafeTensors: name -> text
