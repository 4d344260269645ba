"""Compares what two files say about one model: hyper-parameters by canonical key, each with its cause."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from bot.compare.vocabulary import TokenDifference, token_differences
from bot.formats.config import ModelConfig

__all__ = ["CAUSES", "Difference", "TokenDifference", "differences", "same", "token_differences"]

# which cause a wrong value of a canonical key is; keys outside the table decide nothing
CAUSES: dict[str, str] = {
    "rope_theta": "ROPE-005",
    "rope_local_base_freq": "ROPE-005",
    "rope_scaling": "ROPE-006",
    "partial_rotary_factor": "ROPE-007",
    "rms_norm_eps": "META-001",
    "layer_norm_eps": "META-001",
    "num_attention_heads": "META-002",
    "num_key_value_heads": "META-002",
    "head_dim": "META-002",
    "query_pre_attn_scalar": "META-003",
    "attn_logit_softcapping": "META-003",
    "final_logit_softcapping": "META-003",
    "attention_multiplier": "META-003",
    "sliding_window": "META-004",
    "layer_types": "META-004",
    "sliding_window_pattern": "META-004",
    "num_local_experts": "META-005",
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
# sizes a loader asks for; where one of these is not stated, keys were left out
SIZES = frozenset(
    {
        "hidden_size", "intermediate_size", "moe_intermediate_size", "vocab_size", "num_hidden_layers",
        "num_attention_heads", "max_position_embeddings",
    }
)  # fmt: skip
# containers that have no word for these lose nothing by not saying them
OPTIONAL = frozenset({"layer_types", "sliding_window_pattern"})
# one number under two names: which of them it goes by is the architecture's, which is a key of its own
EPSILONS = {"rms_norm_eps": "layer_norm_eps", "layer_norm_eps": "rms_norm_eps"}
# switched off where nothing is said
FEATURES = frozenset({"rope_scaling", "sliding_window", "attn_logit_softcapping", "final_logit_softcapping"})
# what engines assume where nothing is said
ASSUMED: dict[str, Any] = {
    "logits_scaling": 1.0,
    "logit_scale": 1.0,
    "embedding_multiplier": 1.0,
    "residual_multiplier": 1.0,
    "norm_topk_prob": False,
    "partial_rotary_factor": 1.0,
}
# parameters of rotary scaling that readers fill in alike (transformers' modeling_rope_utils, llama.cpp's yarn)
_ROPE_DEFAULTS: dict[str, Any] = {"beta_fast": 32.0, "beta_slow": 1.0, "extrapolation_factor": 1.0, "truncate": True}
_ROPE_DERIVED = frozenset({"attention_factor", "original_max_position_embeddings", "mscale", "mscale_all_dim"})
# one architecture may go by several model types
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

    @property
    def words(self) -> str:
        """Say what differs in one line, in each file's own spelling."""
        if self.b is None:
            return f"{self.spelled_a or self.key} {self.a} is not stated in B"
        stated = f" ({self.spelled_b})" if self.spelled_b else ", as readers assume where nothing is stated"
        return f"{self.spelled_a or self.key} {self.a} became {self.b}{stated}"


def same(x: Any, y: Any) -> bool:
    """Compare two values as metadata can hold them: floats went through float32."""
    if isinstance(x, bool) or isinstance(y, bool):
        return isinstance(x, bool | None) and isinstance(y, bool | None) and bool(x) == bool(y)
    if isinstance(x, (int, float)) and isinstance(y, (int, float)):
        return math.isclose(x, y, rel_tol=1e-6, abs_tol=0.0)
    if isinstance(x, Mapping) and isinstance(y, Mapping):
        return all(_same_parameter(key, x.get(key), y.get(key)) for key in {*x, *y})
    if isinstance(x, (list, tuple)) and isinstance(y, (list, tuple)):
        return len(x) == len(y) and all(same(a, b) for a, b in zip(x, y, strict=True))
    return bool(x == y)


def _same_parameter(key: str, x: Any, y: Any) -> bool:
    """Compare one parameter of rotary scaling; one side may leave out what readers fill in."""
    if x is None or y is None:
        stated = y if x is None else x
        return stated is None or key in _ROPE_DERIVED or same(stated, _ROPE_DEFAULTS.get(key))
    return same(x, y)


def differences(a: ModelConfig, b: ModelConfig) -> Iterator[Difference]:
    """Yield every key on which B contradicts A, or is silent where silence changes the model."""
    silent = not b.stated and bool(a.stated)
    if a.architecture and b.architecture != a.architecture and not _family(a.architecture, b.architecture):
        yield Difference(
            cause="META-006" if b.architecture else "META-007",
            key="architecture",
            a=a.architecture,
            b=b.architecture,
            spelled_a="architecture",
            spelled_b="architecture" if b.architecture else None,
        )
    for key, cause in CAUSES.items():
        if (found := _difference(key, cause, a, b)) is not None:
            yield dataclasses.replace(found, cause="META-007") if silent else found
    for spelling, value in b.malformed.items():
        yield Difference(cause="META-007", key=spelling, a="a value of its kind", b=value, spelled_a=None,
                         spelled_b=spelling)  # fmt: skip


def _difference(key: str, cause: str, a: ModelConfig, b: ModelConfig) -> Difference | None:
    x, y = _value(a, key), _value(b, key)
    stated_a, stated_b = a.stated.get(key), b.stated.get(key)
    if same(x, y) or (stated_a is None and stated_b is None):
        return None
    if x is None and not (key in FEATURES and a.stated):
        # A says nothing: B adding a default is no contradiction
        return None
    if y is None and (key in OPTIONAL or same(x, b.values.get(EPSILONS.get(key, key)))):
        return None
    if key == "head_dim":
        if stated_b is None and any(a.integer(k) != b.integer(k) for k in ("num_attention_heads", "hidden_size")):
            return None  # it follows from what is wrong by itself
        cause = _head_cause(x, y, b)
    elif stated_b is None and key in SIZES:
        cause = "META-007"
    return Difference(cause=cause, key=key, a=x, b=y, spelled_a=stated_a, spelled_b=stated_b)


def _value(config: ModelConfig, key: str) -> Any:
    """Return what an engine would compute with: what is stated, derived, or assumed where nothing is."""
    value = config.values.get(key)
    if key == "sliding_window" and config.values.get("use_sliding_window") is False:
        return None
    if value is None and key == "query_pre_attn_scalar" and config.stated:
        return config.values.get("head_dim")
    return ASSUMED.get(key) if value is None else value


def _head_cause(x: Any, y: Any, b: ModelConfig) -> str:
    """Tell a head width that was divided out from one that was written wrongly."""
    heads, hidden = b.integer("num_attention_heads"), b.integer("hidden_size")
    return "LAYOUT-009" if heads and y == hidden // heads and x != y else "META-002"


def _family(x: str, y: str | None) -> bool:
    return any(x in family and y in family for family in SAME_FAMILY)
