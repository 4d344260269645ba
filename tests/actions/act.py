"""Runs the workflow files with act, on this machine and without docker, against the fake GitHub.

act 0.2.89 refuses keys it does not know, so it gets a copy of the workflows without them; the actions of GitHub
are played by `standins/`, and the command is the one this test runs in. What act cannot show (permissions, rules
for forks, chains of workflows, concurrency) is asserted statically in test_static.py.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import tiny
from fake_github import Hub

from bot.toolchains import conversion

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
UNKNOWN = ("  queue: max\n", "cache-mode: none\n")  # keys act refuses
RUNNERS = ("ubuntu-latest", "self-hosted", "linux", "gpu")
PLAYBOOK = """\
name: {name}
version: "1.0.0"
tier: quick
model:
  name: tiny/llama
  path: ../models/tiny.gguf
  formats: [gguf, apr, safetensors]
toolchain: {toolchain}
backends: [cpu]
modalities: [run]
gates: [G0-FORMAT-*, F-CONV-G-A, F-CONV-CARD-001, F-CONV-IDEM-001]
"""


class Repository:
    """A repository that uses requalify, and the events that happen to it."""

    def __init__(self, folder: Path, hub: Hub, url: str, *, gpu: bool = False) -> None:
        self.folder, self.hub, self.url, self.gpu = folder / "repository", hub, url, gpu
        self.artifacts = folder / "artifacts"
        self.scratch = folder
        self._copy_workflows()
        (self.folder / "models").mkdir()
        conversion.convert(tiny.hf(folder / "hf", "llama"), self.folder / "models" / "tiny.gguf")
        self.git("init", "-q", "-b", "main")
        self.playbook("reference")

    def _copy_workflows(self) -> None:
        shutil.copytree(ROOT / ".github", self.folder / ".github")
        self.changed = 0
        for path in (self.folder / ".github" / "workflows").glob("*.yml"):
            text = path.read_text()
            for line in UNKNOWN:
                self.changed += text.count(line)
                text = text.replace(line, "")
            # nothing is installed: the action's own default, below, is the Python this test runs in
            text = text.replace("          python: ${{ inputs.python }}\n", "")
            # a caller without a GPU sets the input `runs-on`; events other than calls cannot
            path.write_text(text if self.gpu else text.replace(', "gpu"]', "]").replace("|| 'gpu'", "|| 'cpu'"))
        action = self.folder / ".github" / "actions" / "requalify" / "action.yml"
        installed = action.read_text().replace('default: ""', f'default: "{sys.executable}"')
        action.write_text(installed.replace(f'default: "{sys.executable}"', 'default: ""', 1))  # `extra` stays empty

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
        done = subprocess.run(["git", *who, *words], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def playbook(self, toolchain: str, *more: str) -> str:
        """Commit a playbook with that toolchain; returns the commit, which the hub then knows."""
        path = self.folder / "playbooks" / "tiny.playbook.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(PLAYBOOK.format(name="tiny", toolchain=toolchain) + "".join(more))
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--allow-empty", "-m", "change")
        sha = self.git("rev-parse", "HEAD")
        self.hub.commits[sha] = len(self.hub.commits) + 1
        self.hub.branches["main"] = sha
        return sha

    def broken(self) -> str:
        """Commit a converter that transposes matrices."""
        argv = [sys.executable, "-m", "bot", "convert", "{source}", "{target}", "--plant", "LAYOUT-002"]
        return self.playbook(json.dumps({"name": "command", "options": {"argv": argv}}))

    def act(self, flow: str, name: str, event: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """Let an event happen to one workflow."""
        shutil.rmtree(self.artifacts, ignore_errors=True)
        path = self.scratch / "event.json"
        path.write_text(json.dumps(event))
        environment = {
            "GITHUB_API_URL": self.url, "GITHUB_REPOSITORY": "o/r", "STANDIN_REPOSITORY": str(self.folder),
            "STANDIN_ARTIFACTS": str(self.artifacts), "RUNNER_TEMP": str(self.scratch / "temp"),
        }  # fmt: skip
        words = [str(BIN / "act"), name, "--workflows", f".github/workflows/{flow}.yml", "--eventpath", str(path)]
        words += [word for label in RUNNERS for word in ("--platform", f"{label}=-self-hosted")]
        words += [word for key, value in environment.items() for word in ("--env", f"{key}={value}")]
        words += [word for given in self._standins() for word in ("--local-repository", given)]
        words += ["--secret", "GITHUB_TOKEN=t0ken", "--concurrent-jobs", "1"]
        own = {**os.environ, "XDG_CACHE_HOME": str(self.scratch / "cache"), "HOME": str(self.scratch)}
        return subprocess.run(words, cwd=self.folder, env=own, capture_output=True, text=True, check=False)

    def _standins(self) -> list[str]:
        text = "\n".join(path.read_text() for path in (ROOT / ".github").rglob("*.yml"))
        pins = sorted(set(re.findall(r"(actions/([\w-]+)@[0-9a-f]{40})", text)))
        return [f"{pin}={HERE / 'standins' / name}" for pin, name in pins if (HERE / "standins" / name).is_dir()]

    def kept(self, run: int, **where: Any) -> list[str]:
        """Hand what was uploaded to the hub, as artifacts of a run; returns their names."""
        for folder in sorted(self.artifacts.iterdir()) if self.artifacts.is_dir() else []:
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w") as archive:
                for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                    archive.write(file, file.relative_to(folder))
            self.hub.keep(run, folder.name, out.getvalue(), **where)
        return sorted(item["name"] for item in self.hub.artifacts.values() if item["workflow_run"]["id"] == run)
