"""What no stand-in can show about the workflows is read off their text: triggers, permissions, pins, interpolation."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
FLOWS = {path.stem: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
EXAMPLE = ROOT / "docs" / "example" / "qualify.yml"
BAD = HERE / "bad.yml"
BIN = Path(sys.executable).parent

# workflow -> job -> permissions: the table of docs/security.md
PERMISSIONS: dict[str, dict[str, dict[str, str]]] = {
    "ci": {"test": {"contents": "read"}},
    "qualify": {"plan": {"contents": "read", "actions": "read"}, "qualify": {"contents": "read"}},
    "publish": {
        "publish": {
            "contents": "read", "actions": "read", "checks": "write", "issues": "write", "pull-requests": "write",
            "statuses": "write",
        }
    },
    "requalify": {
        "handle": {"contents": "read", "actions": "write", "issues": "write", "pull-requests": "write"}
    },
    "watchdog": {"watch": {"contents": "read", "actions": "read"}},
}  # fmt: skip
TRIGGERS = {
    "ci": {"push", "pull_request"},
    "qualify": {"pull_request", "schedule", "workflow_dispatch", "workflow_call"},
    "publish": {"workflow_run", "workflow_call"},
    "requalify": {"issue_comment", "workflow_call"},
    "watchdog": {"schedule", "workflow_dispatch"},
}
HOSTED = {"ci": {"test"}, "qualify": {"plan"}, "publish": {"publish"}, "requalify": {"handle"}, "watchdog": {"watch"}}


def load(path: Path) -> dict[str, Any]:
    flow = yaml.safe_load(path.read_text())
    flow["on"] = flow.pop(True, flow.get("on"))  # YAML 1.1 reads the key `on` as a truth value
    return flow


def triggers(flow: dict[str, Any]) -> set[str]:
    return set(flow["on"]) if isinstance(flow["on"], (dict, list)) else {flow["on"]}


def steps(flow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in flow["jobs"].values():
        yield from job.get("steps", [])


def broken_rules(path: Path) -> set[str]:
    """Name every rule of ours that a workflow breaks."""
    flow, found = load(path), set[str]()
    if flow.get("permissions") != {}:
        found.add("permissions at the top")
    if flow.get("cache-mode") != "none":
        found.add("cache")
    if "concurrency" not in flow and path != EXAMPLE:
        found.add("concurrency")
    if "pull_request_target" in triggers(flow):
        found.add("pull_request_target")
    if flow["on"].get("issue_comment", {"types": ["created"]}).get("types") != ["created"]:
        found.add("comments other than created ones")
    for job in flow["jobs"].values():
        if not isinstance(job.get("permissions"), dict):
            found.add("permissions of a job")
        if "timeout-minutes" not in job and "uses" not in job:
            found.add("timeout")
    for step in steps(flow):
        uses = step.get("uses", "")
        if uses and not uses.startswith("./") and not re.search(r"@[0-9a-f]{40}$", uses):
            found.add("pins")
        if uses.startswith("actions/checkout@") and step.get("with", {}).get("persist-credentials") is not False:
            found.add("credentials")
        if "${{" in step.get("run", ""):
            found.add("interpolation")
        if re.search(r"GITHUB_(ENV|PATH)", step.get("run", "")):
            found.add("environment files")
        if "pull_request" in str(step.get("with", {}).get("ref", "")):
            found.add("a foreign checkout")
    if "github.actor" in path.read_text():
        found.add("actor")
    return found


@pytest.mark.parametrize("name", [*FLOWS, "example"])
def test_a_workflow_breaks_no_rule(name: str) -> None:
    assert broken_rules(FLOWS.get(name, EXAMPLE)) == set()


def test_the_rules_see_a_workflow_that_breaks_them() -> None:
    assert broken_rules(BAD) == {
        "permissions at the top", "cache", "concurrency", "pull_request_target", "comments other than created ones",
        "permissions of a job", "timeout", "pins", "credentials", "interpolation", "environment files",
        "a foreign checkout", "actor",
    }  # fmt: skip


def test_permissions_and_triggers_are_those_of_the_table() -> None:
    assert {name: triggers(load(path)) for name, path in FLOWS.items()} == TRIGGERS
    found = {
        name: {job: told["permissions"] for job, told in load(path)["jobs"].items()} for name, path in FLOWS.items()
    }
    assert found == PERMISSIONS


def test_what_may_write_runs_on_hosted_machines_and_checks_out_nothing_but_requalify() -> None:
    for name, path in FLOWS.items():
        flow = load(path)
        hosted = {job for job, told in flow["jobs"].items() if told["runs-on"] == "ubuntu-latest"}
        assert hosted == HOSTED[name]
        writing = [job for job in flow["jobs"].values() if "write" in job["permissions"].values()]
        for step in (step for job in writing for step in job["steps"]):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["path"] == ".requalify"
                assert "job.workflow_sha" in step["with"]["ref"]


def test_the_job_that_runs_foreign_code_gets_no_token_and_no_secret() -> None:
    text = FLOWS["qualify"].read_text()
    assert "secrets" not in text
    qualify = load(FLOWS["qualify"])["jobs"]["qualify"]
    assert "token" not in str(qualify)
    assert load(FLOWS["qualify"])["jobs"]["qualify"]["runs-on"].count("self-hosted") == 1


def test_no_report_and_no_command_is_lost_to_concurrency() -> None:
    for name in ("publish", "requalify"):
        assert load(FLOWS[name])["concurrency"] | {"group": ""} == {
            "group": "", "cancel-in-progress": False, "queue": "max",
        }  # fmt: skip


def test_an_action_has_one_pin_and_one_version_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in [*FLOWS.values(), *(ROOT / ".github" / "actions").rglob("action.yml")]:
        for name, pin, version in re.findall(r"uses: (actions/[\w-]+)@([0-9a-f]{40}) # (v[\d.]+)", path.read_text()):
            pins.setdefault(name, set()).add(f"{pin} {version}")
    assert set(pins) == {"actions/checkout", "actions/setup-python", "actions/upload-artifact"}
    assert all(len(found) == 1 for found in pins.values())


def test_dispatching_and_calling_take_the_same_inputs() -> None:
    on = load(FLOWS["qualify"])["on"]
    assert set(on["workflow_dispatch"]["inputs"]) <= set(on["workflow_call"]["inputs"])
    example = load(EXAMPLE)
    passed = set(example["jobs"]["qualify"]["with"])
    assert passed == set(example["on"]["workflow_dispatch"]["inputs"])
    assert passed <= set(on["workflow_call"]["inputs"])


def test_the_example_is_short_and_asks_for_what_the_workflows_need() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 25
    jobs = load(EXAMPLE)["jobs"]
    assert jobs["publish"]["permissions"] == PERMISSIONS["publish"]["publish"]
    assert jobs["command"]["permissions"] == PERMISSIONS["requalify"]["handle"]
    assert jobs["qualify"]["permissions"] == PERMISSIONS["qualify"]["plan"]


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False, cwd=ROOT)


def test_actionlint_and_the_schema_find_nothing() -> None:
    config = ROOT / ".github" / "actionlint.yaml"
    linted = run(BIN / "actionlint", "-config-file", config, *FLOWS.values(), EXAMPLE)
    assert (linted.returncode, linted.stdout) == (0, "")
    checked = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *FLOWS.values(), EXAMPLE)
    assert checked.returncode == 0, checked.stdout
    action = ROOT / ".github" / "actions" / "requalify" / "action.yml"
    checked = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.github-actions", action)
    assert checked.returncode == 0, checked.stdout


def audits(*paths: Path, config: Path | None = None) -> set[str]:
    """Name the audits that find something; a linter that did not work is no clean bill."""
    options = ["--config", config] if config else ["--no-config"]
    done = run(BIN / "zizmor", "--offline", "--persona", "auditor", "--format", "json-v1", *options, *paths)
    # 0: nothing found; 11 to 14: found, by the gravest; anything else: it failed
    assert done.returncode in (0, 11, 12, 13, 14), done.stderr
    found = {finding["ident"] for finding in json.loads(done.stdout)}
    assert bool(found) == (done.returncode != 0)
    return found


def test_zizmor_finds_only_what_is_answered_in_the_documentation() -> None:
    assert audits(ROOT / ".github", config=ROOT / ".github" / "zizmor.yml") == set()
    assert audits(ROOT / ".github") == {"dangerous-triggers", "self-hosted-runner", "self-repository"}
    documented = (ROOT / "docs" / "security.md").read_text()
    assert all(name in documented for name in ("dangerous-triggers", "self-hosted-runner", "self-repository"))
    assert audits(EXAMPLE) == {"dangerous-triggers"}


def test_zizmor_and_actionlint_see_the_bad_workflow() -> None:
    assert {"template-injection", "excessive-permissions", "unpinned-uses", "artipacked", "bot-conditions"} <= audits(
        BAD
    )
    assert run(BIN / "actionlint", BAD).returncode == 1
