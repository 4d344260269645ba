"""Reads a JSON file that somebody named: bounded, and one error whatever is wrong with it."""

import json
from pathlib import Path
from typing import Any

from bot.errors import UserError

LARGEST = 64 << 20  # bytes; far above any matrix, event or costs file


def read_json(path: Path, *, what: str = "JSON", largest: int = LARGEST, hint: str = "") -> Any:
    """Return the value in a file that shall be `what`; UserError when it cannot be read, is too large or no JSON."""
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
        if len(data) > largest:
            raise UserError(f"too large: more than {largest} bytes", where=str(path), hint=hint)
        return json.loads(data.decode())
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from None
    except RecursionError:
        raise UserError(f"not {what}: nested too deep", where=str(path), hint=hint) from None
    except ValueError as error:
        raise UserError(f"not {what}: {str(error)[:120]}", where=str(path), hint=hint) from None
