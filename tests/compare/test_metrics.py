"""Measures of distance: their values, their streaming, and what a NaN does to them."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.compare import metrics

RNG = np.random.default_rng(0)
S = RNG.normal(0, 0.02, (64, 96)).astype(np.float32)
NOISE = RNG.normal(0, 0.0002, (64, 96)).astype(np.float32)


def accumulated(source: np.ndarray, result: np.ndarray) -> metrics.Accumulator:
    total = metrics.Accumulator()
    total.add(np.asarray(source, np.float32), np.asarray(result, np.float32))
    return total


def test_equal_bits_have_no_distance() -> None:
    total = accumulated(S, S.copy())
    assert (total.bit_equal, total.rel_rmse, total.max_abs, total.cosine) == (True, 0.0, 0.0, 1.0)


def test_relative_error_is_the_norm_of_the_difference_over_the_norm_of_the_source() -> None:
    assert metrics.rel_rmse(np.float32([3, 4]), np.float32([3, 5])) == pytest.approx(1 / 5)
    assert metrics.max_abs(np.float32([3, 4]), np.float32([3, 5])) == 1.0
    assert metrics.cosine(np.float32([3, 4]), np.float32([4, -3])) == pytest.approx(0.0)


@given(st.lists(st.integers(1, 63), max_size=5))
def test_chunks_add_up_to_the_whole(cuts: list[int]) -> None:
    whole, parts = accumulated(S, S + NOISE), metrics.Accumulator()
    edges = [0, *sorted(cuts), 64]
    for a, b in itertools.pairwise(edges):
        parts.add(S[a:b], (S + NOISE)[a:b])
    for measure in ("rel_rmse", "max_abs", "cosine", "excess"):
        assert getattr(parts, measure) == pytest.approx(getattr(whole, measure), rel=1e-12)
    assert parts.unequal == whole.unequal


def test_an_equal_chunk_still_weighs_in_the_norm() -> None:
    total = metrics.Accumulator()
    total.add(np.float32([3.0]), np.float32([3.0]))
    total.add(np.float32([4.0]), np.float32([5.0]))
    assert total.rel_rmse == pytest.approx(1 / 5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_on_one_side_makes_every_measure_nan(bad: float) -> None:
    broken = S.copy()
    broken[3, 3] = bad
    for total in (accumulated(S, broken), accumulated(broken, S)):
        assert not total.bit_equal
        assert total.unequal_nonfinite == 1
        assert all(math.isnan(value) for value in (total.rel_rmse, total.max_abs, total.cosine))


def test_the_same_nan_on_both_sides_is_a_copy() -> None:
    broken = S.copy()
    broken[3, 3] = math.nan
    total = accumulated(broken, broken.copy())
    assert total.bit_equal and total.rel_rmse == 0.0
    other = broken.copy()
    other[0, 0] += 1
    assert accumulated(broken, other).rel_rmse > 0


def test_a_source_of_zeros() -> None:
    zeros = np.zeros(4, np.float32)
    assert metrics.rel_rmse(zeros, zeros) == 0.0
    assert metrics.rel_rmse(zeros, zeros + 1) == math.inf
    assert metrics.cosine(zeros, zeros + 1) == 0.0
    assert metrics.rel_rmse(zeros + 1, zeros) == 1.0


def test_nothing_compared_is_not_equal() -> None:
    assert not metrics.Accumulator().bit_equal
    assert math.isnan(metrics.Accumulator().rel_rmse)


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="different shape"):
        metrics.Accumulator().add(S, S.T)
    assert not metrics.bit_equal(S, S.T)


def test_strided_chunks_are_read_in_their_logical_order() -> None:
    assert metrics.bit_equal(S.T, np.ascontiguousarray(S.T))


def test_minus_zero_has_other_bits_and_no_distance() -> None:
    total = accumulated(np.float32([0.0, 1.0]), np.float32([-0.0, 1.0]))
    assert not total.bit_equal and total.rel_rmse == 0.0


def test_steps_between_floats() -> None:
    one = np.float32([1.0, -1.0])
    assert metrics.ulps(one, np.nextafter(one, np.float32(9))) == 1
    assert metrics.ulps(np.float32([0.0]), np.float32([-0.0])) == 1
    assert metrics.ulps(one, one) == 0
    with pytest.raises(ValueError, match="NaN"):
        metrics.ulps(one, np.float32([1.0, math.nan]))


A = [RNG.normal(0, 2, (5, 40)).astype(np.float32), RNG.normal(0, 2, (1, 40)).astype(np.float32)]
B = [x + RNG.normal(0, 0.1, x.shape).astype(np.float32) for x in A]


def test_logits_distance_covers_all_prompts_and_is_the_root_of_nmse() -> None:
    error = sum(float(((x.astype(float) - y) ** 2).sum()) for x, y in zip(A, B, strict=True))
    power = sum(float((x.astype(float) ** 2).sum()) for x in A)
    assert metrics.nmse(A, B) == pytest.approx(error / power)
    assert metrics.rel_l2(A, B) == pytest.approx(math.sqrt(error / power))
    assert metrics.rel_l2(A, A) == 0.0


def test_kl_is_zero_for_equal_and_shifted_logits_and_positive_else() -> None:
    assert metrics.kl_summary(A, A) == (0.0, 0.0)
    assert metrics.kl(A, [x + 3 for x in A]).max() < 1e-6
    mean, p99 = metrics.kl_summary(A, B)
    assert 0 < mean < p99
    assert metrics.kl(A, B).shape == (6,)


def test_kl_of_two_coins() -> None:
    fair, bent = np.log(np.float64([[0.5, 0.5]])), np.log(np.float64([[0.25, 0.75]]))
    assert metrics.kl([fair], [bent])[0] == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))


def test_top1_counts_positions_and_a_nan_never_agrees() -> None:
    assert metrics.top1(A, A) == 1.0
    other = [A[0].copy(), A[1]]
    other[0][2, int(A[0][2].argmin())] = 99.0
    assert metrics.top1(A, other) == pytest.approx(5 / 6)
    broken = [np.full_like(x, math.nan) for x in A]
    assert metrics.top1(broken, broken) == 0.0


def test_logits_with_a_nan_have_no_distance_that_could_pass() -> None:
    broken = [B[0].copy(), B[1]]
    broken[0][0, 0] = math.nan
    assert math.isnan(metrics.rel_l2(A, broken))
    assert all(math.isnan(value) for value in metrics.kl_summary(A, broken))
    assert not metrics.logits_bit_equal(broken, broken)
    assert metrics.logits_bit_equal(A, [x.copy() for x in A])


def test_distance_by_position_tells_the_first_token_from_the_rest() -> None:
    later = [x.copy() for x in A]
    later[0][1:] += 1
    first, *rest = metrics.nmse_by_position(A, later)
    assert first == 0.0 and len(rest) == 4 and min(rest) > 0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param([], [], id="no prompts"),
        pytest.param(A, A[:1], id="a prompt fewer"),
        pytest.param(A, [x[:, :-1] for x in A], id="another vocabulary"),
        pytest.param([np.zeros((0, 4))], [np.zeros((0, 4))], id="no positions"),
    ],
)
def test_logits_that_do_not_match_are_refused(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"nothing to compare|different shape"):
        metrics.rel_l2(a, b)
