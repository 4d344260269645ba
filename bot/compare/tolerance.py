"""How far apart two sides may rightly be, from one table, with the words the report prints.

A tensor that was copied, permuted or widened must be equal bit for bit; one that was rounded may be off by
what its type costs; logits may move by what the weights moved, in the measure this very model has.
"""

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bot.compare import metrics

Logits = Sequence[npt.NDArray[np.floating[Any]]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What storing weights in a type costs, as relative RMS error ||D - S|| / ||S||."""

    dtype: str
    budget: float  # passes up to here
    review: float  # a person should look up to here; beyond it no weights we know of ever were
    gaussian: float  # measured on Gaussian weights
    worst: float | None  # measured on the worst of the real matrices
    source: str


_REAL = "quantized by ggml without importance matrix: 40 matrices of all-MiniLM-L6-v2 and Gaussian weights"
_ROUND = "round to nearest even, same matrices"
_TERNARY = "same Gaussian weights; meant for models trained to three values, which it stores without loss"


def _row(dtype: str, budget: float, review: float, gaussian: float, worst: float | None, source: str = _REAL) -> Row:
    return Row(dtype=dtype, budget=budget, review=review, gaussian=gaussian, worst=worst, source=source)


ROWS: Final[Mapping[str, Row]] = MappingProxyType(
    {
        row.dtype: row
        for row in (
            _row("F16", 3e-4, 6e-4, 2.1e-4, 2.1e-4, _ROUND),
            # twice the rounding error is what cutting the low bits off costs
            _row("BF16", 2e-3, 3e-3, 1.66e-3, 1.7e-3, _ROUND),
            _row("F8_E4M3", 3e-2, 5e-2, 2.65e-2, 2.7e-2, "one scale a tensor, same matrices"),
            # one mantissa bit fewer doubles the spacing
            _row("F8_E5M2", 6e-2, 0.10, 5.3e-2, None, "twice F8_E4M3, by its spacing"),
            _row("Q8_0", 8e-3, 1.3e-2, 5.4e-3, 1.1e-2),
            _row("Q8_1", 8e-3, 1.3e-2, 5.4e-3, 1.1e-2, "the grid of Q8_0"),
            _row("Q8_K", 8e-3, 1.3e-2, 5.4e-3, 1.1e-2, "the grid of Q8_0, a scale per 256"),
            _row("APR_Q8", 4e-2, 8e-2, 1.1e-2, None, "eight bits with one scale a tensor: outliers set the spacing"),
            _row("Q6_K", 2.5e-2, 4e-2, 1.8e-2, 3.1e-2),
            _row("Q5_K", 5e-2, 7e-2, 3.6e-2, 5.1e-2),
            _row("Q5_1", 5e-2, 7e-2, 3.8e-2, 5.3e-2),
            _row("Q5_0", 6e-2, 0.10, 4.3e-2, 8.4e-2),
            _row("Q4_K", 9e-2, 0.13, 7.1e-2, 9.8e-2),
            _row("IQ4_XS", 0.10, 0.14, 7.7e-2, 0.117),
            _row("IQ4_NL", 0.10, 0.14, 7.6e-2, 0.117),
            _row("Q4_1", 0.10, 0.14, 7.8e-2, 0.100),
            _row("Q4_0", 0.12, 0.18, 8.6e-2, 0.153),
            _row("APR_Q4", 0.12, 0.18, 8.6e-2, 0.153, "the grid of Q4_0"),
            _row("NVFP4", 0.12, 0.17, 0.103, 0.132),
            _row("MXFP4", 0.14, 0.18, 0.114, 0.132),
            _row("Q3_K", 0.19, 0.28, 0.151, 0.165),
            _row("IQ3_S", 0.19, 0.28, 0.166, 0.25),
            _row("IQ3_XXS", 0.25, 0.35, 0.19, None, "between IQ3_S and IQ2_S, by its bits"),
            _row("Q2_K", 0.35, 0.45, 0.297, 0.318),
            _row("IQ2_XS", 0.35, 0.45, 0.30, 0.318),
            _row("IQ2_S", 0.35, 0.45, 0.30, 0.318, "as IQ2_XS"),
            _row("IQ2_XXS", 0.40, 0.50, 0.33, None, "as IQ2_XS, fewer bits"),
            _row("TQ1_0", 0.85, 0.90, 0.81, None, _TERNARY),
            _row("TQ2_0", 0.85, 0.90, 0.81, None, _TERNARY),
        )
    }
)

# every value of the key's type is a value of these as well
_WIDER: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "F8_E4M3": frozenset({"F16", "BF16", "F32", "F64"}),
        "F8_E5M2": frozenset({"F16", "BF16", "F32", "F64"}),
        "F16": frozenset({"F32", "F64"}),
        "BF16": frozenset({"F32", "F64"}),
        "F32": frozenset({"F64"}),
    }
)
_FLOATS: Final = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
# half the spacing between 1 and 2, where a norm's 1 + w lies
_HALF_STEP: Final[Mapping[str, float]] = MappingProxyType({"F16": 2.0**-11, "BF16": 2.0**-8})

SAME_ARITHMETIC = 2e-7  # a float32 step at 1 is 1.2e-7
SAME_LOGITS = 1e-6
TWO_ENGINES = 1e-3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How far one tensor of a result may be from its source, and why."""

    limit: float
    reason: str
    exact: bool = False  # only equal bits pass
    absolute: bool = False  # the limit holds for |D - S| / max(1, |S|), not for the relative RMS error
    review: float = 0.0  # beyond `limit` and up to here: unusual weights rather than a wrong conversion

    def holds(self, measured: metrics.Accumulator) -> bool:
        """Tell whether a measured tensor is within the budget; nothing measured and NaN never are."""
        if self.exact or measured.bit_equal:
            return measured.bit_equal
        if not measured.count or measured.unequal_nonfinite:
            return False
        return (measured.excess if self.absolute else measured.rel_rmse) <= self.limit


def tensor_budget(source: str, target: str, *, arithmetic: bool = False, via: Sequence[str] = ()) -> Budget:
    """Return how far a tensor stored as `target` may be from the one stored as `source` it was made from.

    `arithmetic`: one side keeps the values plus one. `via`: the types it was stored in on the way, for chains.
    A type without a row gets no allowance: only equal values pass.
    """
    if arithmetic:
        return _offset(target, via)
    held, lossy = source, []
    for dtype in (*via, target):
        if not _keeps(held, dtype):
            lossy.append(dtype)
        held = dtype
    if lossy:
        # off one grid and onto another costs up to a fifth more than weights that lie on none (measured)
        grids = _is_quantized(source) and _is_quantized(lossy[0])
        return _rounded([source, *lossy] if grids else lossy)
    if source == target or (source in _FLOATS and target in _FLOATS):
        return Budget(
            limit=0.0, exact=True, reason="0 (copy)" if source == target else f"0 ({source} fits in {target})"
        )
    return Budget(
        limit=SAME_ARITHMETIC,
        review=SAME_LOGITS,
        reason=f"{SAME_ARITHMETIC:g} ({source} decoded: same arithmetic, at most fused differently)",
    )


def _keeps(held: str, target: str) -> bool:
    """Tell whether values of one type go into another without loss; a quantized type decodes to float32."""
    if held == target or target in _WIDER.get(held, ()):
        return True
    return _is_quantized(held) and target in {"F32", "F64"}


def _is_quantized(dtype: str) -> bool:
    return dtype in ROWS and dtype not in _FLOATS


def _offset(target: str, via: Sequence[str]) -> Budget:
    coarsest = max((target, *via), key=lambda dtype: _HALF_STEP.get(dtype, 0.0))
    half = _HALF_STEP.get(coarsest)
    if half is None:
        words = f"{SAME_ARITHMETIC:g} · max(1, |S|) (one added: same arithmetic)"
        return Budget(limit=SAME_ARITHMETIC, review=SAME_LOGITS, absolute=True, reason=words)
    limit = half + SAME_ARITHMETIC
    words = f"{limit:.2g} · max(1, |S|) (one added, rounded to {coarsest})"
    return Budget(limit=limit, review=2 * limit, absolute=True, reason=words)


def _rounded(lossy: Sequence[str]) -> Budget:
    unknown = [dtype for dtype in lossy if dtype not in ROWS]
    if unknown:
        words = f"0 (no measured budget for {', '.join(unknown)}: only equal values pass)"
        return Budget(limit=0.0, exact=True, reason=words)
    limit, review = (
        math.hypot(*values) for values in zip(*((ROWS[d].budget, ROWS[d].review) for d in lossy), strict=True)
    )
    return Budget(limit=limit, review=review, reason=f"{limit:.2g} ({' then '.join(lossy)})")


def combined(errors: Sequence[float]) -> float:
    """Return the relative error of independent roundings one after another."""
    return math.hypot(*errors)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How far logits may move, as relative L2 distance. `limit` is None when there is nothing to hold them to."""

    limit: float | None
    words: str  # for the column "Expected"
    reason: str

    def holds(self, rel_l2: float) -> bool:
        """Tell whether a measured distance is within the bound; NaN never is."""
        if self.limit is None or math.isnan(rel_l2):
            return False
        return rel_l2 == 0 if self.limit == 0 else rel_l2 < self.limit


def logits_bound(*, exact: bool, eps: float | None = None, constant: float | None = None) -> Bound:
    """Return the bound for the logits of a result, run by the engine that ran its source.

    `exact`: all tensors are equal bit for bit. `eps`: relative RMS error of the weights as measured or
    budgeted. `constant`: the model's A from `calibrate`.
    """
    if exact:
        return Bound(limit=0.0, words="0 (copy)", reason="equal weights in one engine give equal logits")
    if eps is not None and eps <= SAME_ARITHMETIC:
        return _same_arithmetic()
    if eps is None or constant is None or not (math.isfinite(eps) and math.isfinite(constant)):
        words = "not calibrated"
        return Bound(limit=None, words=words, reason="no finite weight error or no calibration: tensors decide alone")
    limit = 2 * math.sqrt(constant) * eps
    if limit <= SAME_LOGITS:
        return _same_arithmetic()
    reason = f"2·√A·eps, A = {constant:.3g} by noise injection, eps = {eps:.2g} of the weights"
    return Bound(limit=limit, words=f"< {limit:.2g} (calibrated)", reason=reason)


def _same_arithmetic() -> Bound:
    reason = "weights equal up to float32 rounding"
    return Bound(limit=SAME_LOGITS, words=f"< {SAME_LOGITS:.0e} (same arithmetic)".replace("e-0", "e-"), reason=reason)


def backend_bound() -> Bound:
    """Return the bound for one file on two devices or in two float32 engines.

    llama.cpp and torch on equal float32 weights of SmolLM2-135M are 6e-4 apart (NMSE 4e-7).
    """
    reason = "float32 sums in another order; two float32 engines on equal weights were measured 6e-4 apart"
    return Bound(limit=TWO_ENGINES, words="< 1e-3 (float32, another device)", reason=reason)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How strongly a model's logits answer to noise in its weights: NMSE = A·eps²."""

    constant: float  # A, the median of the draws; NaN when the logits are not numbers
    eps: float  # relative size of the noise
    draws: tuple[float, ...]


def calibrate(
    logits: Callable[[], Logits], perturbed: Callable[[float, int], Logits], *, eps0: float = 1e-2, draws: int = 3
) -> Calibration:
    """Measure A on a model: `perturbed(eps, seed)` gives its logits with that noise in all matrices.

    One small noise and a median of three: over four decades of eps and three draws A stayed within a factor
    of two on a 135M model.
    """
    clean = logits()
    found = tuple(metrics.nmse(clean, perturbed(eps0, seed)) / eps0**2 for seed in range(draws))
    finite = all(math.isfinite(value) for value in found)
    return Calibration(constant=statistics.median(found) if finite else math.nan, eps=eps0, draws=found)
