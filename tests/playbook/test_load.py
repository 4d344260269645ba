"""Playbooks that are read, playbooks that are refused, and text that is no playbook at all."""
# ruff: noqa: E501 - a table row reads best on one line

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import UserError
from bot.playbook import Playbook, load
from bot.playbook.model import FailurePolicy

HEAD = "name: a\nmodel: {name: o/m}\n"
ROOT = Path(__file__).parents[2]


def read(folder: Path, text: str | bytes) -> Playbook:
    path = folder / "p.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    return load(path)


def refusal(folder: Path, text: str | bytes) -> list[str]:
    """Return the lines of the error, without the folder."""
    with pytest.raises(UserError) as caught:
        read(folder, text)
    return [line.replace(f"{folder}/", "") for line in str(caught.value).split("\n")]


def test_what_a_short_playbook_means(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD)
    assert (found.name, found.model.name, found.version, found.tier) == ("a", "o/m", "1.0.0", "full")
    assert found.model.formats == ("gguf", "apr", "safetensors")
    assert (found.backends, found.modalities, found.gates) == (("cpu", "gpu"), ("run",), ("*",))
    assert (found.toolchain, found.dtype, found.policy) == ("reference", None, FailurePolicy.COLLECT_ALL)
    assert (found.budgets.convert_s, found.budgets.model_s, found.budgets.memory_bytes) == (1800.0, 900.0, None)


@pytest.mark.parametrize(
    ("text", "where", "value"),
    (
        pytest.param("budgets: {convert_s: 1e2}", "budgets.convert_s", 100.0, id="1e2 is a number"),
        pytest.param("budgets: {convert_s: 2.5E+1}", "budgets.convert_s", 25.0, id="an exponent with a sign"),
        pytest.param("budgets: {memory: 4 GiB}", "budgets.memory_bytes", 2**32, id="a size in binary units"),
        pytest.param("budgets: {disk: 1.5GB}", "budgets.disk_bytes", 1_500_000_000, id="a size in decimal units"),
        pytest.param("budgets: {gpu_memory: 1024}", "budgets.gpu_memory_bytes", 1024, id="a size in bytes"),
        pytest.param("seed: 0x10", "seed", 16, id="hexadecimal"),
        pytest.param("seed: 0o17", "seed", 15, id="octal of YAML 1.2"),
        pytest.param("seed: 017", "seed", 17, id="a leading zero is no octal"),
        pytest.param("backends: cpu", "backends", ("cpu",), id="one value for a list"),
        pytest.param("backends: [gpu, cpu]", "backends", ("cpu", "gpu"), id="backends in the order of reports"),
        pytest.param("prompts: ['yes', no, \"1\"]", "prompts", ("yes", "no", "1"), id="no is a text"),
        pytest.param("failure_policy: stop-on-first", "policy", "stop_on_first", id="a policy with dashes"),
        pytest.param("failure_policy: STOP_ON_P0", "policy", "stop_on_p0", id="a policy in capitals"),
        pytest.param("dtype: Q4_K_M", "dtype", "q4_k_m", id="dtypes in small letters"),
        pytest.param("toolchain: apr", "toolchain", "apr", id="a toolchain by name"),
        pytest.param("toolchain: {name: command, options: {argv: [a]}}", "toolchain_options", {"argv": ["a"]}, id="its options"),
        pytest.param("metadata: {anything: [1, {at: all}]}", "metadata", {"anything": [1, {"at": "all"}]}, id="metadata is free"),
        pytest.param("gates: [F-CONV-*, '!F-PERF-*']", "gates", ("F-CONV-*", "!F-PERF-*"), id="globs"),
        pytest.param("prompts: [a, b, c]\nprompt_limit: 2", "prompts", ("a", "b"), id="a limit on prompts"),
        pytest.param("tier: mvp", "tier", "mvp", id="a tier"),
        # upstream's
        pytest.param("test_matrix: {backends: [cpu], seed: 7}", "seed", 7, id="a seed in test_matrix"),
        pytest.param("test_matrix: {backends: [cpu]}", "backends", ("cpu",), id="backends in test_matrix"),
        pytest.param("test_matrix: {scenario_count: 10}", "prompt_limit", 10, id="scenario_count limits prompts"),
        pytest.param("test_matrix: {timeout_ms: 60000}", "budgets.model_s", 60.0, id="timeout_ms"),
        pytest.param("gates: {g1_model_loads: 'true', g4_output_quality: 'false'}", "gates", ("*", "!G4-VALID"), id="a gateway off"),
        pytest.param("gates: {g1_model_loads: 'true', g4_output_quality: 'false'}", "wanted", ("G1-LOAD",), id="a gateway on"),
        pytest.param("oracles: [{type: garbage}]", "wanted", ("G4-VALID",), id="the garbage oracle"),
        pytest.param("contract_tests: {invariants: [I-2, I-3]}", "wanted", ("F-CONTRACT-I2-*", "F-CONTRACT-I3-*"), id="invariants"),
        pytest.param("differential_tests: {tensor_diff: {enabled: true}}", "wanted", ("F-CONV-?-?",), id="differential tests"),
        pytest.param("differential_tests: {tensor_diff: {enabled: false}}", "wanted", (), id="disabled ones want nothing"),
    ),
)  # fmt: skip
def test_a_key_means(tmp_path: Path, text: str, where: str, value: object) -> None:
    found: object = read(tmp_path, HEAD + text)
    for name in where.split("."):
        found = getattr(found, name)
    assert found == value


@pytest.mark.parametrize(
    ("model", "where", "value"),
    (
        pytest.param("{hf_repo: o/m}", "name", "o/m", id="hf_repo"),
        pytest.param("{name: o/m, local_path: x.gguf}", "path", Path("x.gguf"), id="local_path"),
        pytest.param("{name: o/m, size_category: tiny}", "parameters", 500_000_000, id="size_category"),
        pytest.param("{name: o/m, parameters: 0.5B}", "parameters", 500_000_000, id="parameters"),
        pytest.param("{name: o/m, formats: [apr]}", "formats", ("apr",), id="formats"),
        pytest.param("{name: o/m, expected_num_layers: 24}", "expected", {"num_hidden_layers": 24}, id="expected sizes"),
        pytest.param(f"{{name: o/m, sha256: {'AB' * 32}}}", "sha256", "ab" * 32, id="a hash in capitals"),
    ),
)  # fmt: skip
def test_a_key_of_the_model_means(tmp_path: Path, model: str, where: str, value: object) -> None:
    assert getattr(read(tmp_path, f"name: a\nmodel: {model}\n").model, where) == value


@pytest.mark.parametrize(
    ("name", "tier"),
    (("x-quick", "quick"), ("x-smoke", "quick"), ("x-mvp", "mvp"), ("x", "full"), ("x-mvp-7b", "full")),
)
def test_the_tier_is_read_off_the_name(tmp_path: Path, name: str, tier: str) -> None:
    assert read(tmp_path, f"name: {name}\nmodel: {{name: o/m}}\n").tier == tier


def test_a_hash_binds_only_the_first_format(tmp_path: Path) -> None:
    model = read(tmp_path, f"name: a\nmodel: {{name: o/m, sha256: {'a' * 64}, formats: [apr, gguf]}}\n").model
    assert (model.pinned("apr"), model.pinned("gguf")) == ("a" * 64, None)


KNOWN = (
    "name, version, description, tier, model, toolchain, dtype, backends, modalities, prompts, prompt_limit, seed, gates, "
    "failure_policy, budgets, metadata, test_matrix, oracles, contract_tests, differential_tests"
)
WORD = "letters, digits, dots, dashes and underscores"
SIZE = 'a size such as "4 GiB" or "512 MiB"'
LIMITS = "not used here: limits belong to the gates, see `requalify gates explain ID`; remove it"
GATES = "not used here: choose gates by `gates: [GLOB, ...]`; `requalify gates` lists them"
TOKENS = "tokens are compared with the source's (F-GOLDEN-RULE-001, F-A1..A6); list the texts under `prompts`"


@pytest.mark.parametrize(
    ("text", "line"),
    (
        ("modle: x", "modle: found an unknown key, expected a known one; nearest known key: model"),
        ("toolchian: x", "toolchian: found an unknown key, expected a known one; nearest known key: toolchain"),
        ("qqq: x", f"qqq: found an unknown key, expected a known one; known keys: {KNOWN}"),
        ("budgets: {mem: 1}", "budgets.mem: found an unknown key, expected a known one; nearest known key: memory"),
        ("budgets: {memory: 4 pounds}", f"budgets.memory: found the text '4 pounds', expected {SIZE}"),
        ("budgets: {memory: true}", f"budgets.memory: found true, expected {SIZE}"),
        ("budgets: {convert_s: .inf}", "budgets.convert_s: found .inf, expected a number from 1 to 604800"),
        ("budgets: {convert_s: .nan}", "budgets.convert_s: found .nan, expected a number from 1 to 604800"),
        ("budgets: {convert_s: '1'}", "budgets.convert_s: found the text '1', expected a number from 1 to 604800"),
        ("budgets:", "budgets: found nothing, expected a mapping with keys such as convert_s, model_s, memory, disk"),
        ("version: 1.0", 'version: found 1.0, expected a version such as "1.0.0"; put it in quotes: "1.0"'),
        ("seed: -1", "seed: found -1, expected a whole number from 0 to 4294967295"),
        ("seed: 1.5", "seed: found 1.5, expected a whole number from 0 to 4294967295"),
        ("seed: yes", "seed: found the text 'yes', expected a whole number from 0 to 4294967295"),
        ("seed: 1\nseed: 2", "seed: given again, first on line 3; expected once"),
        ("backends: [cpu, cuda]", "backends[1]: found the text 'cuda', expected one of cpu, gpu"),
        ("backends: [cpu, cpu]", "backends[1]: found the text 'cpu' again, expected each once"),
        ("backends: []", "backends: found an empty list, expected a list of 1 to 100"),
        ("backends: {cpu: true}", "backends: found a mapping, expected a list of 1 to 100"),
        ("dtype: q4_k_x", "dtype: found the text 'q4_k_x', expected one of f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_k, q3_k, q4_k, q5_k, q6_k, q3_k_s, q3_k_m, q3_k_l, q4_k_s, q4_k_m, q5_k_s, q5_k_m; nearest: q4_k_s"),
        ("toolchain: [x]", f"toolchain: found a list, expected {WORD}"),
        ("toolchain: {options: {}}", "toolchain.name: found nothing, expected this key"),
        ("prompts: [42]", 'prompts[0]: found 42, expected a text; put it in quotes: "42"'),
        ("failure_policy: fail-fast", "failure_policy: found the text 'fail-fast', not used here: say stop_on_first, or use --fail-fast"),
        ("failure_policy: collect", "failure_policy: found the text 'collect', expected one of collect_all, stop_on_p0, stop_on_first; nearest: collect_all"),
        ("tier: smoke", "tier: found the text 'smoke', not used here: say quick"),
        ("gates: [a b]", "gates[0]: found the text 'a b', expected a gate or cell such as F-CONV-*, or !F-PERF-* to leave it out, 1 to 200 characters"),
        ("metadata: [1]", "metadata: found a list, expected a mapping"),
        ("backends: [cpu]\ntest_matrix: {backends: [gpu]}", "test_matrix.backends: the same as backends on line 3; expected one of them"),
        ("oracles: [{type: arithmetic}]", f"oracles[0].type: found the text 'arithmetic', not used here: {TOKENS}"),
        ("oracles: [{type: garbage, config: {min_unique_chars: 10}}]", f"oracles[0].config: {LIMITS}"),
        ("property_tests: [{name: x}]", f"property_tests: not used here: {TOKENS}"),
        ("profile_ci: {enabled: true}", "profile_ci: not used here: `tier: mvp` or `full` runs F-PERF-001, which compares with the source in the same run"),
        ("trace_payload: {enabled: true}", "trace_payload: not used here: the first layer that departs is found from tensors; list the text under `prompts`"),
        ("ollama_parity: {}", "ollama_parity: not used here: another engine is a toolchain: `toolchain: {name: command, options: ...}`"),
        ("state_machine: {}", "state_machine: not used here: a run has no states a playbook could set; `--resume` continues one"),
        ("falsification_gates: []", f"falsification_gates: {GATES}"),
        ("verification_gates: []", f"verification_gates: {GATES}"),
        ("kernel_profile: {}", "kernel_profile: not used here: list the texts under `prompts`"),
        ("contract_tests: {invariants: [I-9]}", "contract_tests.invariants[0]: found the text 'I-9', expected one of I-1, I-2, I-3, I-4, I-5; nearest: I-5"),
        ("differential_tests: {inference_compare: {tolerance: 1e-5}}", f"differential_tests.inference_compare.tolerance: {LIMITS}"),
        ("\"\\e[31m\": 1", f"'\\x1b[31m': found an unknown key, expected a known one; known keys: {KNOWN}"),
    ),
)  # fmt: skip
def test_a_mistake_reads(tmp_path: Path, text: str, line: str) -> None:
    (found,) = refusal(tmp_path, HEAD + text)
    where = (HEAD + text).rstrip("\n").count("\n") + 1
    assert found == f"p.yaml:{where}: {line}"


@pytest.mark.parametrize(
    ("text", "lines"),
    (
        pytest.param("", ["p.yaml:1: empty: a playbook needs at least `name` and `model`"], id="empty"),
        pytest.param("# nothing\n", ["p.yaml:1: empty: a playbook needs at least `name` and `model`"], id="only a comment"),
        pytest.param("[1]", ["p.yaml:1: (the playbook): found a list, expected a mapping with keys such as name, version, description, tier"], id="a list"),
        pytest.param("{}", ["p.yaml:1: name: found nothing, expected this key", "p.yaml:1: model: found nothing, expected this key"], id="no keys"),
        pytest.param("name: a\nmodel:\n", ["p.yaml:2: model: found nothing, expected a mapping with keys such as name, path, sha256, formats"], id="no model"),
        pytest.param("name: a\nmodel: {path: x}\n", ["p.yaml:2: model.name: found nothing, expected a Hugging Face name such as Qwen/Qwen2.5-0.5B"], id="no model name"),
        pytest.param("name: a\nmodel: {name: o/m,\n hf_repo: o/m}\n", ["p.yaml:3: model.hf_repo: the same as model.name on line 2; expected one of them"], id="both spellings"),
        pytest.param("name: a\nmodel: {name: m, quantizations: [q4_k_m],\n family: x, size_variant: y}\n", [
            "p.yaml:2: model.name: found the text 'm', expected a Hugging Face name such as Qwen/Qwen2.5-0.5B, 1 to 193 characters",
            "p.yaml:2: model.quantizations: not used here: what the source holds is read from it; `dtype` says what conversions shall produce",
            "p.yaml:3: model.family: not used here: the architecture is read from the source; keep the word under `metadata`",
            "p.yaml:3: model.size_variant: not used here: say `model.parameters`; keep the word under `metadata`",
        ], id="several mistakes by line"),
        pytest.param("name: a\nmodel:\n\tname: o/m\n", ["p.yaml:3: a tab: YAML indents with spaces"], id="a tab"),
        pytest.param("name: a\n---\nname: b\n", ["p.yaml:2: a second document: a playbook is one"], id="two documents"),
        pytest.param("a: &x [1]\nb: *x\n", ["p.yaml:2: the alias *x is not followed: write the value out"], id="an alias"),
        pytest.param("a: !!python/object:os.system x", ["p.yaml:1: the tag 'tag:yaml.org,2002:python/object:os.system' means nothing here"], id="a tag"),
        pytest.param("? [a]\n: 1\n", ["p.yaml:1: a key must be a word"], id="a list as key"),
        pytest.param("name: a: b", ["p.yaml:1: not YAML: mapping values are not allowed here"], id="two colons"),
        pytest.param("name: [a\n", ["p.yaml:2: not YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"], id="an open list"),
        pytest.param("a: \"\\UFFFFFFFF\"", ["p.yaml:1: not YAML: Python int too large to convert to C int"], id="a character beyond Unicode"),
        pytest.param(b"name: a\nmodel: \x00", ["p.yaml:2: the character U+0000 is not allowed in YAML"], id="a NUL"),
        pytest.param(b"name: a\nmodel: \xff", ["p.yaml:2: not UTF-8 text (save the playbook as UTF-8)"], id="not UTF-8"),
        pytest.param("[" * 100_000, ["p.yaml:1: nested deeper than 24 levels"], id="deep nesting"),
        pytest.param("- " * 50_000, ["p.yaml:1: nested deeper than 24 levels"], id="deep nesting in blocks"),
        pytest.param("a" * 300_000, ["p.yaml:1: too long: 300000 characters, at most 262144 are read"], id="long"),
        pytest.param("a" * 2_000_000, ["p.yaml: too long: more than 1048576 bytes (is it a playbook?)"], id="huge"),
    ),
)  # fmt: skip
def test_a_file_is_refused(tmp_path: Path, text: str | bytes, lines: list[str]) -> None:
    assert refusal(tmp_path, text) == lines


def test_a_hundred_mistakes_are_cut_short(tmp_path: Path) -> None:
    lines = refusal(tmp_path, HEAD + "".join(f"key{n}: 1\n" for n in range(100)))
    assert len(lines) == 51
    assert lines[-1] == "p.yaml: and 50 more mistakes"


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, words in (("none", "no such playbook"), (".", "a folder, not a playbook"), ("loop", "cannot be read")):
        with pytest.raises(UserError, match=words):
            load(tmp_path / name)


def test_a_doubled_key_is_found_even_under_metadata(tmp_path: Path) -> None:
    assert refusal(tmp_path, HEAD + "metadata:\n  a: 1\n  a: 2\n") == [
        "p.yaml:5: a: given again, first on line 4; expected once"
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(), st.text(alphabet="nameodl:{}[]-&*!|>'\"\\#%@ \n\t0123.e"), st.binary().map(bytes)))
def test_any_text_is_a_playbook_or_a_users_mistake(tmp_path: Path, text: str | bytes) -> None:
    try:
        read(tmp_path, text)
    except UserError as error:
        assert str(error).startswith(f"{tmp_path}/p.yaml:")


KEYS = st.sampled_from(
    ("name", "model", "model.name", "tier", "gates", "budgets", "memory", "test_matrix", "oracles", "type", "toolchain",
     "contract_tests", "invariants", "differential_tests", "tensor_diff", "enabled", "seed", "prompts", "sha256", "formats")
)  # fmt: skip
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(("gguf", "o/m", "a", "I-2")),
)
TREES = st.recursive(
    LEAVES, lambda t: st.one_of(st.lists(t, max_size=3), st.dictionaries(KEYS, t, max_size=6)), max_leaves=20
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, TREES, max_size=10))
def test_any_tree_is_a_playbook_or_a_users_mistake(tmp_path: Path, tree: object) -> None:
    try:
        read(tmp_path, yaml.safe_dump({"name": "a", "model": {"name": "o/m"}} | tree))  # type: ignore[operator]
    except UserError as error:
        assert str(error).startswith(f"{tmp_path}/p.yaml:")


@pytest.mark.parametrize("path", sorted((ROOT / "playbooks").glob("*.playbook.yaml")), ids=lambda p: p.name)
def test_a_playbook_of_ours_is_named_as_its_file(path: Path) -> None:
    assert f"{load(path).name}.playbook.yaml" == path.name
