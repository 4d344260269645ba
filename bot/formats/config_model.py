"""The hyper-parameters of a model in one spelling, and the draft that readers fill."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from bot.errors import UserError
from bot.formats import config_keys as keys


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The hyper-parameters of a model."""

    architecture: str | None  # Hugging Face model type
    values: Mapping[str, Any]
    stated: Mapping[str, str] = dataclasses.field(default_factory=dict)  # canonical key -> the file's own spelling
    malformed: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # keys whose value is of the wrong kind
    dtype: str | None = None  # as config.json says it: "bfloat16"
    file_type: int | None = None  # general.file_type of a GGUF

    def integer(self, key: str, default: int = 0) -> int:
        """Return a whole number, the default where the file states none."""
        value = self.values.get(key)
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else default


class Draft:
    """Values under construction, each with the spelling it was found under."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.stated: dict[str, str] = {}
        self.malformed: dict[str, Any] = {}

    def state(self, key: str, spelling: str, value: Any) -> None:
        """Take a stated value unless an earlier, better spelling gave one."""
        if value is None or key in self.values:
            return
        ok, value = _typed(key, value)
        if not ok:
            self.malformed[spelling] = value
            return
        self.values[key], self.stated[key] = value, spelling

    def derive(self, key: str, value: Any) -> None:
        """Fill in what the file leaves out."""
        if value is not None:
            self.values.setdefault(key, value)

    def config(self, architecture: str | None, **more: Any) -> ModelConfig:
        """Finish."""
        return ModelConfig(
            architecture=architecture, values=self.values, stated=self.stated, malformed=self.malformed, **more
        )


def _typed(key: str, value: Any) -> tuple[bool, Any]:
    """Return whether a value is of its key's kind, and the value in that kind."""
    if isinstance(value, list) and value and all(v == value[0] for v in value) and key in keys.INTEGERS:
        value = value[0]  # one number a layer, all alike
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if key in keys.INTEGERS:
        return number and float(value).is_integer(), int(value) if number and float(value).is_integer() else value
    if key in keys.FLOATS:
        return number, float(value) if number else value
    return True, value


def known(config: ModelConfig, target: str) -> str:
    """Return the architecture a writer needs; UserError when the source names none."""
    if config.architecture is None:
        raise UserError("the source does not say which architecture it is", hint=f"a {target} must")
    return config.architecture
