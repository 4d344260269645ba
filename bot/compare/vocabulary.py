"""Compares two tokenizers part by part: what a converter lost or changed, each with its cause."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from bot.formats import tokenizer_model as model
from bot.formats import tokenizer_pre
from bot.formats.tokenizer_model import Tokenizer

SHOWN = 3  # tokens named in one sentence
_SPECIAL = frozenset({model.CONTROL, model.USER_DEFINED, model.UNKNOWN, model.BYTE})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TokenDifference:
    """One part of a tokenizer on which two files disagree."""

    cause: str
    key: str
    words: str  # what differs, for people
    count: int = 1  # tokens or merges concerned
    lost: bool = False  # the result says nothing


def token_differences(a: Tokenizer | None, b: Tokenizer | None) -> Iterator[TokenDifference]:
    """Yield what B's tokenizer has lost or changed of A's, in the order of the catalogue."""
    if a is None:
        return
    if b is None:
        words = f"{len(a.tokens)} tokens in the source, no tokenizer in the result"
        yield TokenDifference(cause="TOK-008", key="tokens", words=words, count=len(a.tokens), lost=True)
        return
    for part in PARTS:
        yield from part(a, b)


def _pre(a: Tokenizer, b: Tokenizer) -> Iterator[TokenDifference]:
    if a.kind != "bpe" or b.kind != "bpe" or a.pre is None or tokenizer_pre.same(a.pre, b.pre):
        return
    words = f"{a.pre or 'an unknown pattern'!r} became {b.pre!r}" if b.pre else f"{a.pre!r} is lost"
    yield TokenDifference(cause="TOK-001", key="pre", words=words, lost=not b.pre)


def _merges(a: Tokenizer, b: Tokenizer) -> Iterator[TokenDifference]:
    # SentencePiece files carry scores in place of merges
    if not a.merges or (a.kind == "spm" and not b.merges):
        return
    theirs = list(b.merges or ())
    if list(a.merges) == theirs:
        return
    changed = sum(x != y for x, y in zip(a.merges, theirs, strict=False)) + abs(len(a.merges) - len(theirs))
    words = (
        f"{len(a.merges)} merges became {len(theirs)}" if len(theirs) != len(a.merges) else f"{changed} merges differ"
    )
    yield TokenDifference(cause="TOK-002", key="merges", words=words, count=changed, lost=not theirs)


def _types(a: Tokenizer, b: Tokenizer) -> Iterator[TokenDifference]:
    if a.types is None:
        return
    special = {i: kind for i, kind in enumerate(a.types) if kind in _SPECIAL}
    theirs = b.types if b.types is not None else [model.NORMAL] * len(b.tokens)
    changed = [i for i, kind in special.items() if i < len(theirs) and not _alike(kind, theirs[i])]
    changed += [
        i
        for i, (x, y) in enumerate(zip(a.types, theirs, strict=False))
        if i not in special and x != model.UNUSED and y in {model.CONTROL, model.UNUSED}
    ]
    if changed:
        words = f"{len(changed)} tokens have another type: {_named(a.tokens, changed)}"
        yield TokenDifference(cause="TOK-003", key="types", words=words, count=len(changed), lost=b.types is None)


def _alike(x: int, y: int) -> bool:
    """Tell whether two types treat a token alike; a special unknown token is CONTROL to some writers."""
    return x == y or {x, y} == {model.CONTROL, model.UNKNOWN}


def _named(tokens: Sequence[str], numbers: Sequence[int]) -> str:
    shown = ", ".join(repr(tokens[i][:40]) for i in numbers[:SHOWN] if i < len(tokens))
    return shown + (f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else "")


def _bounds(cause: str, name: str) -> Callable[[Tokenizer, Tokenizer], Iterator[TokenDifference]]:
    """Return the comparison of a token that begins or ends a sequence, and of whether it is added."""

    def part(a: Tokenizer, b: Tokenizer) -> Iterator[TokenDifference]:
        x, y = getattr(a, name), getattr(b, name)
        if x is not None and x != y:
            words = f"{_token(a, x)} is lost" if y is None else f"{_token(a, x)} became {_token(b, y)}"
            yield TokenDifference(cause=cause, key=name, words=words, lost=y is None)
        usual = name == "bos" and a.kind == "spm"
        stated, found = getattr(a, f"add_{name}"), getattr(b, f"add_{name}")
        if stated is not None and stated != (usual if found is None else found):
            words = f"add_{name}_token {str(stated).lower()} " + (
                "is lost" if found is None else f"became {str(found).lower()}"
            )
            yield TokenDifference(cause=cause, key=f"add_{name}", words=words, lost=found is None)

    return part


def _token(tokenizer: Tokenizer, number: int) -> str:
    token = tokenizer.special(number)
    return f"{number} ({token[:40]!r})" if token is not None else str(number)


def _template(a: Tokenizer, b: Tokenizer) -> Iterator[TokenDifference]:
    if not a.chat_template or a.chat_template == b.chat_template:
        return
    words = "the template is another text" if b.chat_template else "the template is lost"
    yield TokenDifference(cause="TOK-006", key="chat_template", words=words, lost=not b.chat_template)


def _vocabulary(a: Tokenizer, b: Tokenizer) -> Iterator[TokenDifference]:
    if a.kind != b.kind:
        yield TokenDifference(cause="TOK-007", key="model", words=f"{a.kind} became {b.kind}")
    changed = [i for i, (x, y) in enumerate(zip(a.tokens, b.tokens, strict=False)) if x != y and not _padding(a, i)]
    missing = [i for i in range(len(b.tokens), len(a.tokens)) if not _padding(a, i)]
    added = [i for i in range(len(a.tokens), len(b.tokens)) if not _padding(b, i)]
    if changed:
        words = f"{len(changed)} ids stand for other tokens, {_named(a.tokens, changed)} first"
        yield TokenDifference(cause="TOK-007", key="tokens", words=words, count=len(changed))
    if missing:
        words = f"{len(missing)} tokens are missing: {_named(a.tokens, missing)}"
        yield TokenDifference(cause="TOK-007", key="tokens", words=words, count=len(missing), lost=True)
    if added:
        words = f"{len(added)} tokens the source does not have: {_named(b.tokens, added)}"
        yield TokenDifference(cause="TOK-007", key="tokens", words=words, count=len(added))
    yield from _pieces(a, b)


def _padding(tokenizer: Tokenizer, number: int) -> bool:
    """Tell whether an id is one of those that fill the vocabulary up to the embedding's rows."""
    unused = tokenizer.types is not None and number < len(tokenizer.types) and tokenizer.types[number] == model.UNUSED
    return unused or tokenizer.tokens[number] in {f"[PAD{number}]", f"<pad{number}>", ""}


def _pieces(a: Tokenizer, b: Tokenizer) -> Iterator[TokenDifference]:
    """Compare what only SentencePiece has: scores, and a space put before the text."""
    if a.kind != "spm" or b.kind != "spm":
        return
    if a.scores is not None and b.scores is not None:
        other = [
            i for i, (x, y) in enumerate(zip(a.scores, b.scores, strict=False)) if abs(x - y) > 1e-5 * max(1, abs(x))
        ]
        if other:
            words = f"{len(other)} tokens have another score: {_named(a.tokens, other)}"
            yield TokenDifference(cause="TOK-007", key="scores", words=words, count=len(other))
    prefix, found = a.add_space_prefix is not False, b.add_space_prefix is not False
    if prefix != found:
        words = f"add_space_prefix {str(prefix).lower()} became {str(found).lower()}"
        yield TokenDifference(cause="TOK-007", key="add_space_prefix", words=words, lost=b.add_space_prefix is None)


def _others(a: Tokenizer, b: Tokenizer) -> Iterator[TokenDifference]:
    for name, words in (("pad", "padding"), ("unk", "unknown"), ("sep", "separator")):
        x, y = getattr(a, name), getattr(b, name)
        if x is not None and x != y:
            told = f"{words} token {_token(a, x)} " + ("is lost" if y is None else f"became {_token(b, y)}")
            yield TokenDifference(cause="TOK-009", key=name, words=told, lost=y is None)


PARTS = (_pre, _merges, _types, _bounds("TOK-004", "bos"), _bounds("TOK-005", "eos"), _template, _vocabulary, _others)
