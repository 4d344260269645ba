"""A playbook file read and checked as a whole: every mistake at once, each with its line and key."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.errors import UserError
from bot.playbook import schema, tree
from bot.playbook.findings import MOST, Findings
from bot.playbook.model import Budgets, FailurePolicy, ModelSpec, Playbook

Values = Mapping[str, Any]


def load(path: Path) -> Playbook:
    """Read a playbook, or raise UserError with one line for each mistake."""
    data = _bytes(path)
    findings = Findings()
    try:
        root = tree.parse(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError("not UTF-8 text", where=f"{path}:{line}", hint="save the playbook as UTF-8") from None
    except tree.SyntaxProblem as problem:
        raise UserError(problem.what, where=f"{path}:{problem.line}") from None
    for line, key, first in tree.doubled(root):
        findings.add(
            line, key if key.isprintable() else ascii(key), f"given again, first on line {first}; expected once"
        )
    values = schema.PLAYBOOK.read(root, "", findings)
    made = (
        _Reading(values, findings).playbook(path, hashlib.sha256(data).hexdigest())
        if isinstance(values, dict)
        else None
    )
    if findings.mistakes or made is None:
        raise UserError(_listed(path, findings))
    return made


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise UserError("a folder, not a playbook", where=str(path), hint="name a .playbook.yaml file")
        with path.open("rb") as file:
            data = file.read(4 * tree.LARGEST + 1)
    except FileNotFoundError:
        raise UserError("no such playbook", where=str(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot be read: {reason}", where=str(path)) from None
    if len(data) > 4 * tree.LARGEST:
        raise UserError(f"too long: more than {4 * tree.LARGEST} bytes", where=str(path), hint="is it a playbook?")
    return data


def _listed(path: Path, findings: Findings) -> str:
    found = sorted(findings.mistakes, key=lambda mistake: mistake[0])
    lines = [f"{path}:{line}: {key}: {words}" for line, key, words in found[:MOST]]
    if len(found) > MOST:
        lines.append(f"{path}: and {len(found) - MOST} more mistakes")
    return "\n".join(lines)


def _in_order(given: tuple[str, ...] | None, every: tuple[str, ...]) -> tuple[str, ...]:
    """Return those that are asked for in the order reports have; all when none are."""
    return tuple(item for item in every if not given or item in given)


class _Reading:
    """The checked values of one file on their way to a playbook."""

    def __init__(self, values: Values, findings: Findings) -> None:
        self.values, self.findings = values, findings

    def playbook(self, path: Path, sha256: str) -> Playbook | None:
        """Put the nouns together; None when something needed is missing (and reported)."""
        values, matrix = self.values, "test_matrix"
        name, model = values.get("name"), self._model()
        count = self.one("prompt_limit", f"{matrix}.scenario_count")
        prompts = self.one("prompts", f"{matrix}.prompts") or ()
        toolchain = values.get("toolchain", "reference")
        chosen = toolchain if isinstance(toolchain, dict) else {"name": toolchain}
        if name is None or model is None or "name" not in chosen:
            return None
        return Playbook(
            path=path, sha256=sha256, name=name, version=values.get("version", "1.0.0"), tier=self._tier(name),
            model=model, description=values.get("description", ""), toolchain=chosen["name"],
            toolchain_options=chosen.get("options", {}), dtype=values.get("dtype"),
            backends=_in_order(self.one("backends", f"{matrix}.backends"), schema.BACKENDS),
            modalities=_in_order(self.one("modalities", f"{matrix}.modalities") or ("run",), schema.MODALITIES),
            prompts=prompts[:count], prompt_limit=count, seed=self.one("seed", f"{matrix}.seed") or 0,
            gates=self._gates(), wanted=self._wanted(), budgets=self._budgets(), metadata=values.get("metadata", {}),
            policy=FailurePolicy(values.get("failure_policy", FailurePolicy.COLLECT_ALL)),
        )  # fmt: skip

    def one(self, ours: str, theirs: str) -> Any:
        """Return what is given under our key or upstream's; both at once is a mistake."""
        lines = self.findings.lines
        if ours in lines and theirs in lines:
            words = f"the same as {ours} on line {lines[ours]}; expected one of them"
            self.findings.add(lines[theirs], theirs, words)
        found = self._at(ours)
        return self._at(theirs) if found is None else found

    def _at(self, key: str) -> Any:
        value: Any = self.values
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def _model(self) -> ModelSpec | None:
        given = self.values.get("model")
        if given is None:
            return None
        name, path = self.one("model.name", "model.hf_repo"), self.one("model.path", "model.local_path")
        if name is None and not {"model.name", "model.hf_repo"} & set(self.findings.lines):
            line = self.findings.lines["model"]
            self.findings.add(
                line, "model.name", "found nothing, expected a Hugging Face name such as Qwen/Qwen2.5-0.5B"
            )
        if name is None:
            return None
        guess = schema.CATEGORIES.get(given.get("size_category", ""))
        return ModelSpec(
            name=name, path=Path(path) if path else None,
            sha256=given["sha256"].lower() if "sha256" in given else None,
            formats=given.get("formats") or schema.FORMATS,
            expected={key: given[theirs] for theirs, key in schema.EXPECTED.items() if theirs in given},
            parameters=given.get("parameters") or (int(guess) if guess else None),
        )  # fmt: skip

    def _tier(self, name: str) -> str:
        if "tier" in self.values:
            return str(self.values["tier"])
        suffix = name.rpartition("-")[2].lower()
        return {"quick": "quick", "smoke": "quick", "ci": "quick", "mvp": "mvp"}.get(suffix, "full")

    def _gates(self) -> tuple[str, ...]:
        given = self.values.get("gates")
        if isinstance(given, dict):
            return ("*", *(f"!{gate}" for key, gate in schema.GATEWAYS.items() if given.get(key) is False))
        return given or ("*",)

    def _wanted(self) -> tuple[str, ...]:
        """Return the gates that upstream's blocks ask for."""
        values, gateways = self.values, self.values.get("gates")
        found = [gate for key, gate in schema.GATEWAYS.items() if isinstance(gateways, dict) and gateways.get(key)]
        found += [schema.ORACLES[oracle["type"]] for oracle in values.get("oracles", ()) if "type" in oracle]
        found += [schema.INVARIANTS[name] for name in values.get("contract_tests", {}).get("invariants", ())]
        asked = values.get("differential_tests", {})
        found += [gate for key, gate in schema.DIFFERENTIAL.items() if key in asked and asked[key].get("enabled", True)]
        return tuple(dict.fromkeys(found))

    def _budgets(self) -> Budgets:
        given, usual = self.values.get("budgets", {}), Budgets()
        seconds = self.one("budgets.model_s", "test_matrix.timeout_ms")
        if "model_s" not in given and seconds is not None:
            seconds /= 1000
        return Budgets(
            convert_s=float(given.get("convert_s", usual.convert_s)), model_s=float(seconds or usual.model_s),
            memory_bytes=given.get("memory"), disk_bytes=given.get("disk"), gpu_memory_bytes=given.get("gpu_memory"),
        )  # fmt: skip
