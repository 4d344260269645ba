"""Plants of the tokenizer family: one part lost or changed, the rest written as it was."""

import dataclasses
import json
from collections.abc import Callable

from bot.formats import tokenizer as tokenizers
from bot.formats import tokenizer_model as model
from bot.formats.tokenizer import Tokenizer
from bot.toolchains.draft import Draft
from bot.toolchains.plants.each import Chosen

FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def _retold(change: Callable[[Tokenizer], Tokenizer | None]) -> Callable[[Draft, Chosen], Draft]:
    """Return a plant that writes another tokenizer in the place of the draft's."""

    def plant(draft: Draft, _: Chosen) -> Draft:
        old = draft.tokenizer
        if old is None:
            return draft
        new = change(old)
        if new == old:
            return draft
        made = _without(draft)
        if new is None:
            return dataclasses.replace(made, tokenizer=None)
        metadata, folder = dict(made.metadata), dict(made.folder)
        if draft.format == "gguf":
            rows = next((t.shape[0] for t in draft.tensors if t.name == "token_embd.weight"), None)
            metadata |= tokenizers.to_gguf(new, rows)
        elif draft.format == "apr":
            metadata |= tokenizers.to_apr(new)
        else:
            folder |= tokenizers.hf_files(dataclasses.replace(new, document=None))
        return dataclasses.replace(made, metadata=metadata, folder=folder, tokenizer=new)

    return plant


def _without(draft: Draft) -> Draft:
    """Return a draft that says nothing of a tokenizer, its special ids included."""
    metadata = {key: value for key, value in draft.metadata.items() if not key.startswith("tokenizer.")}
    folder = {name: text for name, text in draft.folder.items() if name not in FILES}
    if "config.json" in folder:
        stated = json.loads(folder["config.json"])
        kept = {k: v for k, v in stated.items() if not (k.endswith("_token_id") and not k.startswith("decoder"))}
        folder["config.json"] = json.dumps(kept, indent=2)
    return dataclasses.replace(draft, metadata=metadata, folder=folder)


def _pre(old: Tokenizer) -> Tokenizer:
    if old.kind != "bpe":
        return old
    return dataclasses.replace(old, pre="gpt-2" if old.pre in {"qwen2", "llama-bpe"} else "qwen2")


def _normal(old: Tokenizer) -> Tokenizer:
    if not old.types or old.kind != "bpe":
        return old
    return dataclasses.replace(old, types=[model.NORMAL] * len(old.tokens))


def _other(old: Tokenizer, name: str) -> Tokenizer:
    """Return a tokenizer whose special id of that name is another one."""
    value = getattr(old, name)
    return old if value is None else dataclasses.replace(old, **{name: (value + 5) % len(old.tokens)})


def _exchanged(old: Tokenizer) -> Tokenizer:
    """Return a tokenizer in which the last two ordinary tokens stand for each other."""
    types = old.types or [model.NORMAL] * len(old.tokens)
    last = [i for i, kind in enumerate(types) if kind == model.NORMAL][-2:]
    if len(last) < 2:
        return old
    tokens = list(old.tokens)
    tokens[last[0]], tokens[last[1]] = tokens[last[1]], tokens[last[0]]
    return dataclasses.replace(old, tokens=tokens)


PLANTS = {
    "TOK-001": _retold(_pre),
    "TOK-002": _retold(lambda old: dataclasses.replace(old, merges=None) if old.kind == "bpe" and old.merges else old),
    "TOK-003": _retold(_normal),
    "TOK-004": _retold(lambda old: _other(old, "bos")),
    "TOK-005": _retold(lambda old: _other(old, "eos")),
    "TOK-006": _retold(lambda old: dataclasses.replace(old, chat_template=None)),
    "TOK-007": _retold(_exchanged),
    "TOK-008": _retold(lambda _: None),
    "TOK-009": _retold(lambda old: _other(old, "unk" if old.pad is None else "pad")),
}
