"""Compares what two files say about one model: hyper-parameters by canonical key, each with its cause."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from bot.formats.config import ModelConfig

# which cause a wrong value of a canonical key is; keys outside the table decide nothing
CAUSES: dict[str, str] = {
    "rope_theta": "ROPE-005",
    "rope_local_base_freq": "ROPE-005",
    "rope_scaling": "ROPE-006",
    "partial_rotary_factor": "ROPE-007",
    "rms_norm_eps": "META-001",
    "layer_norm_eps": "META-001",
    "layer_norm_epsilon": "META-001",
    "num_attention_heads": "META-002",
    "num_key_value_heads": "META-002",
    "head_dim": "META-002",
    "query_pre_attn_scalar": "META-003",
    "attn_logit_softcapping": "META-003",
    "final_logit_softcapping": "META-003",
    "attention_multiplier": "META-003",
    "sliding_window": "META-004",
    "num_local_experts": "META-005",
    "num_experts": "META-005",
    "num_experts_per_tok": "META-005",
    "norm_topk_prob": "META-005",
    "max_position_embeddings": "META-008",
    "hidden_size": "META-009",
    "intermediate_size": "META-009",
    "moe_intermediate_size": "META-009",
    "vocab_size": "META-009",
    "num_hidden_layers": "NAME-005",
    "logit_scale": "VALUE-004",
    "logits_scaling": "VALUE-004",
    "embedding_multiplier": "VALUE-003",
    "residual_multiplier": "VALUE-003",
}
# a model without one of these computes something else, so saying nothing is a finding
VITAL = frozenset(
    {"rope_theta", "rms_norm_eps", "layer_norm_eps", "num_key_value_heads", "rope_scaling", "sliding_window"}
)
# one architecture may go by several model types in GGUF
SAME_FAMILY = ({"llama", "mistral", "mixtral", "smollm"}, {"gemma3", "gemma3_text"}, {"qwen3_moe", "qwen3moe"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One key on which two files disagree."""

    cause: str
    key: str
    a: Any
    b: Any
    spelled_a: str | None  # as A's file spells it; None when it followed from something else
    spelled_b: str | None

    @property
    def lost(self) -> bool:
        """Tell whether B says nothing where A does."""
        return self.spelled_b is None


def same(x: Any, y: Any) -> bool:
    """Compare two values as metadata can hold them: floats went through float32."""
    if isinstance(x, bool) or isinstance(y, bool) or x is None or y is None:
        return (
            bool(x) == bool(y) if (x is None or isinstance(x, bool)) and (y is None or isinstance(y, bool)) else x is y
        )
    if isinstance(x, (int, float)) and isinstance(y, (int, float)):
        return math.isclose(x, y, rel_tol=1e-6, abs_tol=0.0)
    if isinstance(x, Mapping) and isinstance(y, Mapping):
        return set(x) == set(y) and all(same(x[key], y[key]) for key in x)
    if isinstance(x, (list, tuple)) and isinstance(y, (list, tuple)):
        return len(x) == len(y) and all(same(a, b) for a, b in zip(x, y, strict=True))
    return bool(x == y)


def differences(a: ModelConfig, b: ModelConfig) -> Iterator[Difference]:
    """Yield every key on which B contradicts A, or is silent where silence changes the model."""
    if a.architecture and b.architecture != a.architecture and not _family(a.architecture, b.architecture):
        yield Difference(
            cause="META-006" if b.architecture else "META-007", key="architecture", a=a.architecture, b=b.architecture,
            spelled_a=a.stated.get("architecture", "architecture"), spelled_b="architecture" if b.architecture else None,
        )  # fmt: skip
    for key, cause in CAUSES.items():
        x, y = a.values.get(key), b.values.get(key)
        if (x is None and y is None) or same(x, y):
            continue
        if x is None or (key not in a.stated and key not in b.stated):
            # A says nothing: B adding a default is no contradiction
            continue
        if y is None and key not in VITAL and key not in a.stated:
            continue
        yield Difference(
            cause=cause if y is not None or key in VITAL else "META-007", key=key, a=x, b=y,
            spelled_a=a.stated.get(key), spelled_b=b.stated.get(key),
        )  # fmt: skip


def _family(x: str, y: str | None) -> bool:
    return any(x in family and y in family for family in SAME_FAMILY)
