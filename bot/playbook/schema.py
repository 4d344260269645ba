"""Every key a playbook may hold: ours, and upstream's, which mean something here or are refused by name."""

from typing import Any

from bot.playbook.kinds import Amount, Choice, Flag, Real, Size, Text
from bot.playbook.model import FailurePolicy
from bot.playbook.shapes import Either, Free, Record, Refused, Several

FORMATS = ("gguf", "apr", "safetensors")
BACKENDS = ("cpu", "gpu")
MODALITIES = ("run", "chat", "serve")
TIERS = ("quick", "mvp", "full")
DTYPES = (
    "f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k",
    "q3_k_s", "q3_k_m", "q3_k_l", "q4_k_s", "q4_k_m", "q5_k_s", "q5_k_m",
)  # fmt: skip

# upstream's key under `model` -> the configuration key it states
EXPECTED = {
    "expected_hidden_dim": "hidden_size",
    "expected_num_layers": "num_hidden_layers",
    "expected_num_heads": "num_attention_heads",
    "expected_num_kv_heads": "num_key_value_heads",
    "expected_vocab_size": "vocab_size",
    "expected_intermediate_dim": "intermediate_size",
}
# upstream's size categories as a number of parameters, for estimates of cost only
CATEGORIES = {"tiny": 5e8, "small": 2e9, "medium": 7e9, "large": 2e10, "xlarge": 4e10, "huge": 7e10}
# what upstream asks for -> the gates that answer it here; a plan without them is refused
GATEWAYS = {
    "g1_model_loads": "G1-LOAD",
    "g2_basic_inference": "G2-INFER",
    "g3_no_crashes": "G3-STABLE",
    "g4_output_quality": "G4-VALID",
}
INVARIANTS = {
    "I-1": "F-CONV-RT-0*",
    "I-2": "F-CONTRACT-I2-*",
    "I-3": "F-CONTRACT-I3-*",
    "I-4": "F-CONTRACT-I4-*",
    "I-5": "F-CONTRACT-I5-*",
}
ORACLES = {"garbage": "G4-VALID"}
DIFFERENTIAL = {
    "format_validation": "G0-FORMAT-*",
    "tensor_diff": "F-CONV-?-?",
    "inference_compare": "F-GOLDEN-RULE-*",
    "fingerprint": "F-CONTRACT-I4-*",
    "validate_stats": "F-CONTRACT-I4-*",
}

_LIMITS = Refused("limits belong to the gates, see `requalify gates explain ID`; remove it")
_TOKENS = "tokens are compared with the source's (F-GOLDEN-RULE-001, F-A1..A6); list the texts under `prompts`"
_ORACLES = dict.fromkeys(("arithmetic", "code_syntax", "response", "composite"), _TOKENS)
_TIERS = dict.fromkeys(("smoke", "ci"), "say quick")
_TIERS |= dict.fromkeys(("standard", "deep", "nightly", "release"), "say full")
_HF = Text("a Hugging Face name such as Qwen/Qwen2.5-0.5B", r"^[\w.-]{1,96}/[\w.-]{1,96}\Z", 193)
_FILE = Text("the path of a file or folder", r"^[^\x00]+\Z", 1000)
_WORD = Text("letters, digits, dots, dashes and underscores", r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", 100)
_GLOB = Text("a gate or cell such as F-CONV-*, or !F-PERF-* to leave it out", r"^!?[A-Za-z0-9*?\[\]/._-]+\Z", 200)
_SEED = Real(0, 2**32 - 1, whole=True)
_COUNT = Real(1, 1000, whole=True)
_SECONDS = Real(1, 7 * 24 * 3600)

MODEL = Record(
    {
        "name": _HF,
        "path": _FILE,
        "sha256": Text("64 hexadecimal digits", r"^[0-9a-fA-F]{64}\Z", 64),
        "formats": Several(Choice(FORMATS)),
        "parameters": Amount(),
        "hf_repo": _HF,
        "local_path": _FILE,
        "size_category": Choice(tuple(CATEGORIES)),
        **dict.fromkeys(EXPECTED, Real(1, 2**31, whole=True)),
        "quantizations": Refused("what the source holds is read from it; `dtype` says what conversions shall produce"),
        "family": Refused("the architecture is read from the source; keep the word under `metadata`"),
        "size_variant": Refused("say `model.parameters`; keep the word under `metadata`"),
    }
)
_DIFFERENTIAL = Record(
    {
        "enabled": Flag(),
        "prompt": Refused("list it under `prompts`"),
        **dict.fromkeys(("max_tokens", "tolerance", "tolerances", "gates", "stats", "tensors"), _LIMITS),
    }
)
PLAYBOOK = Record(
    {
        "name": _WORD,
        "version": Text('a version such as "1.0.0"', longest=40),
        "description": Text(longest=2000),
        "tier": Choice(TIERS, _TIERS),
        "model": MODEL,
        "toolchain": Either(Record({"name": _WORD, "options": Free()}, ("name",)), _WORD),
        "dtype": Choice(DTYPES),
        "backends": Several(Choice(BACKENDS)),
        "modalities": Several(Choice(MODALITIES)),
        "prompts": Several(Text(longest=20_000)),
        "prompt_limit": _COUNT,
        "seed": _SEED,
        "gates": Either(Record(dict.fromkeys(GATEWAYS, Flag())), Several(_GLOB)),
        "failure_policy": Choice(tuple(FailurePolicy), {"fail_fast": "say stop_on_first, or use --fail-fast"}),
        "budgets": Record(
            {"convert_s": _SECONDS, "model_s": _SECONDS, "memory": Size(), "disk": Size(), "gpu_memory": Size()}
        ),
        "metadata": Free(),
        "test_matrix": Record(
            {
                "modalities": Several(Choice(MODALITIES)),
                "backends": Several(Choice(BACKENDS)),
                "prompts": Several(Text(longest=20_000)),
                "scenario_count": _COUNT,
                "seed": _SEED,
                "timeout_ms": Real(1000, 86_400_000),
            }
        ),
        "oracles": Several(
            Record(
                {
                    "type": Choice(tuple(ORACLES), _ORACLES),
                    "config": _LIMITS,
                },
                ("type",),
            )
        ),
        "contract_tests": Record({"invariants": Several(Choice(tuple(INVARIANTS)))}, ("invariants",)),
        "differential_tests": Record(dict.fromkeys(DIFFERENTIAL, _DIFFERENTIAL)),
        "property_tests": Refused(_TOKENS),
        "profile_ci": Refused("`tier: mvp` or `full` runs F-PERF-001, which compares with the source in the same run"),
        "trace_payload": Refused("the first layer that departs is found from tensors; list the text under `prompts`"),
        "ollama_parity": Refused("another engine is a toolchain: `toolchain: {name: command, options: ...}`"),
        "state_machine": Refused("a run has no states a playbook could set; `--resume` continues one"),
        "falsification_gates": Refused("choose gates by `gates: [GLOB, ...]`; `requalify gates` lists them"),
        "verification_gates": Refused("choose gates by `gates: [GLOB, ...]`; `requalify gates` lists them"),
        "kernel_profile": Refused("list the texts under `prompts`"),
    },
    ("name", "model"),
)  # fmt: skip


def json_schema() -> dict[str, Any]:
    """Return all of this as JSON Schema."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A requalify playbook"}
    return {**head, **PLAYBOOK.schema()}
