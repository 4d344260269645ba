"""Planted defects are named, with exactly the tensors that were hit; what cannot be told apart is not claimed."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from bot.formats import open_checkpoint
from bot.formats.view import canonical
from bot.records import CauseKind, Confidence, Finding
from bot.toolchains import conversion, specimen
from bot.toolchains.plants import parse
from bot.triage.investigate import Diagnosis, diagnose

SUFFIX = {"gguf": ".gguf", "apr": ".apr", "safetensors": ".safetensors"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder a specimen, and each of them as GGUF."""
    folder = tmp_path_factory.mktemp("models")
    for name in specimen.ARCHITECTURES:
        conversion.convert(specimen.write(folder / name, name), folder / f"{name}.gguf")
    return folder


def planted(
    source: Path, folder: Path, fmt: str, plants: Sequence[str], dtype: str | None = None
) -> tuple[Diagnosis, set[str]]:
    """Diagnose a conversion with plants; return that and the tensors which the plants changed."""
    paths = []
    for name, ordered in (("clean", ()), ("planted", plants)):
        (folder / name).mkdir(exist_ok=True)
        paths.append(folder / name / f"model{SUFFIX[fmt]}")
        conversion.convert(source, paths[-1], dtype=dtype, plants=[parse(text) for text in ordered])
    trusted = canonical(open_checkpoint(source))
    clean, wrong = (canonical(open_checkpoint(path), trusted=trusted) for path in paths)
    hit = {
        name for name, slot in clean.tensors.items()
        if slot.shape != wrong.tensors[name].shape or not np.array_equal(clean.values(name), wrong.values(name))
    }  # fmt: skip
    return diagnose(source, paths[1], asked=dtype or ""), hit


def defects(found: Diagnosis) -> list[Finding]:
    return [finding for finding in found.findings if finding.kind is CauseKind.DEFECT]


# source, target, plant, element type asked for
SINGLE = [
    tuple(case.split())
    for case in """
    llama gguf ROPE-001 -
    llama.gguf safetensors ROPE-001 -
    llama.gguf apr ROPE-001 -
    llama gguf ROPE-001 q4_0
    llama gguf ROPE-002 q8_0
    llama.gguf safetensors ROPE-002 -
    llama gguf ROPE-003 -
    qwen2 gguf ROPE-003 q8_0
    phi3 gguf ROPE-003 -
    llama apr LAYOUT-001 -
    llama gguf LAYOUT-001 q8_0
    mixtral.gguf safetensors LAYOUT-002 -
    llama gguf LAYOUT-002 q4_0
    phi3 gguf LAYOUT-003 q8_0
    phi3.gguf apr LAYOUT-004 -
    mixtral gguf LAYOUT-005 q8_0
    mixtral.gguf safetensors LAYOUT-005 -
    qwen2 gguf LAYOUT-006 q4_0
    llama gguf LAYOUT-007 -
    llama safetensors LAYOUT-010 -
    llama gguf NAME-004 q4_0
    llama gguf NAME-006 -
    llama gguf NAME-006:k_proj q8_0
    phi3.gguf safetensors NAME-006 -
    gemma3_text gguf VALUE-001 -
    gemma3_text.gguf safetensors VALUE-001 -
    llama gguf VALUE-003 q8_0
    llama gguf VALUE-005 -
    llama gguf VALUE-006 -
    llama gguf VALUE-007 -
    llama gguf VALUE-008 q4_0
    llama gguf VALUE-010 q4_0
    gemma3_text gguf ARCH-003 -
    llama gguf ROPE-001:layer=1 -
    llama gguf ROPE-001:q_proj,layer=0,head=2 -
    llama gguf LAYOUT-002:layer=0,down_proj q8_0
    llama gguf VALUE-008:k_proj,head=1,layer=1 -
    llama gguf VALUE-003:v_proj,head=0 -
    qwen2 gguf VALUE-008:v_proj,head=0 -
    mixtral gguf FILE-003 q8_0
    mixtral.gguf safetensors NAME-004 -
    qwen2 apr FILE-003 bf16
    gemma3_text.gguf apr FILE-003 -
    """.strip().splitlines()
]


@pytest.mark.parametrize(("source", "fmt", "plant", "dtype"), SINGLE)
def test_a_planted_cause_is_named_with_exactly_the_tensors_it_hit(
    models: Path, tmp_path: Path, source: str, fmt: str, plant: str, dtype: str
) -> None:
    found, hit = planted(models / source, tmp_path, fmt, [plant], None if dtype == "-" else dtype)
    named = defects(found)
    assert [finding.id for finding in named][:1] == [plant.partition(":")[0]]
    assert set(named[0].tensors) == hit
    assert named[0].explained == named[0].suspect == len(hit)
    assert not found.unexplained
    assert named[0].residual_after is not None
    # nothing else changes how many rows there are
    assert named[0].refuted or plant == "LAYOUT-007"


@pytest.mark.parametrize(
    ("source", "fmt", "plants", "dtype"),
    [
        ("llama", "gguf", ["ROPE-001", "LAYOUT-002:mlp"], None),
        ("llama", "gguf", ["NAME-006:layer=0", "VALUE-003", "ROPE-003:layer=1"], "q8_0"),
        # on one tensor
        ("llama", "gguf", ["ROPE-001", "LAYOUT-001"], None),
        ("llama.gguf", "safetensors", ["ROPE-001", "VALUE-003:q_proj"], None),
        ("llama", "gguf", ["NAME-004", "LAYOUT-002"], "q8_0"),
        ("llama", "gguf", ["NAME-004", "ROPE-001"], None),
        ("mixtral", "gguf", ["LAYOUT-005", "LAYOUT-002"], None),
        ("llama", "gguf", ["LAYOUT-002:down_proj", "VALUE-010:down_proj"], None),
    ],
)
def test_causes_planted_together_are_all_named(
    models: Path, tmp_path: Path, source: str, fmt: str, plants: list[str], dtype: str | None
) -> None:
    found, hit = planted(models / source, tmp_path, fmt, plants, dtype)
    named = defects(found)
    assert {finding.id for finding in named} == {plant.partition(":")[0] for plant in plants}
    assert set().union(*(finding.tensors for finding in named)) == hit


@pytest.mark.parametrize("dtype", [None, "f16", "bf16", "q8_0", "q4_0"])
@pytest.mark.parametrize("name", sorted(specimen.ARCHITECTURES))
def test_a_right_conversion_has_no_defect(models: Path, tmp_path: Path, name: str, dtype: str | None) -> None:
    found, hit = planted(models / name, tmp_path, "gguf", [], dtype)
    assert not hit
    assert defects(found) == []
    assert found.verdict in {"equal", "within-budget"}


def bare(folder: Path, name: str, tensors: dict[str, np.ndarray]) -> Path:
    """A SafeTensors file of an architecture nobody knows."""
    path = folder / f"{name}.safetensors"
    save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, path)
    return path


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def test_rows_that_resemble_their_neighbours_are_shifted_all_the_same(tmp_path: Path) -> None:
    """Rows before the first plainly wrong one belong to the shift."""
    rows = random(256, 64)
    rows[12:24] = rows[12] + 0.2 * rows[12:24]
    moved = np.concatenate([rows[:16], rows[17:], rows[-1:]])
    other = random(64, 64, seed=1)
    a = bare(tmp_path, "a", {"model.embed_tokens.weight": rows, "model.layers.0.w.weight": other})
    b = bare(tmp_path, "b", {"model.embed_tokens.weight": moved, "model.layers.0.w.weight": other})
    named = defects(diagnose(a, b))
    assert [finding.id for finding in named] == ["LAYOUT-006"]
    assert named[0].evidence_for[0].startswith("rows from 16 on shifted by 1")


def test_a_tensor_that_begins_right_lies_in_its_place(tmp_path: Path) -> None:
    """Its later rows stand where a reading beside the offset would put them; its first ones do not."""
    rows = random(256, 64)
    moved = np.concatenate([rows[:16], rows[17:], rows[-1:]])
    a = bare(tmp_path, "a", {"m.layers.0.w.weight": rows, "m.layers.0.z.weight": random(64, 64, seed=1)})
    b = bare(tmp_path, "b", {"m.layers.0.w.weight": moved, "m.layers.0.z.weight": random(64, 64, seed=1)})
    assert not {finding.id for finding in defects(diagnose(a, b))} & {"FILE-003", "FILE-004"}


def test_a_square_matrix_alone_cannot_tell_a_transpose_from_its_rival(tmp_path: Path) -> None:
    square, other = random(64, 64), random(64, 64, seed=1)
    a = bare(tmp_path, "a", {"m.layers.0.w.weight": square, "m.layers.0.v.weight": other})
    b = bare(tmp_path, "b", {"m.layers.0.w.weight": square.T, "m.layers.0.v.weight": other})
    named = defects(diagnose(a, b))
    assert [finding.id for finding in named] == ["LAYOUT-002"] or [finding.id for finding in named] == ["LAYOUT-010"]
    assert named[0].confidence is Confidence.MEDIUM


def test_what_is_symmetric_or_constant_confirms_nothing(tmp_path: Path) -> None:
    wide = random(64, 64)
    tensors = {"m.layers.0.s.weight": wide + wide.T, "m.layers.0.c.weight": np.full((64, 32), 0.5, np.float32)}
    a = bare(tmp_path, "a", {**tensors, "m.layers.0.w.weight": random(32, 64)})
    b = bare(
        tmp_path, "b",
        {"m.layers.0.s.weight": (wide + wide.T).T, "m.layers.0.c.weight": tensors["m.layers.0.c.weight"].T,
         "m.layers.0.w.weight": random(32, 64).T},
    )  # fmt: skip
    named = {finding.id: finding for finding in defects(diagnose(a, b))}
    # the constant's shape is turned, and both ways to turn it have one effect on it
    assert set(named["LAYOUT-002"].tensors) == {"m.layers.0.w.weight", "m.layers.0.c.weight"}
    assert "m.layers.0.s.weight" not in named["LAYOUT-002"].tensors


@pytest.mark.parametrize("size", [1e-3, 0.05, 0.3, 1.4])
def test_the_size_of_a_difference_is_no_cause(tmp_path: Path, size: float) -> None:
    tensors = {f"m.layers.{i}.w.weight": random(64, 96, seed=i) for i in range(3)}
    copied = {f"m.layers.{i}.v.weight": random(64, 96, seed=10 + i) for i in range(9)}
    a = bare(tmp_path, "a", {**tensors, **copied})
    noisy = {key: value + size * random(64, 96, seed=99) for key, value in tensors.items()}
    found = diagnose(a, bare(tmp_path, "b", {**noisy, **copied}))
    assert [finding.id for finding in defects(found)] == ["UNKNOWN-001"]
    assert set(found.unexplained) == set(tensors)


@pytest.mark.parametrize(
    ("cause", "kind", "before", "after"),
    [
        ("LAYOUT-008", "conv1d.weight", (48, 1, 4), lambda x: x.transpose(0, 2, 1)),
        ("LAYOUT-008", "conv1d.weight", (48, 3, 4), lambda x: np.ascontiguousarray(x.transpose(2, 0, 1))),
        ("VALUE-002", "mixer.A_log", (48, 16), lambda x: -np.exp(x)),
        ("VALUE-002", "mixer.A_log", (48, 16), None),
    ],
)
def test_causes_of_architectures_without_a_table(
    tmp_path: Path, cause: str, kind: str, before: tuple[int, ...], after: object
) -> None:
    x = random(*before)
    if after is None:
        x, y = -np.exp(x), x
    else:
        y = after(x)  # type: ignore[operator]
    rest = {"m.layers.0.w.weight": random(64, 96)}
    a, b = (bare(tmp_path, side, {f"m.layers.0.{kind}": value, **rest}) for side, value in (("a", x), ("b", y)))
    assert [finding.id for finding in defects(diagnose(a, b))] == [cause]


def test_padding_of_the_vocabulary_clears_and_the_loss_of_tokens_does_not(models: Path, tmp_path: Path) -> None:
    source = canonical(open_checkpoint(models / "llama"))
    for rows, kind in ((352, CauseKind.CLEARS), (312, CauseKind.DEFECT)):
        folder = tmp_path / str(rows)
        folder.mkdir()
        draft = conversion.draft_of(source, "safetensors", None)

        def resized(values: np.ndarray, rows: int = rows) -> np.ndarray:
            out = np.zeros((rows, values.shape[1]), np.float32)
            out[: len(values)] = values[:rows]
            return out

        tensors = tuple(
            dataclasses.replace(t, shape=(rows, t.shape[1]), values=lambda t=t: resized(t.values()), packed=None)
            if t.name.endswith(("embed_tokens.weight", "lm_head.weight")) else t
            for t in draft.tensors
        )  # fmt: skip
        config = {**json.loads(draft.folder["config.json"]), "vocab_size": rows}
        draft = dataclasses.replace(draft, tensors=tensors, folder={**draft.folder, "config.json": json.dumps(config)})
        conversion.write(draft, folder / "model.safetensors")
        found = {finding.id: finding for finding in diagnose(models / "llama", folder / "model.safetensors").findings}
        assert found["LAYOUT-007"].kind is kind
        assert len(found["LAYOUT-007"].tensors) == 2


@pytest.mark.parametrize(("readers", "kind"), [("qkv", CauseKind.CLEARS), ("qk", CauseKind.DEFECT)])
def test_a_norm_folded_into_all_its_readers_clears(models: Path, tmp_path: Path, readers: str, kind: CauseKind) -> None:
    source = canonical(open_checkpoint(models / "llama"))
    norm = source.values("model.layers.0.input_layernorm.weight")
    scales = {f"model.layers.0.self_attn.{reader}_proj.weight": norm for reader in readers}
    scales["model.layers.0.input_layernorm.weight"] = 1 / norm
    draft = conversion.draft_of(source, "safetensors", None)
    tensors = tuple(
        dataclasses.replace(t, values=lambda t=t: t.values() * scales[t.name], packed=None) if t.name in scales else t
        for t in draft.tensors
    )
    conversion.write(dataclasses.replace(draft, tensors=tensors), tmp_path / "model.safetensors")
    done = diagnose(models / "llama", tmp_path / "model.safetensors")
    found = {finding.id: finding for finding in done.findings}
    assert found["VALUE-007"].kind is kind
    assert set(scales) == {name for finding in found.values() for name in finding.tensors}
    assert done.verdict == ("within-budget" if kind is CauseKind.CLEARS else "faulty")
