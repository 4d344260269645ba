"""Is the reference itself worth comparing with? Found out first, so that no conversion is blamed for it.

Only what no model does, however small or badly trained, counts as a problem.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.floating[Any]]

_FLAT = 1e-6  # spread of logits below which softmax is -ln(vocabulary) for every token
_LOOP = 16  # greedy tokens that must be there before repetition is judged


def sane(
    logits: Sequence[Logits], prompts: Sequence[Sequence[int]], generated: Sequence[Sequence[int]] = ()
) -> str | None:
    """Return what is wrong with a reference, or None.

    `logits` are (positions, vocabulary), one per prompt; `generated` are greedy continuations of different prompts.
    """
    if not logits or sum(len(rows) for rows in logits) == 0:
        return "vacuous: no positions were computed"
    if len(logits) != len(prompts) or any(len(x) != len(ids) for x, ids in zip(logits, prompts, strict=False)):
        return "vacuous: not every token of every prompt has logits"
    return _not_numbers(logits) or _flat(logits) or _constant(logits, prompts) or looping(generated)


def _not_numbers(logits: Sequence[Logits]) -> str | None:
    for name, is_it in (("NaN", np.isnan), ("infinite", np.isinf)):
        for number, rows in enumerate(logits):
            bad = is_it(rows).any(axis=-1)
            if bad.any():
                return f"{name} logits at {int(bad.sum())} of {len(rows)} positions of prompt {number}"
    return None


def _flat(logits: Sequence[Logits]) -> str | None:
    vocabulary = logits[0].shape[-1]
    spread = max(float((rows.max(axis=-1) - rows.min(axis=-1)).max()) for rows in logits)
    if vocabulary > 1 and spread < _FLAT:
        return f"uniform: every token has log-probability {-math.log(vocabulary):.3f}, at every position"
    return None


def _constant(logits: Sequence[Logits], prompts: Sequence[Sequence[int]]) -> str | None:
    """Different tokens in different contexts that all give the very same logits: the input has no effect."""
    if len({tuple(ids[: p + 1]) for ids in prompts for p in range(len(ids))}) < 2 or len(_tokens(prompts)) < 2:
        return None
    rows = np.concatenate([np.asarray(x) for x in logits])
    if np.ptp(rows, axis=0).max(initial=0.0) < _FLAT * max(1.0, float(np.abs(rows).max())):
        return f"constant: the same logits at all {len(rows)} positions, whatever the input"
    return None


def _tokens(prompts: Sequence[Sequence[int]]) -> set[int]:
    return {token for ids in prompts for token in ids}


def looping(generated: Sequence[Sequence[int]]) -> str | None:
    """Return a complaint when different prompts all run into one and the same endless token, else None.

    One prompt proves nothing: small and untrained models repeat themselves, rightly, each prompt in its way.
    """
    runs = [tuple(tokens) for tokens in generated]
    if len(runs) < 2 or any(len(run) < _LOOP for run in runs) or len({token for run in runs for token in run}) > 1:
        return None
    return f"degenerate: greedy text repeats token {runs[0][0]} without end, whatever the prompt"
