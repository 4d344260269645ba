"""Moves of the rotary family: q and k rows in the wrong order, by which head count and in which direction."""

from collections.abc import Iterator

import numpy as np

from bot.formats.names import Change
from bot.formats.view import Index, pair_rows
from bot.triage.case import Case
from bot.triage.experiments.layout import gathered
from bot.triage.moves import Move


def head_counts(rows: int, likely: tuple[int, ...]) -> list[int]:
    """Return the head counts worth trying for that many rows, the likely ones first."""
    every = [n for n in range(1, min(rows // 2, 256) + 1) if rows % (2 * n) == 0 and rows // n >= 4]
    return [n for n in likely if n in every] + [n for n in every if n not in likely]


def moves(case: Case, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> Iterator[Move]:
    """Yield every way in which the rows of q or k can have been re-ordered for rotation.

    X already has B's convention applied. The orders are composed with what the container asks for, so
    the names tell what the converter did: nothing (ROPE-001), too much (ROPE-003), by a wrong head
    count (ROPE-002).
    """
    if x_shape != y_shape or not x_shape:
        return
    if case.kind.startswith(("self_attn.q_norm", "self_attn.k_norm")):
        yield from _head_norm(x_shape)
    if case.kind.startswith("self_attn.qkv_proj"):
        yield from _fused(case, x_shape)
    if not case.heads:
        return
    rows, right = x_shape[0], case.heads
    asked = _asked(case, rows)
    other = case.a.heads.query + case.a.heads.key - right
    for count in head_counts(rows, (right, other, max(1, case.a.heads.query // max(1, case.a.heads.key)))):
        to_hf = pair_rows(rows, count)
        to_ggml = np.argsort(to_hf)
        for done, word in ((to_ggml, "halves to pairs"), (to_hf, "pairs to halves")):
            yield _move(asked, done, word, count, right, x_shape)
            if count == right:
                yield _move(asked, done[done], f"{word}, twice", count, right, x_shape)
    if asked is not None:
        yield _move(asked, np.arange(rows, dtype=np.intp), "not at all", right, right, x_shape)


def _asked(case: Case, rows: int) -> Index | None:
    """Return the gather that turns A's stored row order into B's; None when the conventions agree."""
    pairs_a, pairs_b = (slot.change in {Change.Q_ROWS, Change.KV_ROWS} for slot in (case.pair.a, case.pair.b))
    if pairs_a == pairs_b:
        return None
    to_hf = pair_rows(rows, case.heads)
    return to_hf if pairs_a else np.argsort(to_hf)


def _move(asked: Index | None, done: Index, word: str, count: int, right: int, shape: tuple[int, ...]) -> Move:
    """Name a re-ordering `done` of A's stored rows. X is A's rows re-ordered by `asked`, so undo that first."""
    undo = np.arange(done.size, dtype=np.intp) if asked is None else np.argsort(asked)
    order = undo[done]
    moved = not np.array_equal(done, np.arange(done.size))
    if not moved:
        cause = "ROPE-001"
    elif asked is None or "twice" in word:
        cause = "ROPE-003"
    else:
        # by the right count but not what was asked for is the other way round
        cause = "ROPE-002" if count != right else "ROPE-003"
    label = f"rows moved {word} by {count} heads" if moved else "rows not moved though the conventions differ"
    return Move(causes=(cause,), label=label, predict=gathered(order), shape=shape, group=f"rotary by {count}")


def _head_norm(shape: tuple[int, ...]) -> Iterator[Move]:
    """The norm of a head has no rotary order of its own: it follows the order of the rows it scales."""
    to_hf = pair_rows(shape[0], 1)
    for done, word in ((np.argsort(to_hf), "halves to pairs"), (to_hf, "pairs to halves")):
        yield Move(causes=("ARCH-003",), label=f"norm of a head moved {word}", predict=gathered(done), shape=shape,
                   group="head norm")  # fmt: skip


def _fused(case: Case, shape: tuple[int, ...]) -> Iterator[Move]:
    """Rows of q and k inside a fused projection, which no container re-orders."""
    query, key = case.a.heads.query, case.a.heads.key
    if shape[0] % (query + 2 * key):
        return
    d = shape[0] // (query + 2 * key)
    q, k = pair_rows(query * d, query), pair_rows(key * d, key) + query * d
    to_hf = np.concatenate([q, k, np.arange((query + key) * d, shape[0], dtype=np.intp)])
    for done, word in ((np.argsort(to_hf), "halves to pairs"), (to_hf, "pairs to halves")):
        yield Move(causes=("ROPE-003",), label=f"rows of fused q and k moved {word}", predict=gathered(done),
                   shape=shape, group="rotary, fused")  # fmt: skip
