"""The exported schema is current, agrees with the reader, and the table of keys leaves none out."""
# ruff: noqa: E501 - a table row reads best on one line

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bot.errors import UserError
from bot.playbook import load
from bot.playbook.schema import MODEL, PLAYBOOK, json_schema
from bot.playbook.shapes import Record, Refused

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


def test_the_exported_schema_is_current() -> None:
    exported = (PLAYBOOKS / "playbook.schema.json").read_text()
    assert exported == json.dumps(json_schema(), indent=2) + "\n", (
        "python -m bot.playbook > playbooks/playbook.schema.json"
    )


@pytest.mark.parametrize(
    "more",
    (
        {}, {"modle": 1}, {"seed": -1}, {"seed": 2}, {"backends": ["cpu", "cpu"]}, {"backends": "gpu"}, {"trace_payload": {}},
        {"budgets": {"convert_s": 0}}, {"budgets": {"memory": "4 GiB"}}, {"gates": {"g1_model_loads": "true"}}, {"gates": ["a b"]},
        {"toolchain": {"name": "x", "options": {}}}, {"toolchain": {}}, {"metadata": {"x": 1}}, {"metadata": 1}, {"model": {"hf_repo": "o/m"}},
        {"model": {"name": "o/m", "family": "x"}}, {"oracles": [{"type": "garbage"}]}, {"oracles": [{"type": "arithmetic"}]},
    ),
    ids=str,
)  # fmt: skip
def test_editor_and_reader_agree(tmp_path: Path, more: dict[str, Any]) -> None:
    told = {"name": "a", "model": {"name": "o/m"}, **more}
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(told))
    try:
        load(path)
    except UserError:
        read = False
    else:
        read = True
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(told) == read


def test_the_table_of_keys_leaves_none_out() -> None:
    text = (PLAYBOOKS / "README.md").read_text()
    missing = [name for record in (PLAYBOOK, MODEL) for name in record.fields if name not in text]
    matrix, refused = (
        PLAYBOOK.fields["test_matrix"],
        [n for n, kind in PLAYBOOK.fields.items() if isinstance(kind, Refused)],
    )
    assert isinstance(matrix, Record)
    missing += [name for name in matrix.fields if name not in text]
    assert not missing
    rows = {line.split("|")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for name in refused:
        assert any(f"`{name}`" in keys and "refused" in line for keys, line in rows.items()), name
