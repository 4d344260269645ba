"""Tensor names of each architecture, as tables: the Hugging Face name, the ggml name and what lies between them.

The ggml side is what llama.cpp's converter writes (gguf-py's TensorNameMap and convert_hf_to_gguf.py);
the Hugging Face side is what transformers saves. A model type without a table is refused by name.
"""

import dataclasses
import enum
import functools
import re
from collections.abc import Iterator

from bot.errors import UserError


class Change(enum.Enum):
    """What a GGUF stores differently from the Hugging Face tensor of the same role."""

    NONE = "as it is"
    Q_ROWS = "rows in rotary pairs, by query heads"
    KV_ROWS = "rows in rotary pairs, by key heads"
    PLUS_ONE = "one added"
    TRANSPOSED = "transposed"
    EXPERT = "stacked with the other experts"


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One tensor of an architecture. `{i}` is the layer, `{e}` the expert."""

    hf: str
    gguf: str
    change: Change = Change.NONE
    optional: bool = False


def _pair(hf: str, gguf: str, change: Change = Change.NONE, *, bias: bool = True) -> list[Row]:
    rows = [Row(f"{hf}.weight", f"{gguf}.weight", change)]
    return rows + ([Row(f"{hf}.bias", f"{gguf}.bias", change, optional=True)] if bias else [])


def _outer(norm: Change = Change.NONE) -> list[Row]:
    return [
        Row("model.embed_tokens.weight", "token_embd.weight"),
        Row("model.norm.weight", "output_norm.weight", norm),
        Row("lm_head.weight", "output.weight", optional=True),
    ]


L, B = "model.layers.{i}.", "blk.{i}."


def _attention(q: Change = Change.NONE, kv: Change = Change.NONE) -> list[Row]:
    return [
        *_pair(L + "self_attn.q_proj", B + "attn_q", q),
        *_pair(L + "self_attn.k_proj", B + "attn_k", kv),
        *_pair(L + "self_attn.v_proj", B + "attn_v"),
        *_pair(L + "self_attn.o_proj", B + "attn_output"),
    ]


def _qk_norms(norm: Change = Change.NONE) -> list[Row]:
    return [
        Row(L + "self_attn.q_norm.weight", B + "attn_q_norm.weight", norm),
        Row(L + "self_attn.k_norm.weight", B + "attn_k_norm.weight", norm),
    ]


def _mlp() -> list[Row]:
    return [
        *_pair(L + "mlp.gate_proj", B + "ffn_gate"),
        *_pair(L + "mlp.up_proj", B + "ffn_up"),
        *_pair(L + "mlp.down_proj", B + "ffn_down"),
    ]


def _experts(block: str, gate: str, up: str, down: str) -> list[Row]:
    return [
        Row(L + f"{block}.gate.weight", B + "ffn_gate_inp.weight"),
        *(
            Row(L + f"{block}.experts.{{e}}.{hf}.weight", B + f"ffn_{gguf}_exps.weight", Change.EXPERT)
            for hf, gguf in ((gate, "gate"), (up, "up"), (down, "down"))
        ),
    ]


_TWO_NORMS = [
    Row(L + "input_layernorm.weight", B + "attn_norm.weight"),
    Row(L + "post_attention_layernorm.weight", B + "ffn_norm.weight"),
]
# in gemma "post attention" means what it says, and the norm before the MLP has a name of its own
_FOUR_NORMS = [
    Row(L + "input_layernorm.weight", B + "attn_norm.weight", Change.PLUS_ONE),
    Row(L + "post_attention_layernorm.weight", B + "post_attention_norm.weight", Change.PLUS_ONE),
    Row(L + "pre_feedforward_layernorm.weight", B + "ffn_norm.weight", Change.PLUS_ONE),
    Row(L + "post_feedforward_layernorm.weight", B + "post_ffw_norm.weight", Change.PLUS_ONE),
]
_ROTATED = _attention(Change.Q_ROWS, Change.KV_ROWS)
_LLAMA = [*_outer(), *_TWO_NORMS, *_ROTATED, *_mlp()]
_QWEN3 = [*_outer(), *_TWO_NORMS, *_attention(), *_qk_norms()]
H = "transformer.h.{i}."
_GPT2 = [
    Row("transformer.wte.weight", "token_embd.weight"),
    Row("transformer.wpe.weight", "position_embd.weight"),
    *_pair("transformer.ln_f", "output_norm"),
    Row("lm_head.weight", "output.weight", optional=True),
    *_pair(H + "ln_1", B + "attn_norm"),
    *_pair(H + "ln_2", B + "ffn_norm"),
    *(
        row
        for hf, gguf in (
            ("attn.c_attn", "attn_qkv"),
            ("attn.c_proj", "attn_output"),
            ("mlp.c_fc", "ffn_up"),
            ("mlp.c_proj", "ffn_down"),
        )
        for row in (
            Row(f"{H}{hf}.weight", f"{B}{gguf}.weight", Change.TRANSPOSED),
            Row(f"{H}{hf}.bias", f"{B}{gguf}.bias"),
        )
    ),
]

TABLES: dict[str, tuple[Row, ...]] = {
    "llama": tuple(_LLAMA),
    "mistral": tuple(_LLAMA),
    "mixtral": (*_outer(), *_TWO_NORMS, *_ROTATED, *_experts("block_sparse_moe", "w1", "w3", "w2")),
    "qwen2": (*_outer(), *_TWO_NORMS, *_attention(), *_mlp()),
    "qwen3": (*_QWEN3, *_mlp()),
    "qwen3_moe": (*_QWEN3, *_experts("mlp", "gate_proj", "up_proj", "down_proj")),
    "gemma2": (*_outer(Change.PLUS_ONE), *_FOUR_NORMS, *_attention(), *_mlp()),
    "gemma3_text": (*_outer(Change.PLUS_ONE), *_FOUR_NORMS, *_attention(), *_qk_norms(Change.PLUS_ONE), *_mlp()),
    "phi3": (
        *_outer(),
        *_TWO_NORMS,
        *_pair(L + "self_attn.qkv_proj", B + "attn_qkv", bias=False),
        *_pair(L + "self_attn.o_proj", B + "attn_output", bias=False),
        *_pair(L + "mlp.gate_up_proj", B + "ffn_up", bias=False),
        *_pair(L + "mlp.down_proj", B + "ffn_down", bias=False),
    ),
    "gpt2": tuple(_GPT2),
}
ALIASES = {"gemma3": "gemma3_text", "smollm": "llama", "qwen3moe": "qwen3_moe"}

# ggml tensors computed from the configuration: no Hugging Face counterpart, and none missing
DERIVED = frozenset({"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"})
# buffers old checkpoints saved beside their weights
BUFFER = re.compile(r"(rotary_emb\.inv_freq|\.attn\.(masked_)?bias|rotary_emb\.(cos|sin)_cached)$")


class Spelling(enum.StrEnum):
    """Whose naming convention a stored name follows."""

    HF = "hf"
    GGUF = "gguf"
    BARE = "bare"  # Hugging Face without its model prefix
    OTHER = "other"


def table(architecture: str | None) -> tuple[Row, ...]:
    """Return the rows of an architecture (a Hugging Face model type); UserError when there is no table."""
    rows = TABLES.get(ALIASES.get(architecture or "", architecture or ""))
    if rows is None:
        raise UserError(
            f"no tensor-name table for architecture {architecture!r}", hint=f"known: {', '.join(sorted(TABLES))}"
        )
    return rows


def is_known(architecture: str | None) -> bool:
    """Tell whether there is a table for the architecture."""
    return ALIASES.get(architecture or "", architecture or "") in TABLES


@dataclasses.dataclass(frozen=True, slots=True)
class Role:
    """What a stored name means: its Hugging Face name, who spells it so, and how a GGUF stores it."""

    hf: str
    spelling: Spelling
    change: Change = Change.NONE
    gguf: str = ""  # the ggml name with the layer filled in
    layer: int | None = None
    stacked: bool = False  # one stored tensor holds all experts; `hf` then has "{e}" left in it


def _compiled(template: str) -> re.Pattern[str]:
    pattern = re.escape(template).replace(r"\{i\}", r"(?P<i>\d+)").replace(r"\{e\}", r"(?P<e>\d+)")
    return re.compile(pattern + r"\Z")


@functools.cache
def _patterns(architecture: str) -> tuple[tuple[re.Pattern[str], Row, Spelling], ...]:
    def each() -> Iterator[tuple[re.Pattern[str], Row, Spelling]]:
        for row in TABLES[architecture]:
            yield _compiled(row.hf), row, Spelling.HF
            yield _compiled(row.gguf), row, Spelling.GGUF
            bare = re.sub(r"^(model|transformer)\.", "", row.hf)
            if bare != row.hf:
                yield _compiled(bare), row, Spelling.BARE

    return tuple(each())


_PREFIXES = ("", "language_model.", "model.language_model.", "base_model.model.")


def role(architecture: str | None, stored: str) -> Role | None:
    """Return what a stored tensor name means for the architecture, or None when no table row has it."""
    known = ALIASES.get(architecture or "", architecture or "")
    if known not in TABLES:
        return Role(stored, Spelling.OTHER)
    for prefix in _PREFIXES:
        if not stored.startswith(prefix):
            continue
        for pattern, row, spelling in _patterns(known):
            if match := pattern.match(stored[len(prefix) :]):
                return _filled(row, Spelling.OTHER if prefix else spelling, match.groupdict())
    return None


def _filled(row: Row, spelling: Spelling, found: dict[str, str | None]) -> Role:
    layer, expert = found.get("i"), found.get("e")
    hf, gguf = row.hf.replace("{i}", layer or ""), row.gguf.replace("{i}", layer or "")
    if expert is not None:
        hf = hf.replace("{e}", expert)
    stacked = "{e}" in hf
    return Role(hf, spelling, row.change, gguf, int(layer) if layer else None, stacked)


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """How a GGUF stores one Hugging Face tensor."""

    name: str
    change: Change
    expert: int | None = None


def to_gguf(architecture: str | None, hf_name: str) -> Stored | None:
    """Return the ggml name and change of a Hugging Face tensor; None when the table has no such tensor."""
    table(architecture)  # an unknown architecture is the caller's error, not an unknown name
    found = role(architecture, hf_name)
    if found is None or found.spelling is Spelling.GGUF:
        return None
    expert = re.search(r"experts\.(\d+)\.", hf_name) if found.change is Change.EXPERT else None
    return Stored(found.gguf, found.change, int(expert[1]) if expert else None)


def expected(architecture: str | None, layers: int, experts: int = 0) -> tuple[str, ...]:
    """Return every Hugging Face name a model of that many layers and experts must have."""
    return tuple(
        row.hf.replace("{i}", str(i)).replace("{e}", str(e))
        for row in table(architecture)
        if not row.optional
        for i in range(layers if "{i}" in row.hf else 1)
        for e in range(experts if "{e}" in row.hf else 1)
    )
