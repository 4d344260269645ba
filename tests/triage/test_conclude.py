"""Findings out of recorded experiments: confidence, rank, gates, hops, failures. Nothing here opens a model."""

import dataclasses
from typing import Any

import pytest

from bot.journal import Header, Journal
from bot.records import CauseKind, Cell, Confidence, Evidence, Experiment, Outcome, Severity, Verdict
from bot.triage import conclude, hypotheses

G, A, S = "gguf", "apr", "safetensors"


def standing_data(**more: Any) -> dict[str, Any]:
    return {
        "stands": True, "plane": "T", "side": "B", "confirmed": True, "explained": 3, "suspect": 3, "tensors": ["t"],
        "pattern": "t", "before": 1.4, "after": 0.0, "floor": 0.0, "refuted": ["LAYOUT-001"], "unrefuted": [],
        "for": ["w"], "against": [], "facts": {}, "partial": [], "kind": None,
        "a": "a.gguf", "b": "b.apr", "hop": None, **more,
    }  # fmt: skip


def experiment(cause: str, *cells: str, pair: str = "gguf-apr", **data: Any) -> Experiment:
    return Experiment(pair=pair, cause=cause, cells=cells, data=standing_data(**data))


def verdict(
    gate: str, *chain: str, outcome: Outcome = Outcome.FALSIFIED, backend: str | None = None, **more: Any
) -> Verdict:
    cell = Cell(gate=gate, chain=chain, backend=backend)
    return Verdict(gate=gate, severity=Severity.P0, cell=cell, outcome=outcome, reason="it differs", **more)


def journal(*experiments: Experiment, evidence: tuple[Evidence, ...] = ()) -> Journal:
    header = Header(
        playbook="p", playbook_sha256="0", tier="quick", model="m", toolchain="t", commit=None, started="",
        environment={}, cells=(),
    )  # fmt: skip
    return Journal(header, evidence, experiments, True, False)


def findings(*experiments: Experiment, verdicts: tuple[Verdict, ...] = (), evidence: tuple[Evidence, ...] = ()) -> Any:
    return {f.id: f for f in conclude.findings(journal(*experiments, evidence=evidence), verdicts)[0]}


@pytest.mark.parametrize(
    ("data", "confidence"),
    [
        ({}, Confidence.HIGH),
        ({"suspect": 4}, Confidence.MEDIUM),  # one suspect stays
        ({"unrefuted": ["ROPE-001"]}, Confidence.MEDIUM),  # a rival does as well
        ({"confirmed": False}, Confidence.LOW),
        ({"confirmed": "yes"}, Confidence.LOW),  # what is no bool says nothing
        ({"explained": 0, "suspect": 0}, Confidence.MEDIUM),
    ],
)
def test_confidence_is_earned(data: dict[str, Any], confidence: Confidence) -> None:
    assert findings(experiment("LAYOUT-002", **data))["LAYOUT-002"].confidence is confidence


def test_what_fell_is_no_finding() -> None:
    fallen = Experiment(pair="gguf-apr", cause="ROPE-001", data={"stands": False, "after": 1.4, "suspect": 3})
    assert set(findings(fallen, experiment("LAYOUT-002"))) == {"LAYOUT-002"}


def test_defects_come_before_what_clears_and_more_before_less() -> None:
    found = conclude.concluded([
        experiment("QUANT-008", explained=90, suspect=90), experiment("META-008", explained=1, suspect=1),
        experiment("UNKNOWN-001", explained=0, suspect=50, confirmed=False),
        experiment("LAYOUT-002", explained=20, suspect=20), experiment("FILE-009", explained=1, suspect=1),
    ])[0]  # fmt: skip
    assert [f.id for f in found] == ["LAYOUT-002", "FILE-009", "META-008", "UNKNOWN-001", "QUANT-008"]
    first = conclude.concluded(
        [experiment("LAYOUT-002", explained=9), experiment("VALUE-009", explained=1, suspect=1)]
    )[0]
    assert first[0].id == "VALUE-009"
    assert conclude.verdict(first) == "different-checkpoint"


def test_verdicts_in_one_word() -> None:
    assert conclude.verdict(()) == "equal"
    assert conclude.verdict(conclude.concluded([experiment("QUANT-008")])[0]) == "within-budget"
    assert conclude.verdict(conclude.concluded([experiment("QUANT-008"), experiment("TOK-006")])[0]) == "faulty"
    # one record that clears does not clear the others
    both = [experiment("NAME-008", kind="clears"), experiment("NAME-008", pair="apr-gguf", kind="defect")]
    assert conclude.concluded(both)[0][0].kind is CauseKind.DEFECT
    assert conclude.verdict(conclude.concluded(both[:1])[0]) == "within-budget"


def test_one_cause_behind_many_gates_is_one_finding() -> None:
    broken = tuple(
        verdict(gate, *chain, backend=backend, tensors={"differ": 3})
        for gate, chain in (("F-CONV-G-A", (G, A)), ("F-CONV-S-A", (S, A))) for backend in ("cpu", "gpu")
    )  # fmt: skip
    ids = [v.cell.id for v in broken]
    found = findings(
        experiment("LAYOUT-002", *ids[:2]), experiment("LAYOUT-002", *ids[2:], pair="safetensors-apr"), verdicts=broken
    )
    assert list(found) == ["LAYOUT-002"]
    assert list(found["LAYOUT-002"].gates) == ids


def test_each_finding_has_the_gates_it_can_account_for() -> None:
    tensors, tokens, held = (
        verdict("F-CONV-G-A", G, A, backend="cpu", tensors={"differ": 3}), verdict("F-CONTRACT-I5-001", G, A),
        verdict("F-CONV-CARD-001", G, A, outcome=Outcome.CORROBORATED),
    )  # fmt: skip
    ids = [v.cell.id for v in (tensors, tokens, held)]
    found = findings(
        experiment("LAYOUT-002", *ids), experiment("TOK-006", *ids), experiment("QUANT-008", *ids),
        verdicts=(tensors, tokens, held),
    )  # fmt: skip
    assert found["LAYOUT-002"].gates == (ids[0],)
    assert found["TOK-006"].gates == (ids[1],)
    assert found["QUANT-008"].gates == ()


def test_wrong_metadata_answers_for_logits_when_all_tensors_hold() -> None:
    logits = verdict("F-CONV-G-A", G, A, backend="cpu", tensors={"differ": 0})
    found = findings(experiment("ROPE-005", logits.cell.id), verdicts=(logits,))
    assert found["ROPE-005"].gates == (logits.cell.id,)


@pytest.mark.parametrize(
    ("hops", "hop"),
    [
        ({"gguf-apr": "gguf-apr", "gguf-apr-safetensors-gguf": "gguf-apr"}, "gguf-apr"),
        ({"gguf-apr-safetensors-gguf": "apr-safetensors"}, "apr-safetensors"),
        ({"gguf-apr": "gguf-apr", "safetensors-apr-gguf": "safetensors-apr"}, None),
        ({"gguf-apr": "gguf-apr"}, None),  # no chain is broken
    ],
)
def test_the_hop_that_broke_a_chain(hops: dict[str, str], hop: str | None) -> None:
    found = findings(*(experiment("LAYOUT-002", pair=pair, hop=where) for pair, where in hops.items()))
    assert found["LAYOUT-002"].hop == hop


def failed(gate: str, outcome: Outcome, **data: Any) -> tuple[Verdict, Evidence]:
    made = verdict(gate, G, A, outcome=outcome)
    return made, Evidence(
        cell=made.cell.id, kind="failure", data={"outcome": outcome.value, "reason": "it failed", **data}
    )


def test_what_a_failed_step_said_names_the_cause_and_masks_the_gates_behind_it() -> None:
    line = "Invalid model format: No file extension found"
    steps = [
        failed(gate, Outcome.ERROR, stderr_tail=f"start\n{line}\n", argv=["apr", "convert", "d"], exit_code=5)
        for gate in ("F-CONV-RT-001", "F-CONV-RT-002")
    ]
    found = findings(verdicts=tuple(v for v, _ in steps), evidence=tuple(e for _, e in steps))
    assert list(found) == ["PATH-001"]
    assert found["PATH-001"].masked == tuple(v.cell.id for v, _ in steps)
    assert found["PATH-001"].gates == ()
    assert found["PATH-001"].line == line
    marked = conclude.masked([v for v, _ in steps], found.values())
    assert {v.masked_by for v in marked} == {"PATH-001"}


def test_faults_of_an_unreadable_result_are_its_cause() -> None:
    step, evidence = failed("F-CONV-G-A", Outcome.FALSIFIED, faults=[{"cause": "FILE-001", "detail": "ends early"}])
    found = findings(experiment("FILE-001", step.cell.id), verdicts=(step,), evidence=(evidence,))
    assert list(found) == ["FILE-001"]
    assert found["FILE-001"].gates == (step.cell.id,)


def test_what_nothing_explains_is_unknown_and_said_so() -> None:
    lost = verdict("F-CONV-G-A", G, A, backend="cpu", tensors={"differ": 2})
    found = findings(verdicts=(lost,))
    assert found["UNKNOWN-001"].gates == (lost.cell.id,)
    assert "it differs" in found["UNKNOWN-001"].evidence_for[0]
    unexplained = conclude.findings(journal(experiment("UNKNOWN-001", tensors=["a", "b"], confirmed=False)), ())[1]
    assert unexplained == ("a", "b")


def logits(of: Verdict, **data: Any) -> Evidence:
    return Evidence(cell=of.cell.id, kind="logits", data={"positions": 8, "rel_l2": 0.4, **data})


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        ({"by_position": [0.0, 0.1, 0.2], "top1": 0.8}, "ROPE-004"),
        ({"by_position": [0.2, 0.2, 0.2], "top1": 1.0}, "VALUE-004"),
        ({"by_position": [0.2, 0.1, 0.2], "top1": 0.5}, "UNKNOWN-001"),
        ({"by_position": "damaged", "top1": "nan"}, "UNKNOWN-001"),
    ],
)
def test_logits_alone_tell_what_they_can(data: dict[str, Any], cause: str) -> None:
    off = verdict("F-CONV-G-A", G, A, backend="cpu", tensors={"differ": 0})
    assert list(findings(verdicts=(off,), evidence=(logits(off, **data),))) == [cause]


@pytest.mark.parametrize("top1", [1.0, 0.5])
def test_where_hidden_states_part_is_told_known_cause_or_not(top1: float) -> None:
    off = [verdict(f"F-CONV-G-{b[0].upper()}", G, b, backend="cpu", tensors={"differ": 0}) for b in (A, S)]
    parted = [{"first_layer": 5, "departs_at": "the output of layer 5"}, {"first_layer": 3, "departs_at": 7}]
    evidence = [logits(of, by_position=[0.2, 0.2], top1=top1, **more) for of, more in zip(off, parted, strict=True)]
    found = findings(verdicts=off, evidence=evidence)["VALUE-004" if top1 == 1 else "UNKNOWN-001"]
    assert found.first_layer == 3
    told = [words for words in found.evidence_for if "hidden states" in words]
    assert told == [f"{off[0].cell.id}: hidden states part at the output of layer 5"]


def test_only_one_backend_off_is_the_engine() -> None:
    held = verdict("F-CONV-G-A", G, A, backend="cpu", outcome=Outcome.CORROBORATED, tensors={"differ": 0})
    off = verdict("F-CONV-G-A", G, A, backend="gpu", tensors={"differ": 0})
    evidence = (logits(held), logits(off, by_position=[0.2, 0.3], top1=0.2))
    found = findings(verdicts=(held, off), evidence=evidence)
    assert list(found) == ["ENGINE-001"]
    assert list(findings(verdicts=(dataclasses.replace(held, outcome=Outcome.FALSIFIED), off), evidence=evidence)) != [
        "ENGINE-001"
    ]


def test_a_journal_full_of_rubbish_is_concluded_all_the_same() -> None:
    rubbish: list[Any] = [None, True, -1, 1e400, "x", [], {}, [None, {"a": 1}], float("nan")]
    fields = list(standing_data())
    items = [
        Experiment(pair="gguf-apr", cause=cause, data={**standing_data(), field: value})
        for cause in ("LAYOUT-002", "NAME-008", "NO-SUCH") for field in fields for value in rubbish
    ]  # fmt: skip
    for item in items:
        findings(item)
    found = findings(*items)
    assert set(found) <= {"LAYOUT-002", "NAME-008"}


def test_every_cause_of_the_catalogue_is_there() -> None:
    counts = {
        "FILE": 9, "NAME": 8, "LAYOUT": 10, "ROPE": 7, "VALUE": 10, "DTYPE": 8, "QUANT": 8, "META": 9, "TOK": 9,
        "ARCH": 3, "ENGINE": 5, "PATH": 2, "HARNESS": 4, "INFRA": 8, "UNKNOWN": 1,
    }  # fmt: skip
    every = [f"{family}-{n:03}" for family, count in counts.items() for n in range(1, count + 1)]
    assert list(hypotheses.ALL) == every
    slugs = [cause.SLUG for cause in hypotheses.ALL.values()]
    assert len(set(slugs)) == len(slugs)
    clears = {cause.ID for cause in hypotheses.ALL.values() if cause.KIND is CauseKind.CLEARS}
    assert {"QUANT-008", "DTYPE-003", "ENGINE-005"} <= clears <= {"QUANT-008", "DTYPE-003", "ENGINE-005", "VALUE-007"}
