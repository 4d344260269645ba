"""The table of tolerances: what passes, what does not, and that real roundings fit their rows."""

import math

import numpy as np
import pytest

from bot.compare import metrics, tolerance
from bot.formats import blocks

RNG = np.random.default_rng(1)
W = RNG.normal(0, 0.02, (64, 512)).astype(np.float32)


def measured(source: np.ndarray, result: np.ndarray) -> metrics.Accumulator:
    total = metrics.Accumulator()
    total.add(np.asarray(source, np.float32), np.asarray(result, np.float32))
    return total


def stored(dtype: str, values: np.ndarray) -> np.ndarray:
    return blocks.decode(dtype, blocks.encode(dtype, values)).reshape(values.shape)


@pytest.mark.parametrize("dtype", sorted(blocks.QUANTIZERS - {"F32"}))
def test_a_correct_rounding_is_within_its_row_and_the_row_is_not_idle(dtype: str) -> None:
    budget, total = tolerance.tensor_budget("F32", dtype), measured(W, stored(dtype, W))
    assert budget.holds(total)
    assert total.rel_rmse > budget.limit / 3  # a bound three times too wide would hide a defect
    assert not budget.holds(measured(W, stored(dtype, W) * np.float32(2)))


def test_rows_are_in_order_and_speak_of_types_the_formats_know() -> None:
    assert set(tolerance.ROWS) <= set(blocks.TYPES)
    for row in tolerance.ROWS.values():
        assert 0 < row.gaussian < row.budget < row.review < 1
        assert row.source


def test_every_quantized_type_that_can_be_written_has_a_row() -> None:
    assert set(blocks.QUANTIZERS) - {"F32", "F64"} <= set(tolerance.ROWS)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("F32", "F32"),
        ("Q4_K", "Q4_K"),
        ("F16", "F32"),
        ("BF16", "F32"),
        ("F32", "F64"),
        ("F8_E4M3", "BF16"),
        ("I32", "I32"),
    ],
)
def test_a_copy_and_a_widening_must_be_equal_bit_for_bit(source: str, target: str) -> None:
    budget = tolerance.tensor_budget(source, target)
    assert budget.exact and budget.limit == 0
    assert budget.holds(measured(W, W.copy()))
    assert not budget.holds(measured(W, np.nextafter(W, np.float32(1))))


def test_decoding_may_differ_by_a_fused_multiply_add_and_no_more() -> None:
    budget = tolerance.tensor_budget("Q4_K", "F32")
    assert budget.holds(measured(W, W * np.float32(1 + 1e-7)))
    assert not budget.holds(measured(W, W * np.float32(1 + 1e-6)))


def test_truncating_instead_of_rounding_to_bf16_is_beyond_its_row() -> None:
    cut = (W.view(np.uint32) & 0xFFFF0000).view(np.float32)
    budget = tolerance.tensor_budget("F32", "BF16")
    assert not budget.holds(measured(W, cut))
    assert budget.holds(measured(W, stored("BF16", W)))


def test_one_added_and_taken_away_is_held_to_an_absolute_step() -> None:
    norm = RNG.normal(0, 0.1, 64).astype(np.float32)
    norm[0] = 1e-9  # lost in 1 + w: a relative error of one
    back = (norm + np.float32(1)) - np.float32(1)
    budget = tolerance.tensor_budget("F32", "F32", arithmetic=True)
    assert budget.holds(measured(norm, back)) and "same arithmetic" in budget.reason
    assert not budget.holds(measured(norm, back + np.float32(1e-6)))
    assert not tolerance.tensor_budget("F32", "F32").holds(measured(norm, back))


def test_one_added_and_stored_in_bf16_costs_half_a_step_at_one() -> None:
    norm = RNG.normal(0, 0.1, 64).astype(np.float32)
    coarse = stored("BF16", (norm + 1)[None])[0] - np.float32(1)
    assert tolerance.tensor_budget("F32", "BF16", arithmetic=True).holds(measured(norm, coarse))
    assert not tolerance.tensor_budget("BF16", "F32", arithmetic=True).holds(measured(norm, coarse))


def test_requantizing_off_a_grid_gets_both_errors_combined() -> None:
    budget = tolerance.tensor_budget("Q5_0", "Q4_0")
    assert budget.limit == pytest.approx(math.hypot(0.06, 0.12))
    assert "Q5_0 then Q4_0" in budget.reason
    on_grid = stored("Q5_0", W)
    assert budget.holds(measured(on_grid, stored("Q4_0", on_grid)))


def test_a_chain_adds_up_its_lossy_hops_and_only_those() -> None:
    assert tolerance.tensor_budget("F32", "F32", via=("F32",)).exact
    lossy = tolerance.tensor_budget("F32", "F32", via=("Q8_0", "F16"))
    assert lossy.limit == pytest.approx(math.hypot(8e-3, 3e-4))
    assert tolerance.tensor_budget("Q8_0", "F32", via=("F16",)).limit == 3e-4


def test_a_type_without_a_row_gets_no_allowance() -> None:
    budget = tolerance.tensor_budget("F32", "IQ1_S")
    assert budget.exact and "no measured budget for IQ1_S" in budget.reason


@pytest.mark.parametrize("dtype", ["F32", "F16", "Q4_0"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_no_number_is_within_no_budget(dtype: str, bad: float) -> None:
    broken = W.copy()
    broken[0, 0] = bad
    assert not tolerance.tensor_budget("F32", dtype).holds(measured(W, broken))
    assert not tolerance.tensor_budget("F32", "F32", arithmetic=True).holds(measured(W, broken))
    assert not tolerance.tensor_budget("F32", dtype).holds(metrics.Accumulator())


def test_logits_of_a_copy_must_be_equal() -> None:
    bound = tolerance.logits_bound(exact=True)
    assert (bound.limit, bound.words) == (0.0, "0 (copy)")
    assert bound.holds(0.0) and not bound.holds(1e-12)


def test_logits_of_the_same_arithmetic_may_be_a_millionth_off() -> None:
    bound = tolerance.logits_bound(exact=False, eps=1e-8)
    assert bound.words == "< 1e-6 (same arithmetic)"
    assert bound.holds(9e-7) and not bound.holds(1e-6)


def test_calibrated_logits_move_with_the_weights() -> None:
    bound = tolerance.logits_bound(exact=False, eps=5e-3, constant=25.0)
    assert bound.limit == pytest.approx(0.05)
    assert bound.words == "< 0.05 (calibrated)" and "A = 25" in bound.reason
    assert bound.holds(0.049) and not bound.holds(0.051)


@pytest.mark.parametrize(("eps", "constant"), [(5e-3, None), (None, 25.0), (5e-3, math.nan), (math.nan, 25.0)])
def test_without_calibration_no_distance_passes(eps: float | None, constant: float | None) -> None:
    bound = tolerance.logits_bound(exact=False, eps=eps, constant=constant)
    assert bound.limit is None and not bound.holds(0.0)


def test_no_bound_holds_for_a_nan() -> None:
    for bound in (tolerance.logits_bound(exact=True), tolerance.logits_bound(exact=False, eps=1e-2, constant=25.0)):
        assert not bound.holds(math.nan)
    assert tolerance.backend_bound().holds(6e-4) and not tolerance.backend_bound().holds(2e-3)


def test_calibration_finds_the_constant_of_a_model_and_takes_the_median() -> None:
    clean = [np.ones((4, 8), np.float32)]
    outlier = {0: 5.0, 1: 5.0, 2: 50.0}  # square roots of A
    found = tolerance.calibrate(lambda: clean, lambda eps, seed: [clean[0] * (1 + outlier[seed] * eps)])
    assert found.constant == pytest.approx(25.0, rel=1e-3)
    assert len(found.draws) == 3 and found.eps == 1e-2


def test_calibration_of_a_broken_model_is_nan() -> None:
    clean = [np.ones((4, 8), np.float32)]
    assert math.isnan(tolerance.calibrate(lambda: clean, lambda eps, seed: [clean[0] * math.nan]).constant)
