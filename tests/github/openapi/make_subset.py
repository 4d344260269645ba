"""Makes `subset.json`: the operations the bot uses, cut from GitHub's own OpenAPI description, prose left out.

npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-23.0.2.tgz
python tests/github/openapi/make_subset.py package/generated/api.github.com.json tests/github/openapi/subset.json
"""

import json
import sys
from pathlib import Path
from typing import Any

OPERATIONS = {
    "/repos/{owner}/{repo}/issues": ("get", "post"),
    "/repos/{owner}/{repo}/issues/{issue_number}": ("get", "patch"),
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": ("get", "post"),
    "/repos/{owner}/{repo}/issues/{issue_number}/labels": ("post",),
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": ("get", "patch"),
    "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions": ("get", "post"),
    "/repos/{owner}/{repo}/check-runs": ("post",),
    "/repos/{owner}/{repo}/check-runs/{check_run_id}": ("patch",),
    "/repos/{owner}/{repo}/commits/{ref}/check-runs": ("get",),
    "/repos/{owner}/{repo}/statuses/{sha}": ("post",),
    "/repos/{owner}/{repo}/compare/{basehead}": ("get",),
    "/repos/{owner}/{repo}/branches": ("get",),
    "/repos/{owner}/{repo}/collaborators/{username}/permission": ("get",),
    "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches": ("post",),
    "/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts": ("get",),
    "/repos/{owner}/{repo}/actions/artifacts": ("get",),
    "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}": ("get",),
    "/repos/{owner}/{repo}/pulls": ("get",),
    "/repos/{owner}/{repo}/pulls/{pull_number}": ("get",),
}
PROSE = {"description", "summary", "externalDocs", "examples", "example", "x-github", "title", "tags", "x-webhooks"}


def strip(value: Any, *, names: bool = False) -> Any:
    """Drop prose; under `properties` the keys are field names, among them `description` and `title`."""
    if isinstance(value, dict):
        return {
            key: strip(item, names=key in {"properties", "schemas", "parameters", "responses", "headers"})
            for key, item in value.items()
            if names or key not in PROSE
        }
    return [strip(item) for item in value] if isinstance(value, list) else value


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    return set().union(*(references(item) for item in value)) if isinstance(value, list) else set()


def subset(whole: dict[str, Any]) -> dict[str, Any]:
    paths = {path: {verb: strip(whole["paths"][path][verb]) for verb in verbs} for path, verbs in OPERATIONS.items()}
    components: dict[str, dict[str, Any]] = {}
    todo = references(paths)
    while todo:
        reference = todo.pop()
        kind, name = reference.removeprefix("#/components/").split("/")
        if name in components.get(kind, {}):
            continue
        found = strip(whole["components"][kind][name])
        components.setdefault(kind, {})[name] = found
        todo |= references(found)
    return {
        "openapi": whole["openapi"],
        "info": {"version": whole["info"]["version"]},
        "paths": paths,
        "components": components,
    }


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(json.dumps(subset(json.loads(source.read_text())), separators=(",", ":"), sort_keys=True) + "\n")
