"""Measures metadata and tokenizer of source and result against each other."""

from typing import Any

from bot.compare.settings import differences
from bot.compare.vocabulary import token_differences
from bot.formats.tokenizer import read_tokenizer
from bot.probes._base import Context
from bot.probes.services import plain

TEXTS = (
    "The capital of France is Paris.",
    "It's 2024: 12345 + 678 = 13023, isn't it?\n\n\tIndented  twice.",
    "naïve café — „quotes“ … 日本語 한국어 русский 🎉👩‍💻",
    "def f(x):\n    return x**2  # comment\r\n",
    " leading and trailing ",
    "<|im_start|>user\nHello<|im_end|>",
)


def metadata(context: Context) -> dict[str, Any]:
    """Return {"compared": keys the source has, "differ": [{key, a, b, cause}]}."""
    a = context.services.view(context.source).config
    b = context.services.trusting(context.result, context.source).config
    found = [{"key": d.key, "a": plain(d.a), "b": plain(d.b), "cause": d.cause} for d in differences(a, b)]
    return {"compared": len(a.values), "differ": found}


def tokenizer(context: Context) -> dict[str, Any]:
    """Return {"source": has one, "texts": encoded alike, "differ": [what differs, in words]}."""
    a = read_tokenizer(context.services.view(context.source).checkpoint)
    b = read_tokenizer(context.services.trusting(context.result, context.source).checkpoint)
    if a is None:
        return {"source": False, "texts": 0, "differ": []}
    found = [f"{d.cause} {d.key}: {d.words}" for d in token_differences(a, b)]
    texts = 0
    if b is not None:
        for text in TEXTS:
            try:
                same, texts = a.encode(text) == b.encode(text), texts + 1
            except ValueError as error:
                found.append(f"encoding fails: {error}")
                break
            if not same:
                found.append(f"other ids for {text[:24]!r}")
    return {"source": True, "texts": texts, "differ": found}
