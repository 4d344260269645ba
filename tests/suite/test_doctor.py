"""`doctor` on machines made of scripts: with a card, without, with a busy one, with a sick driver."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CARD = "NVIDIA A10, 550.54.14, 23028, {free}"


def machine(folder: Path, smi: str | None) -> dict[str, str]:
    """An environment whose PATH holds this Python and, perhaps, an nvidia-smi."""
    tools = folder / "tools"
    tools.mkdir()
    if smi is not None:
        script = tools / "nvidia-smi"
        script.write_text(f"#!/bin/sh\n{smi}\n")
        script.chmod(0o755)
    # torch is asked in a child of its own: here it answers at once
    fake = folder / "fake"
    fake.mkdir()
    (fake / "torch.py").write_text(
        "__version__ = '2.13.0+cu126'\nclass version: cuda = '12.6'\n"
        "class cuda:\n    is_available = staticmethod(lambda: True)\n    device_count = staticmethod(lambda: 1)\n"
    )
    return {
        "PATH": f"{tools}:/usr/bin:/bin", "PYTHONPATH": f"{fake}{os.pathsep}{ROOT}", "HOME": str(folder),
        "GITHUB_TOKEN": "ghs_secret",
    }  # fmt: skip


def answers(free: int = 22800, apps: str = "") -> str:
    return f"""case "$*" in
*--query-gpu=*) echo '{CARD.format(free=free)}';;
*--query-compute-apps=*) printf '%s' '{apps}';;
*) echo "unknown query $*" >&2; exit 2;;
esac"""


def doctor(folder: Path, smi: str | None, *argv: str) -> tuple[int, dict[str, dict[str, str]], str]:
    done = subprocess.run(
        [sys.executable, "-m", "bot", "doctor", "--json", *argv], env=machine(folder, smi), capture_output=True,
        text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}, done.stdout


def test_a_sound_runner(tmp_path: Path) -> None:
    code, checks, text = doctor(tmp_path, answers(), "--runner")
    assert checks["GPU 0"]["found"] == "NVIDIA A10, driver 550.54.14, 22800 of 23028 MiB free"
    assert checks["CUDA"]["state"] == "ok"
    assert checks["processes on the card"]["found"] == "none"
    assert code == 0
    assert "GITHUB_TOKEN" in checks["tokens"]["found"]
    assert "ghs_secret" not in text


@pytest.mark.parametrize(
    ("smi", "sick", "words"),
    [
        (None, "GPU", "not on this machine"),
        ("echo 'NVIDIA-SMI has failed' ; exit 9", "GPU", "NVIDIA-SMI has failed"),
        (answers(free=1000), "GPU 0", "1000 of 23028"),
        (answers(apps="4711, python3, 8000"), "processes on the card", "4711 python3 8000 MiB"),
    ],
)
def test_a_sick_runner_says_what_to_mend(tmp_path: Path, smi: str | None, sick: str, words: str) -> None:
    code, checks, _ = doctor(tmp_path, smi, "--runner")
    assert code == 1
    assert checks[sick]["state"] == "mend"
    assert checks[sick]["mend"]
    assert words in checks[sick]["found"]


def test_a_machine_without_gpu_is_fit_for_cpu(tmp_path: Path) -> None:
    code, checks, _ = doctor(tmp_path, None)
    assert checks["GPU"]["state"] == "note"
    assert code == 0


def test_doctor_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from bot.suite import health; health.examine(runner=True); "
        "print([m for m in ('numpy', 'torch', 'transformers', 'gguf', 'safetensors') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=machine(tmp_path, None), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
