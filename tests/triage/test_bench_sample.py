"""A sample of `make bench-triage` meets the rates of the whole, and the bench can tell right from wrong."""

from pathlib import Path

import bench_triage as bench
import pytest

CASE = bench.Case(family="single", arch="llama", config=bench.CONFIGS[0], plants=("ROPE-001",))


@pytest.mark.slow
def test_a_sample_of_the_bench_meets_its_rates(tmp_path: Path) -> None:
    results = bench.measure(tmp_path, seed=7, quick=True, archs=("llama", "gemma3", "mixtral"))
    wrong = [bench.line(result) for result in results if bench.wrong(result)]
    singles, pairs = bench.of(results, "single", "limited"), bench.of(results, "pair")
    assert len(singles) > 20 and len(pairs) > 5
    assert {result.case.arch for result in singles} == {"llama", "gemma3", "mixtral"}
    assert [bench.line(result) for result in bench.of(results, "clean") if not result.named] == []
    # one miss in a sample this small is already below the rate of the whole
    assert bench.rate(singles) > 0.95, wrong
    assert bench.exactness(singles) > 0.95, wrong
    assert bench.rate(pairs) >= 0.8, wrong


@pytest.mark.parametrize(
    ("plants", "found", "defects", "named"),
    [
        (("ROPE-001",), ("ROPE-001", "META-001"), ("ROPE-001", "META-001"), True),
        (("ROPE-001",), ("META-001", "ROPE-001"), ("META-001", "ROPE-001"), False),
        (("ROPE-001", "VALUE-003:layer=1"), ("VALUE-003", "X", "ROPE-001"), ("VALUE-003", "ROPE-001"), True),
        (("ROPE-001", "VALUE-003"), ("ROPE-001",), ("ROPE-001",), False),
        ((), ("QUANT-008",), (), True),
        ((), ("QUANT-008", "DTYPE-007"), ("DTYPE-007",), False),
        (("DTYPE-003",), ("DTYPE-003", "ROPE-001"), ("ROPE-001",), False),
    ],
)
def test_only_a_right_answer_counts(
    plants: tuple[str, ...], found: tuple[str, ...], defects: tuple[str, ...], named: bool
) -> None:
    case = bench.Case(family="x", arch="llama", config=bench.CONFIGS[0], plants=plants)
    result = bench.Result(case=case, found=found, defects=defects, exact=None, note="", seconds=0)
    assert result.named is named


def test_the_table_lists_every_miss() -> None:
    good = bench.Result(case=CASE, found=("ROPE-001",), defects=("ROPE-001",), exact=True, note="", seconds=0)
    bad = bench.Result(case=CASE, found=("ROPE-002",), defects=("ROPE-002",), exact=False, note="2 missed", seconds=0)
    text = bench.table([good, bad], 3)
    assert "named first | 2 | 50.0% |" in text
    assert "| ROPE-001 | 1/2 |" in text
    assert "Misses: 1" in text and "found ROPE-002; 2 missed" in text
