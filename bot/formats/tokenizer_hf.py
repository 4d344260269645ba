"""Tokenizers as Hugging Face keeps them: tokenizer.json and tokenizer_config.json, read and written."""

import json
import re
from collections.abc import Mapping
from typing import Any

from bot.formats import tokenizer_model as model
from bot.formats import tokenizer_pre
from bot.formats._base import Checkpoint
from bot.formats.tokenizer_model import Tokenizer

_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>\Z")


def read(checkpoint: Checkpoint) -> Tokenizer | None:
    """Return the tokenizer lying beside the weights; None when there is none."""
    document = checkpoint.metadata.get("tokenizer")
    if not isinstance(document, dict) or not isinstance(document.get("model"), dict):
        return None
    vocabulary = document["model"].get("vocab")
    if not isinstance(vocabulary, dict):
        return None
    config = checkpoint.metadata.get("tokenizer_config")
    config = config if isinstance(config, dict) else {}
    stated = checkpoint.metadata.get("config")
    added = [item for item in document.get("added_tokens", []) if isinstance(item, dict)]
    tokens, types = _tokens(vocabulary, added, document["model"].get("unk_token"))
    kind = "spm" if document["model"].get("byte_fallback") else "bpe"
    ids: dict[str, Any] = {
        name: _id(name, config, stated if isinstance(stated, dict) else {}, tokens)
        for name in ("bos", "eos", "unk", "pad", "sep")
    }
    template = checkpoint.metadata.get("chat_template") or config.get("chat_template")
    return Tokenizer(
        kind=kind, tokens=tokens, types=types, merges=_merges(document["model"].get("merges")),
        pre=tokenizer_pre.name_of(document.get("pre_tokenizer")) if kind == "bpe" else "default",
        add_bos=config.get("add_bos_token"), add_eos=config.get("add_eos_token"),
        add_space_prefix=_prefix(document) if kind == "spm" else None,
        chat_template=template if isinstance(template, str) else None, document=document, **ids,
    )  # fmt: skip


def _tokens(vocabulary: Mapping[str, int], added: list[dict[str, Any]], unk: Any) -> tuple[list[str], list[int]]:
    """Return tokens by id and their GGUF types; ids nobody uses get a padding name, as llama.cpp gives them."""
    by_id = {number: token for token, number in vocabulary.items() if isinstance(number, int)}
    special = {item["id"]: bool(item.get("special")) for item in added if isinstance(item.get("id"), int)}
    by_id |= {item["id"]: str(item.get("content")) for item in added if isinstance(item.get("id"), int)}
    tokens, types = [], []
    for number in range(max(by_id, default=-1) + 1):
        token = by_id.get(number)
        tokens.append(f"[PAD{number}]" if token is None else token)
        if token is None:
            types.append(model.UNUSED)
        elif token == unk and unk:
            types.append(model.UNKNOWN)
        elif number in special:
            types.append(model.CONTROL if special[number] else model.USER_DEFINED)
        else:
            types.append(model.BYTE if _BYTE.match(token) else model.NORMAL)
    return tokens, types


def _merges(merges: Any) -> list[str] | None:
    """Return merges as "left right", from either of the two ways transformers wrote them."""
    if not isinstance(merges, list):
        return None
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]


def _id(name: str, config: Mapping[str, Any], stated: Mapping[str, Any], tokens: list[str]) -> int | None:
    token = config.get(f"{name}_token")
    token = token.get("content") if isinstance(token, dict) else token
    if isinstance(token, str) and token in tokens:
        return tokens.index(token)
    number = stated.get(f"{name}_token_id")
    number = number[0] if isinstance(number, list) and number else number
    return number if isinstance(number, int) else None


def _prefix(document: Mapping[str, Any]) -> bool:
    return '"Prepend"' in json.dumps(document.get("normalizer")) or '"always"' in json.dumps(
        document.get("pre_tokenizer")
    )


def document(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return a tokenizer.json for a tokenizer that was read from GGUF or APR."""
    if tokenizer.document:
        return tokenizer.document
    spm = tokenizer.kind == "spm"
    types = tokenizer.types or [model.NORMAL] * len(tokenizer.tokens)
    added = [
        {"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": kind != model.USER_DEFINED}
        for i, (token, kind) in enumerate(zip(tokenizer.tokens, types, strict=False))
        if kind in {model.CONTROL, model.USER_DEFINED} or (spm and kind == model.UNKNOWN)
    ]  # fmt: skip
    vocabulary = {token: i for i, token in enumerate(tokenizer.tokens)}
    merges = tokenizer.merges if tokenizer.merges is not None else _merges_of_scores(tokenizer) if spm else []
    body = {
        "type": "BPE", "dropout": None, "unk_token": tokenizer.special(tokenizer.unk) if spm else None,
        "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": spm, "byte_fallback": spm,
        "vocab": vocabulary, "merges": [merge.split(" ", 1) for merge in merges],
    }  # fmt: skip
    around = _sentencepiece(tokenizer.add_space_prefix is not False) if spm else _byte_level(tokenizer.pre)
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, **around, "model": body}


def _byte_level(pre: str | None) -> dict[str, Any]:
    fragment = tokenizer_pre.FRAGMENTS.get(pre or "default", tokenizer_pre.FRAGMENTS["default"])
    decoder = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    return {"normalizer": None, "pre_tokenizer": fragment, "post_processor": None, "decoder": decoder}


def _sentencepiece(prefix: bool) -> dict[str, Any]:
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    normalizer = (
        {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace]} if prefix else replace
    )
    decoders: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
    ]  # fmt: skip
    if prefix:
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    decoder = {"type": "Sequence", "decoders": decoders}
    return {"normalizer": normalizer, "pre_tokenizer": None, "post_processor": None, "decoder": decoder}


def _merges_of_scores(tokenizer: Tokenizer) -> list[str]:
    """Recover merges from SentencePiece scores: every split of a token into two tokens, best score first."""
    known = {token: i for i, token in enumerate(tokenizer.tokens)}
    scores = tokenizer.scores or [0.0] * len(tokenizer.tokens)
    found = [
        (-scores[number], known[token[:cut]], known[token[cut:]], f"{token[:cut]} {token[cut:]}")
        for token, number in known.items()
        for cut in range(1, len(token))
        if token[:cut] in known and token[cut:] in known and not _BYTE.match(token)
    ]
    return [merge for *_, merge in sorted(found)]


def files(tokenizer: Tokenizer) -> dict[str, str]:
    """Return the text of each file Hugging Face keeps for the tokenizer, by name."""
    config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    for name in ("bos", "eos", "unk", "pad", "sep"):
        if token := tokenizer.special(getattr(tokenizer, name)):
            config[f"{name}_token"] = token
    for name in ("add_bos", "add_eos"):
        if (value := getattr(tokenizer, name)) is not None:
            config[f"{name}_token"] = value
    if tokenizer.chat_template:
        config["chat_template"] = tokenizer.chat_template
    found = {
        "tokenizer.json": json.dumps(document(tokenizer), ensure_ascii=False),
        "tokenizer_config.json": json.dumps(config, ensure_ascii=False, indent=2),
    }
    if tokenizer.chat_template:
        found["chat_template.jinja"] = tokenizer.chat_template
    return found
