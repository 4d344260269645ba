"""Every stored element type: its size, its values on random bytes, and back."""

import gguf
import numpy as np
import pytest
from formats import ggml
from gguf import quants
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import UserError
from bot.formats import blocks, decoders

TYPES = [kind for kind in blocks.BY_ID.values() if kind.elements > 1 or kind.name == "BF16"]
# activations only: ggml decodes it nowhere, and gguf-py neither
NOWHERE = {"Q8_1"}


def random_blocks(kind: blocks.BlockType, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, count * kind.nbytes, dtype=np.uint8)


def bits(values: np.ndarray) -> np.ndarray:
    """Bit patterns; every NaN alike, since which one a multiplication gives is the processor's choice."""
    flat = np.ascontiguousarray(values, np.float32).reshape(-1)
    return np.where(np.isnan(flat), np.uint32(0x7FC00000), flat.view(np.uint32))


def test_every_type_of_gguf_is_known() -> None:
    assert {kind.name for kind in gguf.GGMLQuantizationType} <= set(blocks.TYPES)
    assert {int(kind) for kind in gguf.GGMLQuantizationType} <= set(blocks.BY_ID)


@pytest.mark.tools
def test_sizes_are_those_of_ggml() -> None:
    assert {k.name: (k.elements, k.nbytes) for k in blocks.BY_ID.values()} == {
        k.name: ggml.type_size(k.ggml_id or 0) for k in blocks.BY_ID.values()
    }


@pytest.mark.tools
@pytest.mark.parametrize("kind", [k for k in TYPES if k.name not in NOWHERE | {"BF16"}], ids=lambda k: k.name)
def test_values_are_those_of_ggml_bit_for_bit(kind: blocks.BlockType) -> None:
    raw = random_blocks(kind, 5000)
    got = blocks.decode(kind.name, raw)
    want = ggml.dequantize(kind.name.lower().replace("_k", "_K"), raw, got.size)
    assert np.isfinite(want).mean() > 0.9
    assert np.array_equal(bits(got), bits(want))


@pytest.mark.parametrize("kind", TYPES, ids=lambda k: k.name)
def test_values_are_those_of_gguf_py_bit_for_bit(kind: blocks.BlockType) -> None:
    raw = random_blocks(kind, 700, seed=1)
    try:
        with np.errstate(all="ignore"):
            want = quants.dequantize(raw.reshape(1, -1), gguf.GGMLQuantizationType(kind.ggml_id))
    except (NotImplementedError, ValueError):
        assert kind.name in decoders.DECODERS, "neither gguf-py nor we decode it"
        return
    assert np.array_equal(bits(blocks.decode(kind.name, raw)), bits(want))


def test_q8_1_is_its_scale_times_its_codes() -> None:
    raw = np.zeros(36, np.uint8)
    raw[:4] = np.array([0.5, 99.0], "<f2").view(np.uint8)
    raw[4:] = np.arange(-16, 16, dtype=np.int8).view(np.uint8)
    assert np.array_equal(blocks.decode("Q8_1", raw), np.arange(-16, 16, dtype=np.float32) / 2)


def test_groups_meet_without_a_seam() -> None:
    """More than one group, the last one short, equals block by block."""
    kind = blocks.TYPES["Q6_K"]
    count = 2 * blocks.GROUP // kind.elements + 3
    raw = random_blocks(kind, count, seed=2)
    one_by_one = [blocks.decode("Q6_K", block) for block in raw.reshape(count, -1)]
    assert np.array_equal(bits(blocks.decode("Q6_K", raw)), bits(np.concatenate(one_by_one)))


@pytest.mark.parametrize(("dtype", "torch_name"), [("F8_E4M3", "float8_e4m3fn"), ("F8_E5M2", "float8_e5m2")])
def test_fp8_is_torchs(dtype: str, torch_name: str) -> None:
    import torch

    every = np.arange(256, dtype=np.uint8)
    want = torch.from_numpy(every).view(getattr(torch, torch_name)).to(torch.float32).numpy()
    assert np.array_equal(bits(blocks.decode(dtype, every)), bits(want))


def test_apr_q8_is_one_scale_and_signed_bytes() -> None:
    raw = np.concatenate([np.array([0.25], "<f4").view(np.uint8), np.array([-127, 0, 1, 127], np.int8).view(np.uint8)])
    assert blocks.decode("APR_Q8", raw).tolist() == [-31.75, 0.0, 0.25, 31.75]


def test_apr_q4_interleaves_and_drops_unusable_scales() -> None:
    block = np.zeros((3, 18), np.uint8)
    block[0, :2] = np.array([2.0], "<f2").view(np.uint8)
    block[0, 2] = 0xF0  # element 0 is the low nibble, element 1 the high one
    block[1, :2] = np.array([np.inf], "<f2").view(np.uint8)
    block[2, :2] = np.array([3e-6], "<f2").view(np.uint8)  # below the smallest normal float16
    values = blocks.decode("APR_Q4", block.reshape(-1)).reshape(3, 32)
    assert values[0].tolist() == [-16.0, 14.0, *[-16.0] * 30]
    assert not values[1:].any()


@pytest.mark.parametrize("dtype", sorted(blocks.QUANTIZERS - {"F32", "F16"}))
def test_quantizers_are_ggmls_byte_for_byte(dtype: str) -> None:
    kind = blocks.TYPES[dtype]
    values = np.random.default_rng(3).normal(0, 0.02, (16, 512)).astype(np.float32)
    values[3] = 0
    encoded = blocks.encode(dtype, values)
    assert np.array_equal(encoded, quants.quantize(values, gguf.GGMLQuantizationType[dtype]).reshape(-1))
    pytest.importorskip("xllamacpp")
    assert np.array_equal(encoded, ggml.quantize(kind.ggml_id or 0, values, encoded.size))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 99))
def test_float16_and_back_rounds_to_nearest(rows: int, width: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 1, (rows, width)).astype(np.float32)
    back = blocks.decode("F16", blocks.encode("F16", values[:, ::1])).reshape(rows, width)
    assert np.array_equal(back, values.astype(np.float16).astype(np.float32))


def test_a_strided_array_is_encoded_in_its_logical_order() -> None:
    values = np.arange(64, dtype=np.float32).reshape(2, 32)
    assert np.array_equal(blocks.decode("F32", blocks.encode("F32", values.T)).reshape(32, 2), values.T)
    assert np.array_equal(blocks.encode("Q8_0", np.asfortranarray(values)), blocks.encode("Q8_0", values))


def test_what_cannot_be_said_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="no quantizer for element type Q4_K"):
        blocks.encode("Q4_K", np.zeros((1, 256), np.float32))
    with pytest.raises(UserError, match="a row of 33 does not divide into Q8_0 blocks of 32"):
        blocks.encode("Q8_0", np.zeros((1, 33), np.float32))
    with pytest.raises(UserError, match="no decoder for element type Q9_X"):
        blocks.decode("Q9_X", np.zeros(4, np.uint8))
