"""Probes on tiny models: what each measures of a right result and of wrong ones."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny

from bot.probes import ANYWHERE, PROBES
from bot.probes._base import Context
from bot.probes.services import Limits, Services, model_digest
from bot.reference.client import ChildFailure
from bot.toolchains import conversion
from bot.toolchains.plants import parse


class Files:
    """A tiny source and what is made of it, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hf = tiny.hf(folder / "hf", "llama")
        self.source = self.made("source.gguf", source=self.hf)

    def made(self, name: str, *plants: str, source: Path | None = None, dtype: str | None = None) -> Path:
        target = self.folder / name
        if not target.exists():
            origin = source or self.source
            conversion.convert(origin, target, dtype=dtype, plants=[parse(text) for text in plants])
        return target


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("probes"))


@pytest.fixture(scope="module")
def services(files: Files) -> Iterator[Services]:
    scratch = files.folder / "scratch"
    scratch.mkdir()
    made = Services(files.source, scratch, limits=Limits(timeout_s=300))
    yield made
    made.close()


def measured(kind: str, files: Files, services: Services, result: Path, source: Path | None = None) -> dict[str, Any]:
    context = Context(source=source or files.source, result=result, backend="cpu", services=services)
    return PROBES[kind](context)


@pytest.mark.parametrize("name", ["right.apr", "right"])
def test_a_right_result_differs_nowhere(files: Files, services: Services, name: str) -> None:
    result = files.made(name)
    tensors = measured("tensors", files, services, result)
    assert (tensors["compared"], tensors["equal"], tensors["differ"]) == (21, 21, 0)
    assert tensors["missing"] == tensors["unexpected"] == tensors["degenerate"] == []
    assert tensors["eps"] == 0
    assert measured("faults", files, services, result)["faults"] == []
    assert measured("metadata", files, services, result)["differ"] == []
    assert measured("tokenizer", files, services, result) == {"source": True, "texts": 6, "differ": []}
    assert measured("dtypes", files, services, result)["unasked"] == []
    names = measured("names", files, services, result)
    assert names["seen"] == 21
    assert names["misspelled"] == names["twice"] == names["unknown"] == []
    integrity = measured("integrity", files, services, result)
    assert integrity["wrong_shapes"] == []
    assert {check["part"] for check in integrity["checks"]} == {"heads", "layers", "hidden", "vocabulary"}
    assert all(check["stated"] == check["found"] for check in integrity["checks"])


def test_moved_data_is_measured_by_tensors(files: Files, services: Services) -> None:
    result = files.made("transposed.apr", "LAYOUT-002")
    tensors = measured("tensors", files, services, result)
    assert tensors["differ"] == 14  # every matrix of the layers
    assert tensors["worst_rel_rmse"] > 1
    assert tensors["eps_allowed"] == 0
    assert len(tensors["differing"]) == 14


def test_reversed_shapes_are_measured_by_integrity(files: Files, services: Services) -> None:
    found = measured("integrity", files, services, files.made("reversed.apr", "LAYOUT-001"))
    assert found["wrong_shapes"]
    assert found["shapes_checked"] == 15


def test_wrong_metadata_is_measured_by_metadata(files: Files, services: Services) -> None:
    found = measured("metadata", files, services, files.made("eps.apr", "META-001"))
    assert [item["cause"] for item in found["differ"]] == ["META-001"]


def test_rounding_nobody_asked_for_is_measured_by_dtypes(files: Files, services: Services) -> None:
    result = files.made("half.apr", dtype="f16")
    found = measured("dtypes", files, services, result)
    assert found["unasked"]
    assert "became F16" in found["unasked"][0]
    asked = Services(files.source, files.folder / "scratch", limits=Limits(), asked="f16")
    assert measured("dtypes", files, asked, result)["unasked"] == []


def test_stored_bytes_are_compared_as_stored(files: Files, services: Services) -> None:
    first, again = files.made("right.apr"), files.made("again.apr")
    assert measured("bytes_equal", files, services, again, first) == {"compared": 21, "differ": 0, "differing": []}
    half = files.made("half.apr", dtype="f16")
    assert measured("bytes_equal", files, services, half, first)["differ"] > 0


def test_models_are_loaded_asked_and_compared(files: Files, services: Services) -> None:
    right = files.made("right.apr")
    loaded = measured("load", files, services, right)
    assert loaded["loaded"]
    assert loaded["missing"] == loaded["unexpected"] == loaded["mismatched"] == []
    reference = measured("reference", files, services, right)
    assert reference["sane"], reference["problem"]
    assert reference["positions"] > 50
    assert measured("stability", files, services, right) == {"runs": 2, "equal": True, "rel_l2": 0.0}
    logits = measured("logits", files, services, right)
    assert (logits["rel_l2"], logits["bound"]) == (0.0, 0.0)
    generation = measured("generation", files, services, right)
    assert generation["ids"] == generation["reference_ids"] != []
    assert generation["exact"]


def test_moved_data_moves_logits(files: Files, services: Services) -> None:
    result = files.made("transposed.apr", "LAYOUT-002")
    logits = measured("logits", files, services, result)
    assert logits["rel_l2"] > 0.1
    assert logits["expected"] == "< 1e-6 (same arithmetic)"
    assert (
        measured("generation", files, services, result)["ids"]
        != measured("generation", files, services, files.made("right.apr"))["ids"]
    )


def test_rounded_weights_get_a_calibrated_bound(files: Files, services: Services) -> None:
    logits = measured("logits", files, services, files.made("half.gguf", source=files.hf, dtype="f16"))
    assert 0 < logits["rel_l2"] < logits["bound"] < 1e-1
    assert "calibrated" in logits["expected"]
    assert logits["calibration"]["A"] > 0


def test_a_result_that_cannot_be_loaded_says_so(files: Files, services: Services, tmp_path: Path) -> None:
    broken = conversion.convert(files.source, tmp_path / "x")["target"]
    config = Path(broken) / "config.json"
    config.write_text(config.read_text().replace('"llama"', '"no_such_model"'))
    assert measured("load", files, services, Path(broken))["loaded"] is False
    logits = measured("logits", files, services, Path(broken))
    assert (logits["positions"], logits["loaded"]) == (0, False)
    with pytest.raises(ChildFailure, match="no_such_model"):
        measured("generation", files, services, Path(broken))


def test_only_what_a_model_computes_from_is_in_its_digest(files: Files, services: Services) -> None:
    first, again = files.made("right.apr"), files.made("again.apr")
    digest = services.model(first)
    assert services.model(again) == digest
    assert services.model(files.made("eps.apr", "META-001")) != digest
    assert services.model(files.made("transposed.apr", "LAYOUT-002")) != digest
    assert services.model(files.made("right")) != digest  # another container is another reader
    assert services.model(files.made("turned.apr", "ROPE-001")) != digest
    assert len(model_digest(services.view(first))) == 64


def test_kinds_that_need_no_backend_run_no_model(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.probes.services.Model", None)
    made = Services(files.source, tmp_path, limits=Limits())
    for kind in ANYWHERE:
        assert measured(kind, files, made, files.made("right.apr"))


def test_the_first_layer_that_departs_is_told(tmp_path: Path) -> None:
    """Only the last of these layers looks at everything, so only it minds the base of its rotation."""
    kinds = ["sliding_attention", "sliding_attention", "full_attention"]
    source = tiny.hf(tmp_path / "source", "gemma3", num_hidden_layers=3, layer_types=kinds)
    result = Path(shutil.copytree(source, tmp_path / "result"))
    config = json.loads((result / "config.json").read_text())
    config["rope_parameters"]["full_attention"]["rope_theta"] *= 100
    (result / "config.json").write_text(json.dumps(config))
    (tmp_path / "scratch").mkdir()
    services = Services(source, tmp_path / "scratch", limits=Limits(timeout_s=300))
    try:
        context = Context(source=source, result=result, backend="cpu", services=services)
        logits = PROBES["logits"](context)
        assert logits["rel_l2"] > logits["bound"]
        assert (logits["first_layer"], logits["departs_at"]) == (2, "the output of layer 2")
        right = Context(source=source, result=source, backend="cpu", services=services)
        assert "first_layer" not in PROBES["logits"](right)
    finally:
        services.close()
