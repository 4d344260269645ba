"""llama.cpp's own C functions, out of the xllamacpp wheel, as an oracle: decoding, loading, generating.

    python tests/formats/ggml.py generate MODEL COUNT TOKEN...   prints the greedy tokens as JSON
    python tests/formats/ggml.py opens FILE...                   prints for each whether ggml reads its header

The two commands run in a process of their own: an assertion of ggml ends the process.
"""

import ctypes
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


@cache
def library() -> Any:
    import xllamacpp

    (path,) = Path(xllamacpp.__file__).parent.glob("*.so")
    return ctypes.CDLL(str(path))


def dequantize(name: str, raw: np.ndarray, count: int) -> np.ndarray:
    """What dequantize_row_NAME makes of `raw`."""
    out = np.empty(count, np.float32)
    function = getattr(library(), f"dequantize_row_{name}")
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    function(raw.ctypes.data, out.ctypes.data, count)
    return out


def quantize(kind: int, values: np.ndarray, nbytes: int) -> np.ndarray:
    """What ggml_quantize_chunk makes of rows of values."""
    out = np.empty(nbytes, np.uint8)
    chunk = library().ggml_quantize_chunk
    chunk.restype = ctypes.c_size_t
    chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    assert chunk(kind, values.ctypes.data, out.ctypes.data, 0, *values.shape, None) == nbytes
    return out


def type_size(kind: int) -> tuple[int, int]:
    """Elements and bytes of one block, as ggml counts them."""
    lib = library()
    lib.ggml_type_size.restype, lib.ggml_blck_size.restype = ctypes.c_size_t, ctypes.c_int64
    return lib.ggml_blck_size(kind), lib.ggml_type_size(kind)


def greedy(model: Path, prompt: list[int], count: int) -> list[int]:
    """The greedy continuation llama.cpp computes."""
    return json.loads(_command("generate", model, count, *prompt))


def opens(*files: Path) -> list[bool]:
    """Whether ggml's own loader takes each file."""
    return json.loads(_command("opens", *files))


def _command(*words: Any) -> str:
    done = subprocess.run([sys.executable, __file__, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


class _Opaque(ctypes.Structure):
    """Room for any parameter struct, which travels by value; its true size does not matter."""

    _fields_ = [("words", ctypes.c_uint32 * 256)]


class _Batch(ctypes.Structure):
    _fields_ = [("n_tokens", ctypes.c_int32), ("pointers", ctypes.c_void_p * 6)]


def _generate(path: str, count: int, prompt: list[int]) -> list[int]:
    lib = library()
    for name in ("llama_model_default_params", "llama_context_default_params"):
        getattr(lib, name).restype = _Opaque
    for name in ("llama_model_load_from_file", "llama_init_from_model", "llama_model_get_vocab"):
        getattr(lib, name).restype = ctypes.c_void_p
    lib.llama_model_load_from_file.argtypes = [ctypes.c_char_p, _Opaque]
    lib.llama_init_from_model.argtypes = [ctypes.c_void_p, _Opaque]
    lib.llama_model_get_vocab.argtypes = lib.llama_vocab_n_tokens.argtypes = [ctypes.c_void_p]
    lib.llama_batch_get_one.restype, lib.llama_batch_get_one.argtypes = _Batch, [ctypes.c_void_p, ctypes.c_int32]
    lib.llama_decode.argtypes = [ctypes.c_void_p, _Batch]
    lib.llama_get_logits_ith.restype = ctypes.POINTER(ctypes.c_float)
    lib.llama_get_logits_ith.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    lib.llama_backend_init()
    model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())
    assert model, "llama.cpp does not load it"
    parameters = lib.llama_context_default_params()
    parameters.words[0] = 128  # n_ctx
    context = lib.llama_init_from_model(model, parameters)
    # threads that wait for each other by spinning cost more than they give on models this small
    lib.llama_set_n_threads.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32]
    lib.llama_set_n_threads(context, 1, 1)
    vocabulary = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    found: list[int] = []
    ids = prompt
    for _ in range(count):
        tokens = (ctypes.c_int32 * len(ids))(*ids)
        assert lib.llama_decode(context, lib.llama_batch_get_one(ctypes.addressof(tokens), len(ids))) == 0
        logits = np.ctypeslib.as_array(lib.llama_get_logits_ith(context, -1), (vocabulary,))
        ids = [int(logits.argmax())]
        found += ids
    return found


def _opens(path: str) -> bool:
    class Parameters(ctypes.Structure):
        _fields_ = [("no_alloc", ctypes.c_bool), ("context", ctypes.c_void_p)]

    function = library().gguf_init_from_file
    function.argtypes, function.restype = [ctypes.c_char_p, Parameters], ctypes.c_void_p
    return bool(function(path.encode(), Parameters(True, None)))


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    if command == "generate":
        print(json.dumps(_generate(words[0], int(words[1]), [int(word) for word in words[2:]])))
    else:
        print(json.dumps([_opens(word) for word in words]))
