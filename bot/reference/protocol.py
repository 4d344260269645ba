"""What parent and child say to each other: one JSON object a line each way, arrays as .npy files beside.

-> {"op": "logits", "prompts": [[1, 5, 9]]}
<- {"ok": true, "arrays": ["/scratch/3-0.npy"], "seconds": 0.02, "peak_bytes": 310000000}
<- {"ok": false, "failure": "user", "reason": "token 400 is outside the vocabulary of 320"}
"""

import enum
import json
from collections.abc import Mapping
from typing import Any


class Failure(enum.StrEnum):
    """Why a request was not answered."""

    USER = "user"  # the file, the request or the machine cannot do it
    UNAVAILABLE = "unavailable"  # the machine has no such device
    MEMORY = "memory"  # out of memory; the child is of no use after it
    BUG = "bug"  # an exception nobody foresaw


class GarbledError(ValueError):
    """A line that is no object of this protocol."""


def encode(message: Mapping[str, Any]) -> str:
    """Return one line without its end."""
    return json.dumps(message, ensure_ascii=True, separators=(",", ":"))


def decode(line: str) -> dict[str, Any]:
    """Return the object of a line; GarbledError when it is none."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise GarbledError(f"not a line of the protocol: {line[:200]!r}") from problem
    if not isinstance(message, dict):
        raise GarbledError(f"not a line of the protocol: {line[:200]!r}")
    return message
