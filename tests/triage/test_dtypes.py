"""Defects of element types: each is named on the very tensors it hit, and rivals that look alike are not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tiny
from triage.planted import convert, explained, planted

from bot.compare.diff import match
from bot.formats import blocks, open_checkpoint
from bot.formats.view import canonical
from bot.records import CauseKind
from bot.toolchains import plants
from bot.toolchains.plants import Plant
from bot.toolchains.plants.each import each, revalued
from bot.triage.experiments import grids
from bot.triage.experiments.dtypes import cut
from bot.triage.experiments.reading import nearest_bf16
from bot.triage.investigate import diagnose

FILES = Path(__file__).parents[3] / "shared" / "apr" / "files"
recorded = pytest.mark.skipif(not FILES.is_dir(), reason="recorded conversions are not beside the repository")
UP = "model.layers.0.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hf")
    names = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
    return {short: tiny.hf(folder / short, "llama", dtype=name) for short, name in names.items()}


def changed_values(name: str, change) -> Plant:
    """A plant that changes the values of one tensor."""

    def plant(draft, _):
        return each(draft, lambda tensor: tensor.hf == name, lambda tensor: revalued(tensor, change))

    return Plant(cause="", where="", change=plant, after=None)


@pytest.mark.parametrize(
    ("held", "target", "asked", "cause"),
    [
        ("f32", "gguf", "f16", "DTYPE-002"), ("f32", "safetensors", "bf16", "DTYPE-002"),
        ("f16", "apr", "bf16", "DTYPE-002"), ("f32", "gguf", "bf16", "DTYPE-004:layer=0"),
        ("bf16", "safetensors", None, "DTYPE-004:layer=0"), ("f16", "apr", None, "DTYPE-004:layer=1"),
        ("f32", "gguf", "q8_0", "DTYPE-005:layer=0"), ("f32", "gguf", "q4_1", "DTYPE-006"),
        ("f32", "gguf", "q8_0", "DTYPE-006"), ("f16", "safetensors", None, "DTYPE-003"),
        ("f32", "gguf", None, "FILE-003"), ("bf16", "apr", None, "FILE-003"), ("f32", "gguf", "q8_0", "FILE-003"),
        ("f32", "gguf", None, "FILE-005"), ("bf16", "apr", None, "FILE-005"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_where_it_was_made(
    tmp_path: Path, sources: dict[str, Path], held: str, target: str, asked: str | None, cause: str
) -> None:
    found = planted(tmp_path, sources[held], target, asked, cause)
    assert found.hit, "the plant did nothing"
    assert set(found.causes) == found.hit
    assert found.causes == dict.fromkeys(found.causes, (cause.partition(":")[0],))


def test_only_the_tensor_that_was_cut_is_named(tmp_path: Path, sources: dict[str, Path]) -> None:
    found = planted(tmp_path, sources["f32"], "gguf", "bf16", f"DTYPE-002:{UP}")
    assert found.causes == {UP: ("DTYPE-002",)}


@pytest.mark.parametrize("asked", ["f16", "bf16"])
def test_rounding_is_not_cutting(tmp_path: Path, sources: dict[str, Path], asked: str) -> None:
    found = diagnose(sources["f32"], convert(tmp_path, sources["f32"], "safetensors", asked))
    assert {item.id for item in found.findings} == {"QUANT-008"}


def test_cutting_never_enlarges_and_is_what_a_shift_does() -> None:
    values = np.random.default_rng(0).normal(size=4096).astype(np.float32)
    shifted = (values.view(np.uint32) >> 16 << 16).view(np.float32)
    np.testing.assert_array_equal(cut("BF16", values), shifted)
    assert (np.abs(cut("F16", values)) <= np.abs(values)).all()
    assert np.abs(cut("F16", values) - values).max() < np.abs(values).max() * 2**-10
    encoded = blocks.decode("BF16", blocks.encode("BF16", values.reshape(1, -1)))
    np.testing.assert_array_equal(nearest_bf16(values), encoded)


def test_weights_beyond_float16_become_infinite(tmp_path: Path, sources: dict[str, Path]) -> None:
    def enlarged(values):
        values = values.copy()
        values[5, 3], values[11, :4] = 1e5, -7e4
        return values

    large = convert(tmp_path / "a", sources["f32"], "gguf", None, [changed_values(UP, enlarged)])
    through = convert(tmp_path / "f32", large, "safetensors", None, planted_items("DTYPE-001"))
    assert explained(large, through).causes == {UP: ("DTYPE-001",)}
    narrowed = convert(tmp_path / "f16", through, "gguf", None, [labelled_f16()])
    assert explained(large, narrowed).causes == {UP: ("DTYPE-001",)}


def labelled_f16() -> Plant:
    def plant(draft, _):
        return each(
            draft, lambda tensor: tensor.hf == UP, lambda tensor: dataclasses.replace(tensor, dtype="F16", packed=None)
        )

    return Plant(cause="", where="", change=plant, after=None)


def test_a_source_with_non_numbers_is_named_and_not_its_converter(tmp_path: Path, sources: dict[str, Path]) -> None:
    def spoilt(values):
        values = values.copy()
        values[2, 7], values[9, 40] = np.nan, np.inf
        return values

    broken = convert(tmp_path / "a", sources["f32"], "gguf", None, [changed_values(UP, spoilt)])
    for asked in (None, "bf16", "q8_0"):
        found = diagnose(broken, convert(tmp_path / f"b{asked}", broken, "gguf", asked))
        defects = [item for item in found.findings if item.kind is CauseKind.DEFECT]
        assert [(item.id, item.tensors) for item in defects] == [("DTYPE-008", (UP,))]
        assert found.unexplained == ()


def test_subnormals_lost_are_no_defect(tmp_path: Path, sources: dict[str, Path]) -> None:
    found = diagnose(sources["f16"], convert(tmp_path, sources["f16"], "gguf", None, planted_items("DTYPE-003")))
    assert [(item.id, item.kind) for item in found.findings] == [("DTYPE-003", CauseKind.CLEARS)]
    assert found.verdict == "within-budget"


def planted_items(*ordered: str) -> list[Plant]:
    return [plants.parse(item) for item in ordered]


def test_a_loss_nobody_asked_for(tmp_path: Path, sources: dict[str, Path]) -> None:
    result = convert(tmp_path, sources["f32"], "gguf", None, planted_items(f"DTYPE-007:{UP}"))
    for asked in ("", None):
        found = diagnose(sources["f32"], result, asked=asked)
        assert [(item.id, item.tensors) for item in found.findings] == [("DTYPE-007", (UP,))]


@pytest.mark.parametrize(("asked", "before"), [("q4_0", "Q4_1"), ("q8_0", "Q5_1")])
def test_a_second_quantization_is_seen_within_budget_and_beyond(
    tmp_path: Path, sources: dict[str, Path], asked: str, before: str
) -> None:
    result = convert(tmp_path, sources["f32"], "gguf", asked, planted_items("DTYPE-006:layer=1"))
    found = diagnose(sources["f32"], result, asked=asked)
    (twice,) = (item for item in found.findings if item.id == "DTYPE-006")
    assert twice.explained == 7
    assert all(".layers.1." in name for name in twice.tensors)
    assert any(before in words for words in twice.evidence_for)


def test_quantizing_what_was_quantized_is_told_from_two_quantizations_of_one_source(
    tmp_path: Path, sources: dict[str, Path]
) -> None:
    eight = convert(tmp_path / "8", sources["f32"], "gguf", "q8_0")
    of_eight = convert(tmp_path / "84", eight, "gguf", "q4_0")
    of_source = convert(tmp_path / "4", sources["f32"], "gguf", "q4_0")
    assert twice(eight, of_eight) == {True}
    assert twice(eight, of_source) == {False}
    assert twice(sources["f32"], of_source) == {False}


def twice(a: Path, b: Path) -> set[bool]:
    trusted = canonical(open_checkpoint(a))
    result = canonical(open_checkpoint(b), trusted=trusted)
    pairs = [pair for pair in match(trusted, result)[0] if pair.b.dtype in grids.TOP]
    assert pairs
    return {grids.quantized_twice(trusted, result, pair) is not None for pair in pairs}


@recorded
def test_a_published_converter_s_second_quantization() -> None:
    new, source = FILES / "0.72.3", FILES / "source"
    assert twice(new / "llama-256-q4_k.g.apr", new / "llama-256-q4_k.g.a.gguf") == {True}
    assert twice(source / "llama-256-f32", new / "llama-256-f32.s.gguf") == {False}
    assert twice(source / "llama-256-f32", source / "llama-256-q4_k.gguf") == {False}
    assert twice(source / "llama-256-q8_0.gguf", source / "llama-256-q4_k.gguf") == {False}


def test_a_source_read_beside_its_offset(tmp_path: Path, sources: dict[str, Path]) -> None:
    a = convert(tmp_path / "a", sources["f32"], "gguf", "q8_0")
    info = open_checkpoint(a).tensors["blk.0.ffn_up.weight"]
    data = np.fromfile(a, np.uint8)[info.offset - 16 : info.offset - 16 + info.nbytes]

    def change(draft, _):
        shifted = lambda: blocks.decode("Q8_0", data).reshape(info.shape)  # noqa: E731
        return each(draft, lambda t: t.hf == UP, lambda t: dataclasses.replace(t, values=shifted, packed=None))

    wrong = Plant(cause="FILE-003", where="", change=change, after=None)
    found = explained(a, convert(tmp_path / "b", a, "safetensors", None, [wrong]))
    assert found.causes == {UP: ("FILE-003",)}
    assert found.labels == {"source was read 16 bytes before its offset"}
