# ruff: noqa: E501
"""Judgements built by hand: a good run, a planted one, a run whose machine failed, and one full of hostile text."""

from typing import Any

from bot.journal import Header, Journal
from bot.records import (
    CauseKind,
    Cell,
    Confidence,
    Deduction,
    Evidence,
    Experiment,
    Finding,
    Outcome,
    Score,
    Severity,
    Verdict,
)  # fmt: skip
from bot.triage.judge import Judgement

G, A, S = "gguf", "apr", "safetensors"
DIRECT = {
    "F-CONV-G-A": (G, A), "F-CONV-A-G": (A, G), "F-CONV-G-S": (G, S),
    "F-CONV-S-G": (S, G), "F-CONV-A-S": (A, S), "F-CONV-S-A": (S, A),
}  # fmt: skip
CHAINS = {
    "F-CONV-RT-001": (G, A, S, G), "F-CONV-RT-002": (S, A, G, S), "F-CONV-IDEM-001": (G, A, A),
    "F-CONV-COM-001": (G, S, A), "F-GOLDEN-RULE-001": (G, A),
}  # fmt: skip
DIFFS = {"F-CONV-G-A": 0.761, "F-CONV-A-G": 0.742, "F-CONV-G-S": 0.586, "F-CONV-S-G": 0.9049, "F-CONV-A-S": 0.755}
SHA = "4cfbb4afca132bc74cfbb4afca132bc74cfbb4af"


def cell(gate: str, chain: tuple[str, ...], backend: str | None = "cpu") -> Cell:
    return Cell(gate=gate, chain=chain, backend=backend)


def verdict(at: Cell, outcome: Outcome, reason: str = "", **rest: Any) -> Verdict:
    severity = rest.pop("severity", Severity.P0)
    return Verdict(
        gate=at.gate, severity=severity, cell=at, outcome=outcome, reason=reason, definition="3f9c11d0", **rest
    )


def judgement(
    verdicts: list[Verdict], score: Score, findings: tuple[Finding, ...] = (), evidence: tuple[Evidence, ...] = (),
    experiments: tuple[Experiment, ...] = (), complete: bool = True, unexplained: tuple[str, ...] = (), **header: Any,
) -> Judgement:  # fmt: skip
    values: dict[str, Any] = {
        "playbook": "playbooks/qwen2.5-coder-0.5b-quick.playbook.yaml", "playbook_sha256": "0" * 64, "tier": "quick",
        "model": "Qwen/Qwen2.5-Coder-0.5B-Instruct", "toolchain": "reference", "commit": SHA,
        "started": "2026-02-04T14:35:00Z", "environment": {"requalify": "0.1.0", "cpu": "8 cores", "gpu": None, "hostname": "box7"},
        "request": {"dtype": None},
    }  # fmt: skip
    made = Header(**(values | header), cells=tuple(v.cell for v in verdicts))
    journal = Journal(made, evidence, experiments, complete, False)
    return Judgement(
        header=made, verdicts=tuple(verdicts), score=score, findings=findings, unexplained=unexplained, journal=journal
    )


def no_gpu(at: Cell) -> Verdict:
    return verdict(at, Outcome.SKIPPED, "no GPU: nvidia-smi is not on this machine")


def good() -> Judgement:
    equal = {"compared": 290, "differ": 0, "worst_rel_rmse": 0.0, "budget": 1e-6}
    verdicts = []
    for gate, chain in DIRECT.items():
        verdicts.append(verdict(
            cell(gate, chain), Outcome.CORROBORATED, "tensors equal, logits equal", metric="rel_l2", diff=0.0,
            expected="0 (copy)", tensors=equal,
        ))  # fmt: skip
        verdicts.append(no_gpu(cell(gate, chain, "gpu")))
    for gate, chain in CHAINS.items():
        verdicts.append(verdict(cell(gate, chain), Outcome.CORROBORATED, "ends as it began", metric="rel_l2", diff=3.1e-7,
                                expected="< 1e-6 (same arithmetic)", tensors=equal))  # fmt: skip
    verdicts.append(verdict(cell("G0-FORMAT-GGUF", (G,), None), Outcome.CORROBORATED, "no law of the file is broken"))
    return judgement(verdicts, Score(mqs=800, grade="B", status="PROVISIONAL", note="quick; holds on cpu"))


PATH_LINE = "Invalid model format: No file extension found"


def planted() -> Judgement:
    """LAYOUT-002 on every direct conversion but one, PATH-001 before every chain."""
    verdicts, evidence = [], []
    for gate, chain in DIRECT.items():
        at = cell(gate, chain)
        if gate in DIFFS:
            verdicts.append(verdict(
                at, Outcome.FALSIFIED, "168 of 290 tensors differ beyond budget", metric="rel_l2", diff=DIFFS[gate],
                expected="< 1e-6 (same arithmetic)",
                tensors={"compared": 290, "differ": 168, "worst_rel_rmse": 1.4142, "budget": 1e-6,
                         "worst_tensor": "model.layers.0.self_attn.q_proj.weight"},
            ))  # fmt: skip
            places = [["self_attn.q_proj", layer, 6.15] for layer in range(24)]
            places += [["mlp.down_proj", layer, 2.0 if layer == 3 else "-inf"] for layer in range(24)]
            places += [["embed_tokens", None, "-inf"]]
            evidence.append(Evidence(cell=at.id, kind="tensors", data={"map": places}))
            argv = ["requalify", "convert", "~/models/qwen a.gguf", f"/tmp/out/{gate}.apr"]
            evidence.append(Evidence(cell=at.id, kind="conversion", data={"hops": [{"argv": argv, "exit_code": 0}]}))
        else:
            verdicts.append(
                verdict(at, Outcome.CORROBORATED, "tensors equal", metric="rel_l2", diff=0.0, expected="0 (copy)")
            )
        verdicts.append(no_gpu(cell(gate, chain, "gpu")))
    masked = []
    for gate, chain in CHAINS.items():
        at = cell(gate, chain)
        masked.append(at.id)
        verdicts.append(verdict(at, Outcome.ERROR, "the converter was handed a directory", masked_by="PATH-001"))
        evidence.append(
            Evidence(cell=at.id, kind="failure", data={"outcome": "error", "stderr_tail": f"start\n{PATH_LINE}\n"})
        )
    broken = tuple(cell(gate, DIRECT[gate]).id for gate in DIFFS)
    layout = Finding(
        id="LAYOUT-002", slug="data-transposed", kind=CauseKind.DEFECT, confidence=Confidence.HIGH, explained=168,
        suspect=168, residual_before=1.4142, residual_after=0.0, noise_floor=0.0, side="B",
        tensors=("model.layers.0.self_attn.q_proj.weight",), pattern="self_attn.q_proj.weight in layers 0-23, 24 of 24",
        evidence_for=("transposing ours restores 168 of 168 tensors exactly", "square and oblong matrices alike"),
        evidence_against=("one-dimensional tensors cannot tell",), refuted=("ROPE-001", "LAYOUT-001"), gates=broken,
        commands=(("requalify", "diagnose", "/tmp/out/a.gguf", "/tmp/out/b.apr"),
                  ("requalify", "diff", "/tmp/out/a.gguf", "/tmp/out/b.apr", "--json")),
        claim="the values are right and the axes of the matrix are swapped",
        falsified_if="transposing B does not bring it within tolerance of A",
        fix_hint="look for a transpose where GGUF's dimensions are read in reverse",
    )  # fmt: skip
    path = Finding(
        id="PATH-001", slug="directory-instead-of-file", kind=CauseKind.HARNESS, confidence=Confidence.HIGH,
        evidence_for=("the path handed over is a directory",), masked=tuple(masked), line=PATH_LINE, line_number=2,
        claim="the tool was handed a directory where it wants a file", falsified_if="the path is a file",
    )  # fmt: skip
    tried = (Experiment(pair="gguf-apr", cause="ROPE-001", cells=broken,
                        data={"before": 1.4142, "after": 1.39, "claim": "the rotary rows did not move"}),)  # fmt: skip
    score = Score(
        mqs=320, grade="F", status="BLOCKED", deductions=(Deduction(reason="5 P0 gates falsified", points=-379),)
    )
    return judgement(verdicts, score, (layout, path), tuple(evidence), tried)


def infra_failed() -> Judgement:
    verdicts = [
        verdict(cell(gate, chain), Outcome.ERROR, "the disk is full", masked_by="INFRA-004")
        for gate, chain in DIRECT.items()
    ]
    verdicts += [verdict(cell(gate, chain), Outcome.NO_EVIDENCE, "never measured") for gate, chain in CHAINS.items()]
    disk = Finding(
        id="INFRA-004", slug="disk-full", kind=CauseKind.INFRA, confidence=Confidence.HIGH, line_number=7,
        line="OSError: [Errno 28] No space left on device", masked=tuple(v.cell.id for v in verdicts[:6]),
    )  # fmt: skip
    score = Score(mqs=None, grade=None, status="NO EVIDENCE", note="nothing could be judged")
    return judgement(verdicts, score, (disk,), complete=False)


EVIL = (
    "@torvalds fixes #1 owner/repo#2 GH-3 <script>alert(1)</script> <!-- x --> | `a` ``` \n# Head\n- [x] done\n"
    "![i](https://evil.example/p.png) [l](http://evil.example) www.evil.example https://evil.example "
    "\x1b[31mred\x1b[0m \u202egnp.exe\u200b ghp_abcdefghijklmnopqrstuvwxyz0123456789 /home/alice/secret 10.1.2.3 "
    "</details> <img src=x onerror=1> **b** _i_ ~~s~~ $x$ &amp; ]]> \\ \x00 \ud800"
)


def hostile() -> Judgement:
    """A planted run in which every foreign string is an attack."""
    base = planted()
    verdicts = [
        verdict(Cell(gate=v.gate, chain=v.cell.chain, backend=v.cell.backend, variant="|x\n`@y"), v.outcome, EVIL,
                diff=v.diff, expected=EVIL, masked_by="PATH-001" if v.masked_by else None)
        for v in base.verdicts
    ]  # fmt: skip
    ids = tuple(v.cell.id for v in verdicts)
    finding = Finding(
        id="LAYOUT-002", slug=EVIL, kind=CauseKind.DEFECT, confidence=Confidence.LOW, explained=1, suspect=2, gates=ids[:10],
        evidence_for=(EVIL,), evidence_against=(EVIL,), refuted=(EVIL,), claim=EVIL, falsified_if=EVIL, fix_hint=EVIL,
        pattern=EVIL, commands=(("requalify", "diff", EVIL, "$(touch /tmp/pwned)"),), line=EVIL, masked=ids[12:], side="B",
    )  # fmt: skip
    evidence = (Evidence(cell=ids[0], kind="tensors", data={"map": [[EVIL, 0, 3.0], ["x", "y", "z"], [1], None]}),)
    score = Score(mqs=0, grade=EVIL, status=EVIL, deductions=(Deduction(reason=EVIL, points=-1),), note=EVIL)
    return judgement(
        verdicts, score, (finding,), evidence, model=EVIL, playbook=EVIL, toolchain=EVIL, environment={EVIL: EVIL}
    )


ALL = {"good": good, "planted": planted, "infra": infra_failed, "hostile": hostile}
