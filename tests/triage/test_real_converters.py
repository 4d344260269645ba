"""What two published versions of a real converter did, and what each result must be called."""

import fnmatch
from pathlib import Path

import pytest

from bot.records import CauseKind
from bot.triage.investigate import diagnose

FILES = Path(__file__).parents[3] / "shared" / "apr" / "files"
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="recorded conversions are not beside the repository")

TOK = "TOK-*"
META = "META-*"
# result, source, (must be named: "X/Y" is either), (may be named besides)
OLD, NEW, SRC = "0.2.11", "0.72.3", "source"
ROWS = [
    (f"{OLD}/llama-256-q4_k.g.apr", f"{SRC}/llama-256-q4_k.gguf",
     "LAYOUT-001 QUANT-001/QUANT-002 NAME-002 TOK-002", f"{META} ROPE-005 {TOK}"),
    (f"{OLD}/llama-96-bf16.s.apr", f"{SRC}/llama-96-bf16", "NAME-002 META-002 TOK-008", f"{META} ROPE-005 NAME-008"),
    (f"{OLD}/qwen2-128-f16.g.apr", f"{SRC}/qwen2-128-f16.gguf",
     "LAYOUT-001 NAME-002 TOK-002", f"{META} ROPE-005 {TOK}"),
    (f"{OLD}/qwen2-128-f16.s.apr", f"{SRC}/qwen2-128-f16",
     "NAME-002 META-002 ROPE-005 TOK-008", f"{META} NAME-008"),
    (f"{NEW}/llama-256-q4_k.g.apr", f"{SRC}/llama-256-q4_k.gguf", "NAME-002", f"NAME-008 {TOK}"),
    (f"{NEW}/llama-96-bf16.g.apr", f"{SRC}/llama-96-bf16.gguf", "NAME-002", f"NAME-008 {TOK}"),
    (f"{NEW}/qwen2-128-f16.g.apr", f"{SRC}/qwen2-128-f16.gguf", "", f"NAME-008 {TOK}"),
    (f"{NEW}/llama-96-bf16.s.apr", f"{SRC}/llama-96-bf16", "ROPE-001/ROPE-004 NAME-008/FILE-004", TOK),
    (f"{NEW}/qwen2-128-f16.s.apr", f"{SRC}/qwen2-128-f16", "NAME-008/FILE-004", TOK),
    *(
        (f"{NEW}/{result}", source, "ROPE-001 NAME-002 META-006 META-002 META-009 ROPE-005 TOK-008", f"{META} NAME-008")
        for result, source in (
            ("llama-96-bf16.g", f"{SRC}/llama-96-bf16.gguf"), ("llama-96-bf16.g.a", f"{NEW}/llama-96-bf16.g.apr"),
        )
    ),
    (f"{NEW}/llama-96-bf16.s.a", f"{NEW}/llama-96-bf16.s.apr",
     "META-006 META-002 ROPE-005 TOK-008", f"ROPE-001 {META} NAME-* FILE-004"),
    *(
        (f"{NEW}/{result}", source, "META-008 TOK-008", f"{META} NAME-* FILE-004")
        for result, source in (
            ("qwen2-128-f16.g", f"{SRC}/qwen2-128-f16.gguf"), ("qwen2-128-f16.g.a", f"{NEW}/qwen2-128-f16.g.apr"),
            ("qwen2-128-f16.s.a", f"{NEW}/qwen2-128-f16.s.apr"),
        )
    ),
    (f"{NEW}/llama-256-f32.s.gguf", f"{SRC}/llama-256-f32",
     "ROPE-001 DTYPE-007/QUANT-008 TOK-003 TOK-006", f"META-007 {TOK}"),
    *(
        (f"{NEW}/{result}", source, "ROPE-001 TOK-003 TOK-006", f"NAME-008 META-007 {TOK}")
        for result, source in (
            ("llama-96-bf16.s.gguf", f"{SRC}/llama-96-bf16"), ("llama-96-bf16.s.a.gguf", f"{SRC}/llama-96-bf16"),
        )
    ),
    *(
        (f"{NEW}/{result}", source, "TOK-003 TOK-006", f"NAME-008 META-007 {TOK}")
        for result, source in (
            ("qwen2-128-f16.s.gguf", f"{SRC}/qwen2-128-f16"), ("qwen2-128-f16.s.a.gguf", f"{SRC}/qwen2-128-f16"),
        )
    ),
    *(
        (f"{NEW}/{name}.g.a.gguf", f"{NEW}/{name}.g.apr", "", f"NAME-008 META-007 {TOK}")
        for name in ("llama-96-bf16", "qwen2-128-f16")
    ),
    (f"{NEW}/llama-256-q4_k.g.a.gguf", f"{NEW}/llama-256-q4_k.g.apr", "DTYPE-006", f"DTYPE-007 META-007 {TOK}"),
    (f"{NEW}/llama-256-q8_0.g.a.gguf", f"{SRC}/llama-256-q8_0.gguf", "FILE-008", "*"),
    *(
        (f"{NEW}/{name}.g.a.g.apr", f"{SRC}/{name}.gguf", "", f"NAME-002 NAME-008 META-007 DTYPE-007 {TOK}")
        for name in ("llama-96-bf16", "qwen2-128-f16")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("result", "source", "must", "may"), ROWS, ids=[row[0] for row in ROWS])
def test_real_results_are_called_what_they_are(result: str, source: str, must: str, may: str) -> None:
    found = diagnose(FILES / source, FILES / result)
    ids = {finding.id for finding in found.findings}
    for wanted in must.split():
        assert ids & set(wanted.split("/")), f"{wanted} is not among {sorted(ids)}"
    allowed = [*may.split(), *must.replace("/", " ").split()]
    defects = {finding.id for finding in found.findings if finding.kind is CauseKind.DEFECT}
    assert not [cause for cause in defects if not any(fnmatch.fnmatchcase(cause, pattern) for pattern in allowed)]
