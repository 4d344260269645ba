"""What a loaded model answers: logits, hidden states, greedy tokens, and logits under noise."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bot.errors import UserError
from bot.reference.loading import Loaded, takes

F32 = npt.NDArray[np.float32]
Ids = Sequence[int]


def make_deterministic(seed: int, device: torch.device) -> None:
    """Choose the reproducible variant of everything torch has two of, float32 in full."""
    torch.manual_seed(seed)
    if device.type == "cpu":
        return  # a forward pass has no other variant there, and asking for it costs two seconds of imports
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


class Engine:
    """One loaded model. Refuses to compute with weights the file did not give."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded, self.network = loaded, loaded.network
        self.vocabulary = int(self.network.get_input_embeddings().weight.shape[0])
        self.device = next(self.network.parameters()).device

    def logits(self, prompts: Sequence[Ids]) -> Iterator[F32]:
        """Yield the logits of each prompt, (positions, vocabulary)."""
        for ids in prompts:
            yield _array(self._forward(ids).logits[0])

    def hidden(self, prompts: Sequence[Ids]) -> Iterator[F32]:
        """Yield the hidden states of each prompt, (layers + 1, positions, hidden): embeddings first, last normed."""
        for ids in prompts:
            states = self._forward(ids, output_hidden_states=True).hidden_states
            yield _array(torch.cat(tuple(states)))

    def perturbed_logits(self, prompts: Sequence[Ids], eps: float, seed: int) -> Iterator[F32]:
        """Yield logits under Gaussian noise of relative size eps in every matrix; the weights are as before after."""
        with self._noise(eps, seed):
            yield from self.logits(prompts)

    def generate(self, ids: Ids, count: int) -> list[int]:
        """Return up to `count` greedy tokens; ends after the file's own end token."""
        made: list[int] = []
        ends, past = self._ends(), None
        while len(made) < count:
            step = [*ids, *made] if past is None else made[-1:]
            more = {"past_key_values": past, "use_cache": True} if takes(self.network, "past_key_values") else {}
            output = self._forward(step, **more)
            past = getattr(output, "past_key_values", None)
            made.append(int(output.logits[0, -1].argmax()))
            if made[-1] in ends:
                break
        return made

    def _ends(self) -> frozenset[int]:
        end = self.network.config.eos_token_id
        return frozenset(end if isinstance(end, list) else [] if end is None else [end])

    def _forward(self, ids: Ids, **more: Any) -> Any:
        self._check(ids)
        arguments = {"use_cache": False} | more if takes(self.network, "use_cache") else more
        with torch.inference_mode():
            return self.network(input_ids=torch.tensor([list(ids)], device=self.device), **arguments)

    def _check(self, ids: Ids) -> None:
        loaded = self.loaded
        if lost := [*loaded.missing, *loaded.mismatched]:
            raise UserError(f"the file lacks {len(lost)} weights the model needs, first: {lost[0]}")
        if not ids:
            raise UserError("an empty prompt has no logits")
        if bad := [token for token in ids if not 0 <= token < self.vocabulary]:
            raise UserError(f"token {bad[0]} is outside the vocabulary of {self.vocabulary}")

    @contextlib.contextmanager
    def _noise(self, eps: float, seed: int) -> Iterator[None]:
        """Add the noise; takes a second copy of the matrices, so that undoing it is exact."""
        source = torch.Generator(device="cpu").manual_seed(seed)
        matrices = [parameter for parameter in self.network.parameters() if parameter.ndim >= 2]
        clean = [matrix.detach().clone() for matrix in matrices]
        try:
            for matrix in matrices:
                _add_noise(matrix, eps, source)
            yield
        finally:
            with torch.no_grad():
                for matrix, values in zip(matrices, clean, strict=True):
                    matrix.copy_(values)


def _add_noise(matrix: torch.Tensor, eps: float, source: torch.Generator) -> None:
    """Add noise of eps times the root mean square of the matrix (of each expert, where they are stacked)."""
    with torch.no_grad():
        size = matrix.square().mean(dim=(-2, -1), keepdim=True).sqrt()
        noise = torch.randn(matrix.shape, generator=source, dtype=torch.float32)
        matrix.add_(noise.to(matrix.device) * size, alpha=eps)


def _array(values: torch.Tensor) -> F32:
    return np.ascontiguousarray(values.detach().float().cpu().numpy())


def info(loaded: Loaded, versions: Mapping[str, str]) -> dict[str, Any]:
    """Return what a client may want to know about the model before asking it anything."""
    network = loaded.network
    return {
        "architecture": loaded.architecture,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "layers": getattr(network.config, "num_hidden_layers", None),
        "hidden": getattr(network.config, "hidden_size", None),
        "vocabulary": int(network.get_input_embeddings().weight.shape[0]),
        "context": getattr(network.config, "max_position_embeddings", None),
        "device": loaded.device,
        "dtype": "float32",
        "versions": dict(versions),
        "missing": list(loaded.missing),
        "unexpected": list(loaded.unexpected),
        "mismatched": list(loaded.mismatched),
        "tokenizer": loaded.tokenizer is not None,
        "notes": list(loaded.notes),
    }
