"""A plant commits its defect where it was told to, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest

from bot.errors import UserError
from bot.formats import open_checkpoint
from bot.formats.view import View, canonical, pair_rows
from bot.toolchains import conversion, specimen
from bot.toolchains.plants import NothingToPlantError, parse, parse_all
from bot.toolchains.plants.where import Where, chosen

Q, K, V = (f"model.layers.{{i}}.self_attn.{part}_proj.weight" for part in "qkv")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return specimen.write(tmp_path_factory.mktemp("models") / "llama", "llama")


def convert(source: Path, target: Path, *plants: str, dtype: str | None = None) -> tuple[View, View]:
    """The trusted side and the planted one, both by Hugging Face names."""
    target.parent.mkdir(exist_ok=True)
    conversion.convert(source, target, dtype=dtype, plants=[parse(text) for text in plants])
    a = canonical(open_checkpoint(source))
    return a, canonical(open_checkpoint(target), trusted=a)


def changed(a: View, b: View) -> set[str]:
    return {name for name in a.tensors if not np.array_equal(a.values(name), b.values(name))}


@pytest.mark.parametrize(
    ("where", "hit"),
    [
        ("", {Q.format(i=0), K.format(i=0), Q.format(i=1), K.format(i=1)}),
        ("layer=1", {Q.format(i=1), K.format(i=1)}),
        ("layers=0-1,k_proj", {K.format(i=0), K.format(i=1)}),
        ("model.layers.0.self_attn.q*", {Q.format(i=0)}),
    ],
)
def test_where_narrows_a_plant(llama: Path, tmp_path: Path, where: str, hit: set[str]) -> None:
    assert changed(*convert(llama, tmp_path / "m.gguf", f"ROPE-001:{where}" if where else "ROPE-001")) == hit


def test_a_head_is_its_own_rows_only(llama: Path, tmp_path: Path) -> None:
    name = Q.format(i=0)
    a, b = convert(llama, tmp_path / "m.gguf", "VALUE-008:q_proj,layer=0,head=2")
    # read in the source's order again, the head's rows are where they were
    rows = np.flatnonzero((a.values(name) != b.values(name)).any(axis=1))
    assert rows.tolist() == list(range(2 * specimen.WIDTH, 3 * specimen.WIDTH))
    assert not b.values(name)[rows].any()


def test_rows_that_did_not_move_are_the_sources_own(llama: Path, tmp_path: Path) -> None:
    a, b = convert(llama, tmp_path / "m.gguf", "ROPE-001")
    stored = b.checkpoint.values("blk.0.attn_k.weight")
    assert np.array_equal(stored, a.values(K.format(i=0)))
    back, _ = convert(tmp_path / "m.gguf", tmp_path / "back" / "m.safetensors")
    assert np.array_equal(back.checkpoint.values("blk.0.attn_k.weight"), stored)


def test_moved_twice_and_by_the_query_heads(llama: Path, tmp_path: Path) -> None:
    right, wrong = (np.argsort(pair_rows(specimen.KEYS * specimen.WIDTH, n)) for n in (specimen.KEYS, specimen.HEADS))
    a, b = convert(llama, tmp_path / "m.gguf", "ROPE-003:k_proj,layer=0", "ROPE-002:layer=1")
    k0, k1 = (a.values(K.format(i=i)) for i in (0, 1))
    assert np.array_equal(b.checkpoint.values("blk.0.attn_k.weight"), k0[right][right])
    assert np.array_equal(b.checkpoint.values("blk.1.attn_k.weight"), k1[wrong])
    assert Q.format(i=1) not in changed(a, b)  # q has as many heads as q has


def test_row_moves_keep_quantized_bytes(llama: Path, tmp_path: Path) -> None:
    """Moved packed: not one block is encoded again."""
    for name, plants in (("right", ()), ("wrong", ("ROPE-003",))):
        (tmp_path / name).mkdir()
        conversion.convert(llama, tmp_path / name / "m.gguf", dtype="q8_0", plants=[parse(text) for text in plants])
    quantized, again = tmp_path / "right" / "m.gguf", tmp_path / "again.gguf"
    conversion.convert(quantized, again, plants=[parse("ROPE-003")])
    for tensor in ("blk.0.attn_q.weight", "blk.0.attn_k.weight"):
        one, other = (open_checkpoint(path).raw(tensor).reshape(-1, 68) for path in (quantized, again))
        assert not np.array_equal(one, other)
        assert sorted(map(bytes, one)) == sorted(map(bytes, other))


def test_reversed_dimensions_leave_the_bytes_alone(llama: Path, tmp_path: Path) -> None:
    a, b = convert(llama, tmp_path / "m.apr", "LAYOUT-001:v_proj")
    name = V.format(i=1)
    assert b.tensors[name].shape == a.tensors[name].shape[::-1]
    assert np.array_equal(b.values(name).ravel(), a.values(name).ravel())


def test_layers_and_tensors_change_places(llama: Path, tmp_path: Path) -> None:
    a, b = convert(llama, tmp_path / "m.safetensors", "NAME-004:mlp", "NAME-006:v_proj,layer=0")
    up, gate = "model.layers.{i}.mlp.up_proj.weight", "model.layers.{i}.mlp.gate_proj.weight"
    assert np.array_equal(b.values(up.format(i=0)), a.values(up.format(i=1)))
    assert np.array_equal(b.values(gate.format(i=1)), a.values(gate.format(i=0)))
    assert np.array_equal(b.values(V.format(i=0)), a.values(K.format(i=0)))
    assert np.array_equal(b.values(V.format(i=1)), a.values(V.format(i=1)))


def test_what_is_not_there_cannot_be_planted(llama: Path, tmp_path: Path) -> None:
    for plant in ("LAYOUT-003", "LAYOUT-005", "ARCH-003", "ROPE-001:layer=7", "VALUE-008:q_proj,head=9"):
        with pytest.raises(NothingToPlantError):
            convert(llama, tmp_path / "m.gguf", plant)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="cannot be planted"):
        parse("ROPE-999")


def test_plants_are_committed_in_the_order_of_a_converter(llama: Path, tmp_path: Path) -> None:
    """Rows move before they are encoded, and blocks are there before they are called something else."""
    for name, plants in (("one", ("LAYOUT-006", "DTYPE-005")), ("other", ("DTYPE-005", "LAYOUT-006"))):
        convert(llama, tmp_path / f"{name}.gguf", *plants, dtype="q8_0")
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "other.gguf").read_bytes()


def test_plants_that_shut_each_other_out_are_refused(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="DTYPE-005 and QUANT-007 cannot be planted together"):
        parse_all(["DTYPE-005", "QUANT-007"])
    assert len(parse_all(["DTYPE-005:layer=0", "QUANT-007:layer=1"])) == 2
    # what is found out only while writing is told the same way, and nothing stays behind
    with pytest.raises(UserError, match="DTYPE-005 and QUANT-007:layers=0-1 cannot be planted together"):
        convert(llama, tmp_path / "m.apr", "DTYPE-005", "QUANT-007:layers=0-1")
    assert list(tmp_path.iterdir()) == []


def test_terms_of_where() -> None:
    name = "model.layers.12.mlp.up_proj.weight"
    assert chosen(name, "") and chosen(name, "layers=2-12") and chosen(name, "up_proj,layer=12,head=3")
    assert (
        not chosen(name, "layer=1") and not chosen(name, "up_proj,layer=2") and not chosen("lm_head.weight", "layer=0")
    )
    assert Where("up_proj,head=3").head == 3
    assert Where("up_proj,layer=3").head is None
