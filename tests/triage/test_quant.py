"""Defects of quantized blocks: each is named on the very tensors it hit, and on nothing else."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tiny
from triage.planted import Outcome, convert, explained, planted

from bot.formats import blocks, open_checkpoint
from bot.records import CauseKind
from bot.toolchains.plants import Plant
from bot.toolchains.plants.each import each, revalued
from bot.toolchains.plants.quant import q4_k
from bot.triage.experiments import codes, schemes
from bot.triage.investigate import diagnose

FILES = Path(__file__).parents[3] / "shared" / "apr" / "files"
recorded = pytest.mark.skipif(not FILES.is_dir(), reason="recorded conversions are not beside the repository")
WIDE = {"hidden_size": 256, "intermediate_size": 256, "num_attention_heads": 4, "num_key_value_heads": 2}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.hf(tmp_path_factory.mktemp("hf") / "llama", "llama")


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF of Q4_K, Q6_K in one layer: packed bytes that a conversion copies."""
    formats = pytest.importorskip("formats.ggml", reason="needs llama.cpp's quantizers")
    folder = tmp_path_factory.mktemp("k")
    hf = tiny.hf(folder / "hf", "llama", **WIDE)

    def change(draft, _):
        def packed(tensor):
            if not tensor.is_matrix:
                return None
            kind, number = ("Q6_K", 14) if "layers.1" in tensor.hf else ("Q4_K", 12)
            size = blocks.nbytes(kind, tensor.shape)
            values = np.ascontiguousarray(tensor.values())
            encoded = formats.quantize(number, values, size)
            return dataclasses.replace(tensor, dtype=kind, packed=lambda: encoded)

        return each(draft, lambda _: True, packed)

    return convert(folder, hf, "gguf", None, [Plant(cause="QUANT-008", where="", change=change, after=None)])


def only(outcome: Outcome, *causes: str) -> None:
    """Every tensor that was hit has these causes, and no other tensor has any."""
    assert outcome.hit, "the plant did nothing"
    assert outcome.causes == dict.fromkeys(outcome.causes, causes)
    assert set(outcome.causes) == outcome.hit


@pytest.mark.parametrize("dtype", sorted(codes.FIELDS))
def test_blocks_put_together_rightly_are_what_the_decoder_gives(dtype: str) -> None:
    raw = np.random.default_rng(7).integers(0, 256, (64, blocks.TYPES[dtype].nbytes), dtype=np.uint8)
    found = codes.together(dtype, raw, codes.Scheme()).reshape(-1)
    np.testing.assert_array_equal(found, blocks.decode(dtype, raw))


@pytest.mark.parametrize("dtype", sorted(codes.FIELDS))
def test_no_two_mistakes_are_the_same(dtype: str) -> None:
    rng = np.random.default_rng(3)
    raw = rng.integers(0, 256, (8, blocks.TYPES[dtype].nbytes), dtype=np.uint8)
    for at in {"Q6_K": (208,), "Q2_K": (80, 82), "Q4_0": (0,), "Q5_0": (0,), "Q8_0": (0,)}.get(dtype, (0, 2)):
        raw[:, at : at + 2] = rng.uniform(0.01, 0.05, (8, 1)).astype(np.float16).view(np.uint8)
    seen = {codes.together(dtype, raw, codes.Scheme()).tobytes(): "right"}
    for scheme in schemes.schemes(dtype):
        found = codes.together(dtype, raw, scheme).tobytes()
        assert found not in seen, f"{scheme.label} is {seen[found]}"
        seen[found] = scheme.label


@pytest.mark.parametrize("dtype", sorted(codes.FIELDS))
def test_single_elements_are_those_of_whole_blocks(dtype: str) -> None:
    kind, random = blocks.TYPES[dtype], np.random.default_rng(1)
    raw = random.integers(0, 256, (9, kind.nbytes), np.uint8)
    places = random.integers(0, len(raw), 50), random.integers(0, kind.elements, 50)
    for scheme in (codes.Scheme(), *schemes.schemes(dtype)):
        whole = codes.together(dtype, raw, scheme)
        np.testing.assert_array_equal(codes.together(dtype, raw, scheme, places), whole[places], err_msg=scheme.label)


@pytest.mark.parametrize(
    ("dtype", "cause"),
    [
        ("q4_0", "QUANT-001"), ("q4_0", "QUANT-002"), ("q4_0", "QUANT-003"), ("q4_0", "QUANT-004"),
        ("q4_0", "QUANT-005"), ("q4_0", "QUANT-006"), ("q4_1", "QUANT-001"), ("q4_1", "QUANT-002"),
        ("q5_0", "QUANT-001"), ("q5_1", "QUANT-002"), ("q8_0", "QUANT-003"), ("q8_0", "QUANT-004"),
        ("q8_0", "QUANT-006"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_gguf_is_named(tmp_path: Path, source: Path, dtype: str, cause: str) -> None:
    only(planted(tmp_path, source, "gguf", dtype, cause), cause)


@pytest.mark.parametrize(
    ("target", "cause"), [("gguf", "QUANT-001"), ("apr", "QUANT-002"), ("gguf", "QUANT-006"), ("apr", "QUANT-006")]
)
def test_a_mistake_in_copied_k_blocks_is_named(tmp_path: Path, wide: Path, target: str, cause: str) -> None:
    only(planted(tmp_path, wide, target, None, f"{cause}:layer=0"), cause)


def test_a_mistake_in_one_tensor_is_that_tensor_s(tmp_path: Path, source: Path) -> None:
    found = planted(tmp_path, source, "gguf", "q8_0", "QUANT-003:*layers.1*up_proj*")
    assert found.causes == {"model.layers.1.mlp.up_proj.weight": ("QUANT-003",)}


def test_padding_of_apr_rows_overlooked(tmp_path: Path, source: Path) -> None:
    only(planted(tmp_path, source, "apr", None, "QUANT-007:layer=0"), "QUANT-007")


@pytest.mark.parametrize(
    ("ordered", "pairs"),
    [
        (("QUANT-001", "LAYOUT-001"), {("QUANT-001", "LAYOUT-001"), ("QUANT-001",)}),
        (("QUANT-001", "ROPE-001"), {("QUANT-001", "ROPE-001"), ("QUANT-001",)}),
        (("QUANT-002:layer=0", "QUANT-003:layer=1"), {("QUANT-002",), ("QUANT-003",)}),
    ],
)
def test_two_mistakes_are_both_named(
    tmp_path: Path, source: Path, ordered: tuple[str, ...], pairs: set[tuple[str, ...]]
) -> None:
    found = planted(tmp_path, source, "gguf", "q4_0", *ordered)
    assert set(found.causes.values()) == pairs
    assert set(found.causes) == found.hit


@pytest.mark.parametrize("dtype", ["q8_0", "q5_0", "q4_0"])
def test_rows_left_in_the_wrong_order_are_found_under_a_right_quantization(
    tmp_path: Path, source: Path, dtype: str
) -> None:
    only(planted(tmp_path, source, "gguf", dtype, "ROPE-001"), "ROPE-001")


def test_a_source_read_with_its_zero_half_a_step_off(tmp_path: Path, source: Path) -> None:
    quantized = convert(tmp_path / "a", source, "gguf", "q4_0")
    checkpoint = open_checkpoint(quantized)
    steps = {name: checkpoint.raw(name).reshape(-1, 18)[:, :2].copy().view(np.float16)
             for name, info in checkpoint.tensors.items() if info.dtype == "Q4_0"}  # fmt: skip

    def change(draft, _):
        def shifted(tensor):
            d = steps.get("blk.1.ffn_up.weight") if tensor.hf == "model.layers.1.mlp.up_proj.weight" else None
            if d is None:
                return None
            half = np.repeat(d.astype(np.float32), 32).reshape(tensor.shape) / 2
            return revalued(tensor, lambda values: values + half)

        return each(draft, lambda _: True, shifted)

    wrong = Plant(cause="QUANT-003", where="", change=change, after=None)
    result = convert(tmp_path / "b", quantized, "safetensors", None, [wrong])
    found = explained(quantized, result)
    assert found.causes == {"model.layers.1.mlp.up_proj.weight": ("QUANT-003",)}
    assert found.labels == {"source read with zero point 7.5 instead of 8"}


@pytest.mark.parametrize("dtype", ["q8_0", "q4_0", "q5_1", "f16", "bf16"])
def test_a_right_conversion_is_cleared(tmp_path: Path, source: Path, dtype: str) -> None:
    found = diagnose(source, convert(tmp_path, source, "gguf", dtype))
    assert [(item.id, item.kind) for item in found.findings] == [("QUANT-008", CauseKind.CLEARS)]
    assert found.verdict == "within-budget"
    assert found.findings[0].explained == 16


def test_copies_and_widened_blocks_are_equal(tmp_path: Path, wide: Path) -> None:
    for target in ("gguf", "apr", "safetensors"):
        found = explained(wide, convert(tmp_path / target, wide, target, None))
        assert found.causes == {}


def test_transposed_then_quantized_to_padded_rows(tmp_path: Path, source: Path) -> None:
    """What the seed's report was about: two mistakes' worth of difference, one of which is none."""

    def change(draft, _):
        def made(tensor):
            if tensor.hf != "model.layers.0.mlp.up_proj.weight":
                return None
            rows = tensor.values().reshape(tensor.shape[::-1]).T
            padded = np.zeros((rows.shape[0], -(-rows.shape[1] // 256) * 256), np.float32)
            padded[:, : rows.shape[1]] = rows
            encoded = q4_k(padded.reshape(-1, 256)).reshape(-1)
            return dataclasses.replace(tensor, dtype="Q4_K", packed=lambda: encoded, size=encoded.size)

        return each(draft, lambda _: True, made)

    wrong = Plant(cause="LAYOUT-002", where="", change=change, after=None)
    found = explained(source, convert(tmp_path, source, "apr", None, [wrong]))
    assert found.causes == {"model.layers.0.mlp.up_proj.weight": ("LAYOUT-002",)}


@recorded
def test_a_published_converter_s_decoding_is_reproduced_bit_for_bit() -> None:
    """apr-cli 0.2.11: nibbles side by side, scales by a rule of its own, Q6_K in the order of its bytes."""
    a = open_checkpoint(FILES / "source" / "llama-256-q4_k.gguf")
    b = open_checkpoint(FILES / "0.2.11" / "llama-256-q4_k.g.apr")
    wrong = {
        "Q4_K": "nibbles of a byte side by side; top bits of the scales taken for minima",
        "Q6_K": "codes in the order of the bytes",
    }
    seen = set()
    for name, info in a.tensors.items():
        if info.dtype not in wrong:
            continue
        (scheme,) = (item for item in schemes.schemes(info.dtype) if item.label == wrong[info.dtype])
        raw = a.raw(name).reshape(-1, blocks.TYPES[info.dtype].nbytes)
        found = codes.together(info.dtype, raw, scheme).reshape(-1)
        np.testing.assert_array_equal(found, b.values(name).reshape(-1))
        seen.add(info.dtype)
    assert seen == set(wrong)
