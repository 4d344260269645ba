"""Every gate, both ways: evidence by which it holds, evidence by which it fails, and evidence that proves nothing."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from bot.gates import ALL
from bot.gates._gate import Gate
from bot.records import Cell, Evidence, Outcome, Severity, Verdict

HELD, FAILED, ERROR = Outcome.CORROBORATED, Outcome.FALSIFIED, Outcome.ERROR
SANE = {"sane": True, "problem": None, "positions": 90, "finite": True}
TENSORS = {
    "compared": 21, "equal": 21, "within_budget": 0, "differ": 0, "missing": [], "unexpected": [],
    "worst_rel_rmse": 0.0, "degenerate": [], "budget_reason": "0 (copy)",
}  # fmt: skip
LOGITS = {"positions": 90, "rel_l2": 0.0, "bound": 0.0, "expected": "0 (copy)"}
NAMES = {"seen": 21, "misspelled": [], "twice": [], "unknown": []}
CHECKS = [{"part": part, "key": part, "stated": 2, "found": 2} for part in ("heads", "layers", "hidden", "vocabulary")]
GENERATION = {"ids": [5, 6], "reference_ids": [5, 6], "divergence_in_top5": False, "exact": True}

# evidence by which the gates that take it hold
GOOD: dict[str, dict[str, Any]] = {
    "faults": {"path": "model.gguf", "faults": []},
    "integrity": {"checks": CHECKS, "wrong_shapes": [], "shapes_checked": 15},
    "names": NAMES,
    "dtypes": {"seen": 21, "unasked": [], "asked": "lossless"},
    "bytes_equal": {"compared": 21, "differ": 0, "differing": []},
    "tensors": TENSORS,
    "metadata": {"compared": 18, "differ": []},
    "tokenizer": {"source": True, "texts": 6, "differ": []},
    "load": {"loaded": True, "parameters": 1000, "device": "cpu", "missing": [], "unexpected": [], "mismatched": []},
    "reference": SANE,
    "stability": {"runs": 2, "equal": True, "rel_l2": 0.0},
    "logits": LOGITS,
    "generation": GENERATION,
    "backend_pair": {"rel_l2": 1e-4, "bound": 1e-3, "expected": "< 1e-3"},
    "performance": {"measure": "throughput", "ratio": 0.98, "least": 0.5},
}
FAULT = {"law": "gguf.magic", "cause": "FILE-002", "path": "x", "detail": "is no GGUF", "offset": 0, "fatal": True}
# (gates, kind, what is changed in the good evidence, the outcome it must lead to)
CHANGES: list[tuple[str, str, dict[str, Any], Outcome]] = [
    ("G0-FORMAT-GGUF G0-FORMAT-APR G0-FORMAT-SAFETENSORS", "faults", {"faults": [FAULT]}, FAILED),
    ("G0-INTEGRITY-CONFIG", "integrity", {"checks": [{**CHECKS[0], "found": 3}]}, FAILED),
    ("G0-INTEGRITY-CONFIG", "integrity", {"checks": CHECKS[1:]}, ERROR),
    ("G0-INTEGRITY-LAYERS", "integrity", {"checks": [{**CHECKS[1], "found": 3}]}, FAILED),
    ("G0-INTEGRITY-LAYERS", "integrity", {"checks": []}, ERROR),
    ("G0-INTEGRITY-HIDDEN", "integrity", {"checks": [{**CHECKS[2], "found": 3}]}, FAILED),
    ("G0-INTEGRITY-HIDDEN", "integrity", {"checks": []}, ERROR),
    ("G0-INTEGRITY-VOCAB", "integrity", {"checks": [{**CHECKS[3], "found": 3}]}, FAILED),
    ("G0-INTEGRITY-VOCAB", "integrity", {"checks": []}, ERROR),
    ("G0-LAYOUT-001", "integrity", {"wrong_shapes": ["q_proj"]}, FAILED),
    ("G0-LAYOUT-001", "integrity", {"shapes_checked": 0}, ERROR),
    ("G1-LOAD", "load", {"loaded": False, "problem": "no"}, FAILED),
    ("G1-LOAD", "load", {"missing": ["lm_head.weight"]}, FAILED),
    ("G1-LOAD", "load", {"mismatched": ["a"]}, FAILED),
    ("G2-INFER", "reference", {"finite": False}, FAILED),
    ("G2-INFER", "reference", {"positions": 0}, ERROR),
    ("G3-STABLE", "stability", {"equal": False, "rel_l2": 1e-3}, FAILED),
    ("G3-STABLE", "stability", {"runs": 1}, ERROR),
    ("G4-VALID", "reference", {"sane": False, "problem": "uniform"}, FAILED),
    ("DIRECT", "tensors", {"differ": 1}, FAILED),
    ("DIRECT", "tensors", {"missing": ["a"]}, FAILED),
    ("DIRECT", "tensors", {"unexpected": ["a"]}, FAILED),
    ("DIRECT", "tensors", {"compared": 0}, ERROR),
    ("DIRECT", "logits", {"rel_l2": 1e-9}, FAILED),  # a bound of 0 wants 0
    ("DIRECT", "logits", {"rel_l2": "nan", "bound": 0.1}, FAILED),
    ("DIRECT", "logits", {"rel_l2": "inf", "bound": 0.1}, FAILED),
    ("DIRECT", "logits", {"positions": 0}, ERROR),
    ("DIRECT", "logits", {"positions": 0, "loaded": False, "problem": "no rope_theta"}, FAILED),
    ("DIRECT", "reference", {"sane": False, "problem": "NaN"}, ERROR),
    ("F-CONV-IDEM-001 F-CONV-COM-001", "tensors", {"differ": 2}, FAILED),
    ("F-CONV-IDEM-001 F-CONV-COM-001", "tensors", {"compared": 0}, ERROR),
    ("F-CONV-RT-BYTE-001", "bytes_equal", {"differ": 2}, FAILED),
    ("F-CONV-RT-BYTE-001", "bytes_equal", {"compared": 0}, ERROR),
    ("ANSWERS", "generation", {"ids": [5, 7]}, FAILED),
    ("ANSWERS", "generation", {"ids": [5, 7], "divergence_in_top5": True}, FAILED),  # equal weights: no excuse
    ("ANSWERS", "generation", {"ids": [5, 7], "divergence_in_top5": True, "exact": False}, HELD),
    ("ANSWERS", "generation", {"ids": [], "reference_ids": []}, ERROR),
    ("ANSWERS", "generation", {"ids": []}, FAILED),
    ("ANSWERS", "generation", {"ids": [5]}, FAILED),
    ("ANSWERS", "reference", {"sane": False, "problem": "NaN"}, ERROR),
    ("F-CONV-CARD-001", "tensors", {"missing": ["a"]}, FAILED),
    ("F-CONV-CARD-001", "tensors", {"compared": 0}, ERROR),
    ("F-CONV-NAME-001", "names", {"misspelled": ["blk.0"]}, FAILED),
    ("F-CONV-NAME-001", "names", {"seen": 0}, ERROR),
    ("F-CONTRACT-I2-001", "names", {"twice": ["a"]}, FAILED),
    ("F-CONTRACT-I2-001", "names", {"unknown": ["a"]}, FAILED),
    ("F-CONTRACT-I2-001", "names", {"seen": 0}, ERROR),
    ("F-CONTRACT-I3-001", "dtypes", {"unasked": ["a: F32 became Q4_K"]}, FAILED),
    ("F-CONTRACT-I3-001", "dtypes", {"seen": 0}, ERROR),
    ("F-CONTRACT-I4-001", "tensors", {"degenerate": ["a: all zero"]}, FAILED),
    ("F-CONTRACT-I4-001", "tensors", {"compared": 0}, ERROR),
    ("F-CONTRACT-I5-001", "tokenizer", {"differ": ["TOK-001 pre"]}, FAILED),
    ("F-CONTRACT-I5-001", "tokenizer", {"texts": 0}, ERROR),
    ("F-CONTRACT-I5-001", "tokenizer", {"source": False}, ERROR),
    ("F-INSPECT-META-001", "metadata", {"differ": [{"key": "rope_theta", "a": 1, "b": 2}]}, FAILED),
    ("F-INSPECT-META-001", "metadata", {"compared": 0}, ERROR),
    ("F-BACKEND-001", "backend_pair", {"rel_l2": 1e-2}, FAILED),
    ("F-BACKEND-001", "backend_pair", {"rel_l2": "nan"}, FAILED),
    ("F-PERF-001", "performance", {"ratio": 0.2}, FAILED),
    ("F-PERF-001", "performance", {"ratio": "nan"}, FAILED),
]  # fmt: skip
GROUPS = {
    "DIRECT": [name for name, gate in ALL.items() if "logits" in gate.takes],
    "ANSWERS": [name for name, gate in ALL.items() if "generation" in gate.takes],
}
KNOWN = [Outcome.CORROBORATED, Outcome.FALSIFIED, Outcome.ERROR, Outcome.NO_EVIDENCE]
# what no field of any evidence means
GARBAGE = (None, "x", -1, 1.5, [], [None], [1], {}, {"a": 1}, True, "nan", [["a"]])


def judged(gate: Gate, evidence: dict[str, Any], **others: Any) -> Verdict:
    cell = Cell(gate=gate.id, chain=("gguf", "apr"), backend="cpu")
    found = {**evidence, **others}
    return gate.judge(
        cell, {k: Evidence(cell=cell.id, kind=k, data=json.loads(json.dumps(v))) for k, v in found.items()}
    )


def good(gate: Gate) -> dict[str, Any]:
    return {kind: copy.deepcopy(GOOD[kind]) for kind in gate.takes}


def rows() -> Iterator[Any]:
    for names, kind, change, outcome in CHANGES:
        for name in GROUPS.get(names, names.split()):
            yield pytest.param(name, kind, change, outcome, id=f"{name}-{kind}-{json.dumps(change)[:40]}")


@pytest.mark.parametrize("name", ALL)
def test_a_gate_holds_by_good_evidence(name: str) -> None:
    verdict = judged(ALL[name], good(ALL[name]))
    assert verdict.outcome is HELD, verdict.reason
    assert verdict.reason
    assert verdict.definition


@pytest.mark.parametrize(("name", "kind", "change", "outcome"), list(rows()))
def test_a_gate_can_fail(name: str, kind: str, change: dict[str, Any], outcome: Outcome) -> None:
    evidence = good(ALL[name])
    evidence[kind] |= change
    verdict = judged(ALL[name], evidence)
    assert verdict.outcome is outcome, verdict.reason


def test_every_gate_is_falsified_by_a_row() -> None:
    able = {name for names, _, _, outcome in CHANGES if outcome is FAILED for name in GROUPS.get(names, names.split())}
    assert able == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_missing_evidence_is_never_a_pass(name: str) -> None:
    gate = ALL[name]
    assert judged(gate, {}).outcome is Outcome.NO_EVIDENCE
    for kind in gate.needs:
        evidence = good(gate)
        evidence.pop(kind)
        assert judged(gate, evidence).outcome is Outcome.NO_EVIDENCE
        evidence[kind] = {}
        assert judged(gate, evidence).outcome in {Outcome.NO_EVIDENCE, Outcome.ERROR}


@pytest.mark.parametrize("name", ALL)
def test_malformed_evidence_is_an_answer(name: str) -> None:
    """Any one field replaced by nonsense: judging goes on."""
    gate = ALL[name]
    for kind in gate.takes:
        for field in GOOD[kind]:
            for value in GARBAGE:
                evidence = good(gate)
                evidence[kind][field] = value
                assert judged(gate, evidence).outcome in KNOWN


@pytest.mark.parametrize(("name", "kind", "change", "outcome"), [row for row in rows() if row.values[3] is FAILED])
def test_what_fails_is_not_saved_by_nonsense(name: str, kind: str, change: dict[str, Any], outcome: Outcome) -> None:
    """The field that made it fail replaced by something that is neither the good value nor a number like it."""
    for field in change:
        for value in GARBAGE:
            fair = isinstance(GOOD[kind].get(field), float) and isinstance(value, float)
            if value == GOOD[kind].get(field) or fair or field in {"problem", "bound", "exact", "divergence_in_top5"}:
                continue
            evidence = good(ALL[name])
            evidence[kind] |= {**change, field: value}
            assert judged(ALL[name], evidence).outcome is not HELD, (field, value)


@pytest.mark.parametrize("name", ALL)
def test_skips_and_failures_are_told_apart(name: str) -> None:
    gate = ALL[name]
    everything = good(gate)
    assert judged(gate, everything, skip={"reason": "no GPU"}).outcome is Outcome.SKIPPED
    for word in ("error", "timeout", "crashed", "falsified"):
        verdict = judged(gate, everything, failure={"outcome": word, "reason": "told"})
        assert (verdict.outcome.value, verdict.reason) == (word, "told")
    # a failure whose outcome nobody knows is no pass and no accusation
    assert judged(gate, everything, failure={"outcome": "corroborated"}).outcome is ERROR
    assert judged(gate, everything, failure={}).outcome is ERROR


def test_the_catalogue_of_gates_is_whole() -> None:
    assert all(
        gate.title.endswith(".") and "Why it matters" in gate.text and "If it fails" in gate.text
        for gate in ALL.values()
    )
    assert {gate.severity for gate in ALL.values()} == set(Severity)
    assert len({gate.definition for gate in ALL.values()}) == len(ALL)
    assert ALL["F-CONV-G-A"].severity is Severity.P0
