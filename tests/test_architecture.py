"""Imports point down, third parties stay at home, and the light half stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

BOT = Path(__file__).parent.parent / "bot"
MODULES = sorted(BOT.rglob("*.py"))

LAYERS: tuple[set[str], ...] = (
    {"__main__"},
    {"cli"},
    {"github"},
    {"report"},
    {"triage"},
    {"suite"},
    {"probes"},
    {"toolchains", "reference", "gates", "score", "fleet"},
    {"formats", "compare", "playbook", "journal", "jsonfile"},
    {"records", "errors", "process", "__init__"},
)
# compare stands on formats though they share a floor: a diff is of two checkpoints
SIDEWAYS = {("compare", "formats")}
HOMES = {
    "click": {"cli"},
    "rich": {"cli"},
    "github": {"github"},
    "jinja2": {"report"},
    "torch": {"reference", "compare"},
    "transformers": {"reference", "toolchains"},
    "gguf": {"formats"},
    "safetensors": {"formats"},
    "subprocess": {"process"},
    "yaml": {"playbook"},
}
LIGHT = (
    "bot.cli", "bot.journal", "bot.score", "bot.gates", "bot.report", "bot.github", "bot.playbook", "bot.fleet.matrix",
    "bot.fleet.merge", "bot.triage",
)  # fmt: skip
HEAVY = ("numpy", "torch", "gguf", "safetensors", "transformers")


def part(path: Path) -> str:
    relative = path.relative_to(BOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(BOT)))
def test_imports_point_down_and_third_parties_stay_home(path: Path) -> None:
    me = part(path)
    floor = next(i for i, layer in enumerate(LAYERS) if me in layer)
    below = {me}.union(*LAYERS[floor + 1 :])
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "bot" and rest and rest[0] != "__version__":
            assert rest[0] in below or (me, rest[0]) in SIDEWAYS, f"bot.{me} may not import {name}"
        elif top in HOMES:
            assert me in HOMES[top], f"{top} belongs to bot.{'/'.join(sorted(HOMES[top]))}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(BOT)))
def test_no_module_is_an_attic(path: Path) -> None:
    assert path.stem not in {"utils", "helpers", "common", "misc"}
    assert len(path.read_text().splitlines()) <= 400


def test_the_light_half_imports_neither_numpy_nor_torch() -> None:
    code = (
        f"import sys, importlib; [importlib.import_module(m) for m in {LIGHT!r}]; "
        f"print(set({HEAVY!r}) & {{*sys.modules}})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=BOT.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "set()"
