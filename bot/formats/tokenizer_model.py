"""A tokenizer in one spelling: what GGUF, APR and Hugging Face say of it, side by side."""

import dataclasses
import functools
import json
from collections.abc import Sequence
from typing import Any

# token types of GGUF
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """The tokens, merges and special ids of a model. None stands for what the file does not say."""

    kind: str  # "bpe" (byte level, gpt2 in GGUF) or "spm" (SentencePiece, llama in GGUF)
    tokens: Sequence[str]
    merges: Sequence[str] | None = None  # "left right", in rank order
    scores: Sequence[float] | None = None
    types: Sequence[int] | None = None
    pre: str | None = None  # GGUF's name of the pre-tokenizer; "" when the file's own is none we know
    bos: int | None = None
    eos: int | None = None
    unk: int | None = None
    pad: int | None = None
    sep: int | None = None
    add_bos: bool | None = None
    add_eos: bool | None = None
    add_space_prefix: bool | None = None
    chat_template: str | None = None
    document: dict[str, Any] | None = None  # the tokenizer.json it was read from

    @functools.cached_property
    def engine(self) -> Any:
        """The tokenizer of the `tokenizers` library that this describes; ValueError when it cannot be built."""
        import tokenizers

        from bot.formats.tokenizer_hf import document

        try:
            return tokenizers.Tokenizer.from_str(json.dumps(self.document or document(self)))
        except Exception as error:  # noqa: BLE001 - the library raises bare Exception
            raise ValueError(f"no working tokenizer: {str(error)[:200]}") from None

    def encode(self, text: str) -> list[int]:
        """Return token ids, special tokens of the text recognised, none added."""
        return list(self.engine.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids."""
        return str(self.engine.decode(list(ids), skip_special_tokens=False))

    def special(self, number: int | None) -> str | None:
        """Return the token of a special id, None when there is none."""
        return self.tokens[number] if number is not None and 0 <= number < len(self.tokens) else None
