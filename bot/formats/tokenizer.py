"""Reads a model's tokenizer from any container and writes it for any other."""

from collections.abc import Mapping
from typing import Any

from bot.formats import tokenizer_hf
from bot.formats._base import Checkpoint
from bot.formats.gguf_write import KV
from bot.formats.tokenizer_model import Tokenizer

__all__ = ["Tokenizer", "hf_files", "read_tokenizer", "to_apr", "to_gguf"]

hf_files = tokenizer_hf.files
_KINDS = {"gpt2": "bpe", "llama": "spm", "bpe": "bpe", "spm": "spm"}
_MODELS = {"bpe": "gpt2", "spm": "llama"}
# field -> key, in GGUF and in APR
_GGUF = {
    "tokens": "tokenizer.ggml.tokens", "merges": "tokenizer.ggml.merges", "scores": "tokenizer.ggml.scores",
    "types": "tokenizer.ggml.token_type", "pre": "tokenizer.ggml.pre", "bos": "tokenizer.ggml.bos_token_id",
    "eos": "tokenizer.ggml.eos_token_id", "unk": "tokenizer.ggml.unknown_token_id",
    "pad": "tokenizer.ggml.padding_token_id", "sep": "tokenizer.ggml.seperator_token_id",
    "add_bos": "tokenizer.ggml.add_bos_token", "add_eos": "tokenizer.ggml.add_eos_token",
    "add_space_prefix": "tokenizer.ggml.add_space_prefix", "chat_template": "tokenizer.chat_template",
}  # fmt: skip
_APR = {
    "tokens": "tokenizer.vocabulary", "merges": "tokenizer.merges", "scores": "tokenizer.scores",
    "types": "tokenizer.token_type", "pre": "tokenizer.pre_type", "bos": "tokenizer.bos_token_id",
    "eos": "tokenizer.eos_token_id", "unk": "tokenizer.unknown_token_id", "pad": "tokenizer.padding_token_id",
    "sep": "tokenizer.separator_token_id", "add_bos": "tokenizer.add_bos_token", "add_eos": "tokenizer.add_eos_token",
    "add_space_prefix": "tokenizer.add_space_prefix", "chat_template": "tokenizer.chat_template",
}  # fmt: skip
_ELEMENTS: dict[str, type | tuple[type, ...]] = {"tokens": str, "merges": str, "scores": (int, float), "types": int}
_SCALARS: dict[str, type] = {
    "pre": str,
    "chat_template": str,
    "add_bos": bool,
    "add_eos": bool,
    "add_space_prefix": bool,
}


def read_tokenizer(checkpoint: Checkpoint) -> Tokenizer | None:
    """Return the checkpoint's tokenizer, None when it holds none. Values of a wrong type count as not stated."""
    if checkpoint.format == "safetensors":
        return tokenizer_hf.read(checkpoint)
    metadata = checkpoint.metadata
    keys = _GGUF if checkpoint.format == "gguf" else _APR
    stated = {field: value for field, key in keys.items() if (value := _typed(field, metadata.get(key))) is not None}
    if not stated.get("tokens"):
        return None
    return Tokenizer(kind=_kind(metadata, stated), **stated)


def _kind(metadata: Mapping[str, Any], stated: Mapping[str, Any]) -> str:
    spelled = (
        metadata.get("tokenizer.ggml.model") or metadata.get("tokenizer.model") or metadata.get("tokenizer.model_type")
    )
    kind = _KINDS.get(spelled.lower()) if isinstance(spelled, str) else None
    return kind or ("spm" if "<0x0A>" in stated["tokens"] else "bpe")


def _typed(field: str, value: Any) -> Any:
    if field in _ELEMENTS:
        kind = _ELEMENTS[field]
        return value if isinstance(value, list) and all(isinstance(item, kind) for item in value) else None
    wanted = _SCALARS.get(field, int)
    return value if isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool)) else None


def to_gguf(tokenizer: Tokenizer, vocabulary: int | None = None) -> dict[str, Any]:
    """Return the GGUF keys of a tokenizer; `vocabulary` pads the token list to the embedding's rows."""
    tokens, types = list(tokenizer.tokens), list(tokenizer.types or [1] * len(tokenizer.tokens))
    for number in range(len(tokens), vocabulary or 0):
        tokens.append(f"[PAD{number}]")
        types.append(5)
    found: dict[str, Any] = {
        "tokenizer.ggml.model": _MODELS[tokenizer.kind],
        "tokenizer.ggml.pre": tokenizer.pre or "default",
    }
    found["tokenizer.ggml.tokens"] = tokens
    if tokenizer.kind == "spm" or tokenizer.scores is not None:
        found["tokenizer.ggml.scores"] = KV("f32", _scores(tokenizer, len(tokens)))
    found["tokenizer.ggml.token_type"] = KV("i32", types)
    if tokenizer.merges is not None:
        found["tokenizer.ggml.merges"] = list(tokenizer.merges)
    return found | _stated(tokenizer, _GGUF)


def _scores(tokenizer: Tokenizer, count: int) -> list[float]:
    """Return stated scores, or what SentencePiece gives tokens in merge order: minus their rank."""
    if tokenizer.scores is not None:
        return [*map(float, tokenizer.scores), *[0.0] * (count - len(tokenizer.scores))]
    rank = {merge.replace(" ", "", 1): -float(i) for i, merge in reversed(list(enumerate(tokenizer.merges or ())))}
    last = -float(len(rank))
    return [rank.get(token, last if len(token) == 1 else 0.0) for token in tokenizer.tokens] + [0.0] * (
        count - len(tokenizer.tokens)
    )


def _stated(tokenizer: Tokenizer, keys: Mapping[str, str]) -> dict[str, Any]:
    fields = ("bos", "eos", "unk", "pad", "sep", "add_bos", "add_eos", "add_space_prefix", "chat_template")
    return {keys[field]: value for field in fields if (value := getattr(tokenizer, field)) is not None}


def to_apr(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the APR metadata keys of a tokenizer."""
    found: dict[str, Any] = {
        "tokenizer.vocabulary": list(tokenizer.tokens), "tokenizer.vocab_size": len(tokenizer.tokens),
        "tokenizer.model": _MODELS[tokenizer.kind],
    }  # fmt: skip
    for field in ("merges", "scores", "types", "pre"):
        value = getattr(tokenizer, field)
        if value is not None:
            found[_APR[field]] = value if isinstance(value, str) else list(value)
    return found | _stated(tokenizer, _APR)
