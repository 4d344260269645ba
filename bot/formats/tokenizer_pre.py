"""Pre-tokenizers by the name GGUF gives them: the tokenizer.json fragment of each, and the name of a fragment.

Patterns are those of the published tokenizer.json files (llama.cpp's src/llama-vocab.cpp lists the same names).
"""

import json
from typing import Any

_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = _WORDS + r"\p{N}" + _REST
LLAMA3 = _WORDS + r"\p{N}{1,3}" + _REST


def _byte_level(use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def _split(pattern: str) -> dict[str, Any]:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, _byte_level(False)]}


_DIGITS = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, _byte_level(True)]}
# the first name of a fragment is what a converter writes for it
FRAGMENTS: dict[str, dict[str, Any]] = {
    "gpt-2": _byte_level(True),
    "smollm": _DIGITS,
    "qwen2": _split(QWEN2),
    "llama-bpe": _split(LLAMA3),
    "starcoder": _DIGITS,
    "codeshell": _DIGITS,
    "refact": _DIGITS,
    "command-r": _DIGITS,
    "phi-2": _byte_level(True),
    "default": _byte_level(True),
    "mpt": _byte_level(True),
    "olmo": _byte_level(True),
    "llama3": _split(LLAMA3),
    "llama-v3": _split(LLAMA3),
    "deepseek-r1-qwen": _split(QWEN2),
}


def _essence(fragment: Any) -> str:
    """Return what of a fragment changes the splitting, for comparison."""
    if not isinstance(fragment, dict):
        return ""
    if fragment.get("type") == "Sequence":
        return "+".join(_essence(part) for part in fragment.get("pretokenizers", []))
    keep = ("type", "individual_digits", "use_regex", "pattern", "behavior", "add_prefix_space")
    essence = {key: fragment[key] for key in keep if key in fragment}
    essence.setdefault("use_regex", True) if essence.get("type") == "ByteLevel" else None
    return json.dumps(essence, sort_keys=True)


_NAMES = {_essence(fragment): name for name, fragment in reversed(FRAGMENTS.items())}


def name_of(fragment: Any) -> str | None:
    """Return the GGUF name of a tokenizer.json's pre_tokenizer, None when it is none we know."""
    return _NAMES.get(_essence(fragment))


def same(a: str | None, b: str | None) -> bool:
    """Tell whether two GGUF names split text the same way."""
    return a == b or (a in FRAGMENTS and b in FRAGMENTS and FRAGMENTS[a] == FRAGMENTS[b])
