"""How each container spells each hyper-parameter, as tables. The canonical spelling is the flat Hugging Face one.

Sources: gguf-py's Keys and convert_hf_to_gguf.py for GGUF, transformers' configuration classes for config.json,
aprender's metadata struct and the aliases its readers accept for APR.
"""

from typing import Any, Final

# canonical key -> GGUF key without its architecture prefix
GGUF: Final[dict[str, str]] = {
    "max_position_embeddings": "context_length",
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "intermediate_size": "feed_forward_length",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "v_head_dim": "attention.value_length",
    "vocab_size": "vocab_size",
    "rope_theta": "rope.freq_base",
    "rope_local_base_freq": "rope.freq_base_swa",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "layer_norm_eps": "attention.layer_norm_epsilon",
    "sliding_window": "attention.sliding_window",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
    "num_local_experts": "expert_count",
    "num_experts_per_tok": "expert_used_count",
    "moe_intermediate_size": "expert_feed_forward_length",
    "shared_expert_intermediate_size": "expert_shared_feed_forward_length",
    "norm_topk_prob": "expert_weights_norm",
    "embedding_multiplier": "embedding_scale",
    "residual_multiplier": "residual_scale",
    "logits_scaling": "logit_scale",
}
# spelled alike in every architecture
GGUF_TOKENS: Final[dict[str, str]] = {
    "bos_token_id": "tokenizer.ggml.bos_token_id",
    "eos_token_id": "tokenizer.ggml.eos_token_id",
    "pad_token_id": "tokenizer.ggml.padding_token_id",
}
# keys GGUF has no word for: written so that a model comes back as what it was; llama.cpp ignores them
GGUF_MODEL_TYPE: Final = "huggingface.model_type"

# canonical key -> other spellings in config.json, best first
HF_OLD: Final[dict[str, tuple[str, ...]]] = {
    "hidden_size": ("n_embd", "d_model", "dim"),
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "num_attention_heads": ("n_head", "n_heads", "num_heads"),
    "num_key_value_heads": ("n_kv_heads", "num_kv_heads"),
    "intermediate_size": ("n_inner", "ffn_dim", "hidden_dim"),
    "max_position_embeddings": ("n_positions", "n_ctx", "max_seq_len", "max_sequence_length"),
    "rms_norm_eps": ("norm_eps",),
    "layer_norm_eps": ("layer_norm_epsilon", "norm_epsilon"),
    "hidden_act": ("hidden_activation", "activation_function"),
    "num_local_experts": ("num_experts", "n_routed_experts"),
    "num_experts_per_tok": ("num_experts_per_token",),
}
# spellings the class of a model type insists on when config.json is written
HF_OWN: Final[dict[str, dict[str, str]]] = {
    "gpt2": {
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "intermediate_size": "n_inner",
        "max_position_embeddings": "n_positions",
        "layer_norm_eps": "layer_norm_epsilon",
        "hidden_act": "activation_function",
    },
    "gemma2": {"hidden_act": "hidden_activation"},
    "gemma3_text": {"hidden_act": "hidden_activation"},
    "qwen3_moe": {"num_local_experts": "num_experts"},
}

# canonical key -> spellings in APR metadata, the one that is written first
APR: Final[dict[str, tuple[str, ...]]] = {
    "hidden_size": ("hidden_size", "hidden_dim", "d_model", "n_embd"),
    "num_hidden_layers": ("num_layers", "n_layers", "num_hidden_layers", "n_layer"),
    "num_attention_heads": ("num_heads", "n_heads", "num_attention_heads", "n_head"),
    "num_key_value_heads": ("num_kv_heads", "n_kv_heads", "num_key_value_heads"),
    "vocab_size": ("vocab_size", "n_vocab"),
    "intermediate_size": ("intermediate_size", "ffn_dim", "intermediate_dim", "n_inner"),
    "max_position_embeddings": ("max_position_embeddings", "max_seq_len", "context_length", "n_ctx"),
    "rope_theta": ("rope_theta",),
    "rms_norm_eps": ("rms_norm_eps", "layer_norm_eps", "norm_eps"),
    "head_dim": ("head_dim",),
    "num_local_experts": ("num_experts",),
    "num_experts_per_tok": ("num_experts_per_tok",),
    "moe_intermediate_size": ("moe_intermediate_size",),
    "bos_token_id": ("tokenizer.bos_token_id",),
    "eos_token_id": ("tokenizer.eos_token_id",),
    "pad_token_id": ("tokenizer.padding_token_id",),
    "tie_word_embeddings": ("tie_word_embeddings", "tied_embeddings"),
}
# what neither APR nor (some of it) GGUF has a word for; carried under its Hugging Face name
CARRIED: Final = (
    "v_head_dim",
    "partial_rotary_factor",
    "rope_scaling",
    "rope_local_base_freq",
    "sliding_window",
    "sliding_window_pattern",
    "use_sliding_window",
    "max_window_layers",
    "layer_types",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "query_pre_attn_scalar",
    "hidden_act",
    "attention_bias",
    "mlp_bias",
    "original_max_position_embeddings",
    "shared_expert_intermediate_size",
    "norm_topk_prob",
    "decoder_sparse_step",
    "mlp_only_layers",
    "embedding_multiplier",
    "residual_multiplier",
    "attention_multiplier",
    "logits_scaling",
    "scale_attn_weights",
    "scale_attn_by_inverse_layer_idx",
    "initializer_range",
)
INTEGERS: Final = frozenset(
    {
        "hidden_size",
        "num_hidden_layers",
        "intermediate_size",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "v_head_dim",
        "vocab_size",
        "max_position_embeddings",
        "num_local_experts",
        "num_experts_per_tok",
        "moe_intermediate_size",
        "sliding_window",
    }
)
FLOATS: Final = frozenset(
    {"rope_theta", "rope_local_base_freq", "rms_norm_eps", "layer_norm_eps", "partial_rotary_factor"}
)

# GGUF architecture -> Hugging Face model type, where they differ
MODEL_TYPES: Final[dict[str, str]] = {
    "gemma3": "gemma3_text",
    "qwen2moe": "qwen2_moe",
    "qwen3moe": "qwen3_moe",
    "gptneox": "gpt_neox",
    "gptj": "gptj",
    "command-r": "cohere",
    "phi2": "phi",
    "starcoder": "gpt_bigcode",
    "gpt-oss": "gpt_oss",
    "deepseek": "deepseek",
    "deepseek2": "deepseek_v3",
    "olmo2": "olmo2",
    "granitemoe": "granitemoe",
}
ARCHITECTURES: Final[dict[str, str]] = {
    **{model_type: gguf for gguf, model_type in MODEL_TYPES.items()},
    "mistral": "llama",
    "mixtral": "llama",
    "smollm": "llama",
    "gemma3": "gemma3",
    "deepseek_v2": "deepseek2",
}
# class name in config.json's "architectures"
CLASSES: Final[dict[str, str]] = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen2_moe": "Qwen2MoeForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "gpt2": "GPT2LMHeadModel",
}

# what transformers assumes where config.json says nothing, for what a converter must not lose
DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "gpt2": {"tie_word_embeddings": True, "hidden_act": "gelu_new"},
    "gemma": {"tie_word_embeddings": True, "hidden_act": "gelu_pytorch_tanh"},
    "gemma2": {"tie_word_embeddings": True, "hidden_act": "gelu_pytorch_tanh"},
    "gemma3_text": {
        "tie_word_embeddings": True,
        "hidden_act": "gelu_pytorch_tanh",
        "rope_theta": 1000000.0,
        "rope_local_base_freq": 10000.0,
    },
    "mixtral": {"rope_theta": 1000000.0},
}
# models whose attention llama.cpp scales by the head's width, in the size of that many layers by hidden / heads
HEAD_SCALED: Final[dict[str, int]] = {"gemma2": 46, "gemma3_text": 62}
# classes that assume a sliding window where config.json does not say null
WINDOW_UNLESS_NULL: Final = frozenset({"mistral", "mixtral", "phi3"})
# no rotary embedding, a norm with a bias
LAYER_NORM: Final = frozenset({"gpt2", "gpt_neox", "falcon", "bloom", "phi", "starcoder2", "stablelm", "cohere"})
NO_ROPE: Final = frozenset({"gpt2", "bloom", "mpt"})

# general.file_type by the dtype most weights have
FILE_TYPES: Final[dict[str, int]] = {
    "F32": 0,
    "F16": 1,
    "Q4_0": 2,
    "Q4_1": 3,
    "Q8_0": 7,
    "Q5_0": 8,
    "Q5_1": 9,
    "Q2_K": 10,
    "Q3_K": 12,
    "Q4_K": 15,
    "Q5_K": 17,
    "Q6_K": 18,
    "IQ4_NL": 25,
    "IQ4_XS": 30,
    "BF16": 32,
    "TQ1_0": 36,
    "TQ2_0": 37,
    "MXFP4": 38,
}
TORCH_DTYPES: Final[dict[str, str]] = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}
