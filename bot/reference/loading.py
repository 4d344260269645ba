"""Builds a transformers model from a checkpoint of any format, by nothing but the file's own metadata."""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import torch
import transformers

from bot import formats
from bot.errors import UserError
from bot.formats import config as configs
from bot.formats.tokenizer import read_tokenizer
from bot.formats.view import View, canonical


class UnavailableError(UserError):
    """The machine has not got what was asked for."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model in memory, and what did not fit between its class and its file."""

    network: Any  # transformers.PreTrainedModel, float32, in eval mode
    tokenizer: Any  # bot.formats.tokenizer.Tokenizer or None
    architecture: str
    device: str
    missing: tuple[str, ...]  # parameters the class has and the file has not: never answered with
    unexpected: tuple[str, ...]  # tensors of the file that no parameter takes
    mismatched: tuple[str, ...]  # "name: (3, 64) for (64, 64)"
    notes: tuple[str, ...] = ()


def device_of(backend: str) -> torch.device:
    """Return the torch device of a backend; UnavailableError when this machine has none."""
    if backend == "cpu":
        return torch.device("cpu")
    if backend != "gpu":
        raise UserError(f"unknown backend {backend!r}", hint="cpu or gpu")
    if not torch.cuda.is_available():
        built = "" if torch.version.cuda else f" (torch {torch.__version__} is built without CUDA)"
        raise UnavailableError(f"no CUDA device{built}")
    return torch.device("cuda")


def load(path: Path, backend: str) -> Loaded:
    """Load a checkpoint. UserError when it cannot be read or names no architecture transformers knows."""
    device = device_of(backend)
    checkpoint = formats.open_checkpoint(path)
    view = canonical(checkpoint)
    config = hf_config(view)
    network, report = _build(config, _weights(view))
    tokenizer, note = _tokenizer(checkpoint)
    return Loaded(
        network=network.to(device).eval(),
        tokenizer=tokenizer,
        architecture=str(config.model_type),
        device=str(torch.cuda.get_device_name(device)) if device.type == "cuda" else "cpu",
        missing=tuple(sorted(report["missing_keys"])),
        unexpected=tuple(sorted(report["unexpected_keys"])),
        mismatched=tuple(_mismatch(*found) for found in sorted(report["mismatched_keys"])),
        notes=(note,) if note else (),
    )


def hf_config(view: View) -> Any:
    """Return the transformers configuration the file's own metadata amounts to."""
    model_type, where = view.config.architecture, str(view.checkpoint.path)
    if model_type is None:
        raise UserError("the metadata name no architecture", where=where)
    values = configs.to_hf(view.config)
    model_type = str(values.pop("model_type", model_type))
    if model_type not in transformers.CONFIG_MAPPING:
        raise UserError(f"transformers {transformers.__version__} knows no architecture {model_type!r}", where=where)
    try:
        config = transformers.AutoConfig.for_model(model_type, **{k: v for k, v in values.items() if v is not None})
    except Exception as problem:
        message = f"transformers refuses the metadata as a {model_type} configuration: {problem}"
        raise UserError(message, where=where) from problem
    if type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UserError(f"transformers has no causal language model for {model_type!r}", where=where)
    return config


def _weights(view: View) -> dict[str, torch.Tensor]:
    """Return every tensor in Hugging Face convention, and unmapped ones by their own name so that they are reported."""
    found = {name: _own(view.values(name)) for name in view.tensors}
    for stored in view.unmapped:
        found.setdefault(stored, _own(view.checkpoint.values(stored)))
    return found


def _own(values: Any) -> torch.Tensor:
    """Return a copy in torch's own memory: float32 sums of a single position depend on how weights are aligned."""
    tensor = torch.empty(values.shape, dtype=torch.float32)
    tensor.numpy()[...] = values
    return tensor


def _build(config: Any, weights: dict[str, torch.Tensor]) -> tuple[Any, dict[str, Any]]:
    """Let transformers place the weights itself: it knows how each class ties heads and fuses experts."""
    found = transformers.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    family = found[0] if isinstance(found, tuple) else found
    # the plain attention is the only one that every architecture has, softcaps and windows included
    network, report = family.from_pretrained(
        None,
        config=config,
        state_dict=weights,
        dtype=torch.float32,
        attn_implementation="eager",
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    return network, report


def _tokenizer(checkpoint: Any) -> tuple[Any, str]:
    """Return the file's tokenizer; a broken one is a note, for a model also answers to token ids."""
    try:
        return read_tokenizer(checkpoint), ""
    except Exception as problem:  # noqa: BLE001  the model itself is what was asked for
        return None, f"tokenizer: {problem}"


def _mismatch(name: str, stored: Any, wanted: Any) -> str:
    return f"{name}: {tuple(stored)} for {tuple(wanted)}"


def takes(network: Any, argument: str) -> bool:
    """Tell whether the model's forward pass has an argument of that name."""
    return argument in inspect.signature(network.forward).parameters
