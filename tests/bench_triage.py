"""How often triage names the right cause: plants defects in conversions of tiny models and diagnoses them.

    python tests/bench_triage.py [--seed N] [--quick] [--only CAUSE,...] [--arch NAME,...] [--out FILE]

Every plantable cause meets every architecture in some pairs of formats and element types, drawn by the seed; so do
faults limited to one layer, one head or one tensor, pairs of causes, and conversions with nothing wrong at all.
Writes tests/bench_triage.md. What is true of a case is measured, not declared: a tensor was hit when the planted
conversion holds other values than the same conversion without the plant.
"""

import argparse
import dataclasses
import itertools
import random
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import tiny  # noqa: E402
from formats import ggml  # noqa: E402

from bot.errors import UserError  # noqa: E402
from bot.formats import open_checkpoint  # noqa: E402
from bot.formats.view import canonical  # noqa: E402
from bot.records import CauseKind  # noqa: E402
from bot.toolchains import conversion, writing  # noqa: E402
from bot.toolchains.plants import NothingToPlantError, parse, plantable  # noqa: E402
from bot.triage import hypotheses, investigate  # noqa: E402

# name -> (what tests/tiny.py calls it, changes): GQA with two groups wherever the architecture has groups
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {"num_attention_heads": 4, "num_key_value_heads": 2}),
    "qwen2": ("qwen2", {"num_attention_heads": 4, "num_key_value_heads": 2}),
    "qwen3": ("qwen3", {}),
    "gemma3": ("gemma3", {}),
    "phi3": ("phi3", {"num_attention_heads": 4, "num_key_value_heads": 2}),
    "gpt2": ("gpt2", {}),
    "mixtral": ("mixtral", {}),
}
Q4_K = 12  # ggml's number
# widths K-quants can hold
WIDE = {"hidden_size": 256, "intermediate_size": 256, "n_embd": 256, "n_inner": 256}
# source, its element type, target, element type asked for
CONFIGS: tuple[tuple[str, str, str, str | None], ...] = (
    ("hf", "f32", "gguf", None), ("hf", "f32", "gguf", "q8_0"), ("hf", "f32", "gguf", "q4_0"),
    ("hf", "f32", "gguf", "f16"), ("hf", "bf16", "gguf", None), ("hf", "bf16", "gguf", "q8_0"),
    ("hf", "f32", "gguf", "bf16"), ("hf", "f16", "apr", None), ("hf", "f32", "apr", None),
    ("hf", "f32", "apr", "bf16"), ("gguf", "f32", "safetensors", None), ("gguf", "q8_0", "safetensors", None),
    ("gguf", "q4_0", "apr", None), ("gguf", "bf16", "safetensors", None), ("gguf", "f16", "apr", None),
    ("gguf", "q4_k", "apr", None), ("gguf", "q4_k", "safetensors", None), ("gguf", "q4_k", "gguf", None),
    ("apr", "f32", "gguf", None), ("apr", "bf16", "safetensors", None), ("apr", "f32", "gguf", "q4_0"),
)  # fmt: skip
SUFFIX = {"gguf": ".gguf", "apr": ".apr", "safetensors": ".safetensors"}
TORCH = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
# causes of tensors, whose set of tensors can be held against what was hit
ON_TENSORS = ("LAYOUT", "ROPE-001", "ROPE-002", "ROPE-003", "VALUE", "ARCH", "DTYPE", "QUANT", "NAME-004", "NAME-006")
Config = tuple[str, str, str, str | None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One conversion with what was planted in it."""

    family: str  # "single", "limited", "pair", "clean"
    arch: str
    config: Config
    plants: tuple[str, ...]

    @property
    def causes(self) -> tuple[str, ...]:
        return tuple(text.partition(":")[0] for text in self.plants)

    def __str__(self) -> str:
        source, held, target, asked = self.config
        return (
            f"{' + '.join(self.plants) or 'nothing'} in {self.arch}, {source} {held} to {target} {asked or ''}".strip()
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a diagnosis made of a case."""

    case: Case
    found: tuple[str, ...]  # ids by rank
    defects: tuple[str, ...]
    exact: bool | None  # the set of tensors is the one that was hit; None where tensors are not the point
    note: str
    seconds: float

    @property
    def named(self) -> bool:
        causes = self.case.causes
        if not causes:
            return not self.defects
        if len(causes) > 1:
            return set(causes) <= set(self.found)
        if hypotheses.ALL[causes[0]].KIND is CauseKind.CLEARS:
            # what a rounding hides is cleared as rounding
            return bool(self.found) and not self.defects
        return self.found[:1] == causes


def twin(result: Result) -> str:
    """Return why the answer to a case is as true as what was planted; "" where it is not."""
    case, found = result.case, set(result.found)
    _, held, target, _ = case.config
    planted, wheres = set(case.causes), {text.partition(":")[2] for text in case.plants}
    if planted == {"DTYPE-007"} and held.startswith("q") and result.found[:1] == ("DTYPE-006",):
        return "to narrow what is quantized is to quantize it twice"
    if planted == {"DTYPE-004", "DTYPE-007"} and held == "f16" and len(wheres) == 1 and "DTYPE-004" in found:
        return "one wrong choice of encoder leaves the same bytes under the same label"
    if planted == {"LAYOUT-001", "LAYOUT-010"} and len(wheres) == 1 and "LAYOUT-002" in found:
        return "an array written by its memory under the reversed shape is the transposed array"
    if "DTYPE-003" in planted and planted - {"DTYPE-003"} | {"QUANT-008"} <= found:
        return "numbers lost below the rounding of the result's type are cleared as its rounding"
    others = planted - {"LAYOUT-002"}
    if len(others) < len(planted) and target == "safetensors" and others | {"LAYOUT-010"} <= found:
        return "transposed data and an array written by its memory leave the same bytes"
    return ""


# what no experiment on the files can decide, and why
UNDECIDABLE = """
- LAYOUT-010 and LAYOUT-002 in a SafeTensors result whose shapes are right: transposed data and an array written by
  its memory leave the same bytes. LAYOUT-010 leads, the other stays on record, and neither is HIGH. In the other two
  formats writers serialise in C order, so only LAYOUT-002 is left.
- LAYOUT-002 on square matrices only: with and without the shape it is one array. Matrices that are not square decide.
- A transpose of a symmetric matrix, a re-ordering of constants, an exchange of equal tensors: nothing differs, so
  nothing is wrong, and nothing is claimed.
- ROPE-002 by a head count whose order agrees with the right one on all rows that are wrong.
- VALUE-005 where a row is one block, and VALUE-007 by rows: one number a row either way, called VALUE-007.
- VALUE-008 on top of anything else on one tensor: a constant carries no trace of what it replaced.
- DTYPE-003 below the rounding of the result's type: cleared as QUANT-008, which is as true.
- DTYPE-007 and QUANT-008 for whoever does not know what was asked for; the bench knows, as a run does.
- DTYPE-007 of a source that is quantized: to narrow its values is to quantize them twice, DTYPE-006.
- DTYPE-007 from float16 to bfloat16 and then DTYPE-004 back to the old label: one wrong choice of encoder leaves the
  same bytes under the same label, and is DTYPE-004 alone.
- VALUE-005, VALUE-006 and VALUE-007 together on one tensor: what each adapts to, another's numbers may take up.
"""


class Bench:
    """Models and clean conversions, made once each in a folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.hit: dict[tuple[str, str], set[str]] = {}

    def source(self, arch: str, config: Config) -> Path:
        kind, held, _, _ = config
        name, changes = ARCHITECTURES[arch]
        wide = held == "q4_k"
        floats = held if held in TORCH else "f32"
        hf = self.folder / f"{arch}-{floats}{'-wide' if wide else ''}"
        if not hf.exists():
            sizes = {k: v for k, v in WIDE.items() if wide and k.startswith("n_") == (arch == "gpt2")}
            tiny.hf(hf, name, dtype=TORCH[floats], seed=self.seed, **{**changes, **sizes})
        if kind == "hf":
            return hf
        made = self.folder / f"{arch}-{held}{SUFFIX[kind]}"
        if not made.exists():
            if wide:
                _q4_k(hf, made)
            else:
                conversion.convert(hf, made, dtype=None if held in TORCH else held)
        return made

    def clean(self, arch: str, config: Config) -> Path:
        made = self.folder / "clean" / "-".join(str(part) for part in (arch, *config)) / f"model{SUFFIX[config[2]]}"
        if not made.exists():
            made.parent.mkdir(parents=True)
            conversion.convert(self.source(arch, config), made, dtype=config[3])
        return made

    def planted(self, case: Case) -> Path | None:
        """Convert with the plants; None when one of them finds nothing to change."""
        folder = self.folder / "planted"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        made = folder / f"model{SUFFIX[case.config[2]]}"
        try:
            conversion.convert(
                self.source(case.arch, case.config), made, dtype=case.config[3], plants=[parse(t) for t in case.plants]
            )
        except NothingToPlantError:
            return None
        except (ValueError, UserError):
            if len(case.plants) > 1:
                return None  # two plants that write one tensor's bytes cannot be written together
            raise
        return made

    def traceless(self, case: Case) -> bool:
        """Tell whether one of two plants changes nothing beside the other: what is rounded cannot be cut, say."""
        both = self.planted(case)
        held = both.read_bytes() if both else b""
        alone = (self.planted(dataclasses.replace(case, plants=(plant,))) for plant in case.plants)
        return any(path is not None and path.read_bytes() == held for path in alone)

    def run(self, case: Case) -> Result | None:
        source = self.source(case.arch, case.config)
        result = self.planted(case) if case.plants else self.clean(case.arch, case.config)
        if result is None:
            return None
        hit = self.differing(source, self.clean(case.arch, case.config), result) if case.plants else set()
        if len(case.plants) == 1:
            self.hit[case.arch, case.plants[0]] = hit
        if not hit and case.causes and all(cause.startswith(ON_TENSORS) for cause in case.causes):
            return None  # cut, narrowed or moved twice, every value is what it was
        started = time.process_time()
        done = investigate.diagnose(source, result, asked=case.config[3] or "")
        seconds = time.process_time() - started
        found = tuple(f.id for f in done.findings)
        defects = tuple(f.id for f in done.findings if f.kind is not CauseKind.CLEARS)
        own = [set(f.tensors) for f in done.findings if f.id in case.causes]
        counted = hit and defects and case.causes and all(c.startswith(ON_TENSORS) for c in case.causes)
        exact = set().union(*own) == hit if counted else None
        note = (
            ""
            if exact is not False
            else f"{len(set().union(*own) - hit)} too many, {len(hit - set().union(*own))} missed"
        )
        made = Result(case=case, found=found, defects=defects, exact=exact, note=note, seconds=seconds)
        return None if len(case.plants) > 1 and not made.named and self.traceless(case) else made

    def differing(self, source: Path, clean: Path, planted: Path) -> set[str]:
        """Return the tensors the plants changed, read in the conventions of the source."""
        trusted = canonical(open_checkpoint(source))
        try:
            one, other = (canonical(open_checkpoint(path), trusted=trusted) for path in (clean, planted))
        except UserError:
            return set()
        hit = set()
        for name, slot in one.tensors.items():
            theirs = other.tensors.get(name)
            if theirs is None or slot.shape != theirs.shape or not _same(one.values(name), other.values(name)):
                hit.add(name)
        return hit


def _same(x: np.ndarray, y: np.ndarray) -> bool:
    return bool(np.array_equal(x, y, equal_nan=True))


def _q4_k(hf: Path, target: Path) -> None:
    """Write a GGUF with Q4_K matrices by ggml's own quantizer; the rest as the converter has it."""
    draft = conversion.draft_of(canonical(open_checkpoint(hf)), "gguf", None)

    def quantized(tensor: Any) -> Any:
        if not tensor.is_matrix or tensor.shape[-1] % 256 or tensor.hf.endswith(("wpe.weight", "gate.weight")):
            return tensor
        rows = np.ascontiguousarray(tensor.values().reshape(-1, tensor.shape[-1]))
        data = ggml.quantize(Q4_K, rows, rows.size // 256 * 144)
        return dataclasses.replace(tensor, dtype="Q4_K", packed=lambda: data)

    writing.write(dataclasses.replace(draft, tensors=tuple(quantized(t) for t in draft.tensors)), target)


def cases(bench: Bench, archs: Sequence[str], causes: Sequence[str], *, quick: bool) -> Iterator[tuple[Case, int]]:
    """Yield cases with the number of them that should apply; the runner stops a group when so many did."""
    for arch in archs:
        for config in CONFIGS[:: 4 if quick else 1]:
            yield Case(family="clean", arch=arch, config=config, plants=()), 999
    for arch, cause in itertools.product(archs, causes):
        drawn = random.Random(f"{bench.seed} {arch} {cause}")
        if quick and drawn.random() > 0.12:
            continue
        for config in drawn.sample(CONFIGS, len(CONFIGS)):
            yield Case(family="single", arch=arch, config=config, plants=(cause,)), 1 if quick else 2
    on_tensors = [cause for cause in causes if cause.startswith(ON_TENSORS)]
    for arch, cause in itertools.product(archs, on_tensors):
        drawn = random.Random(f"{bench.seed} {arch} {cause} limited")
        if quick and drawn.random() > 0.08:
            continue
        hit = sorted(bench.hit.get((arch, cause), ()))
        tensor = drawn.choice(hit) if len(hit) > 1 else "layer=0"
        for where in drawn.sample(("layer=1", "head=0", tensor), 2):
            yield Case(family="limited", arch=arch, config=drawn.choice(CONFIGS), plants=(f"{cause}:{where}",)), 1
    drawn = random.Random(f"{bench.seed} pairs")
    for number in range(20 if quick else 400):
        one, other = drawn.sample(on_tensors, 2) if len(on_tensors) > 1 else (causes[0], causes[0])
        halves = (":layer=0", ":layer=1") if number % 2 else ("", "")
        plants, arch = (one + halves[0], other + halves[1]), drawn.choice(archs)
        for config in drawn.sample(CONFIGS, 6):  # most pairs meet in few of them
            yield Case(family="pair", arch=arch, config=config, plants=plants), 1


def measure(
    folder: Path, *, seed: int = 0, quick: bool = False, archs: Sequence[str] = (), causes: Sequence[str] = ()
) -> list[Result]:
    """Run the bench and return every result."""
    bench = Bench(folder, seed)
    done: list[Result] = []
    counts: dict[tuple[str, str, tuple[str, ...]], int] = defaultdict(int)
    for case, most in cases(bench, list(archs or ARCHITECTURES), list(causes or plantable()), quick=quick):
        group = (case.family, case.arch, case.plants)
        if counts[group] >= most:
            continue
        result = bench.run(case)
        if result is not None:
            counts[group] += 1
            done.append(result)
            if wrong(result):
                print(line(result), file=sys.stderr, flush=True)
    return done


def wrong(result: Result) -> bool:
    return not result.named or result.exact is False


def line(result: Result) -> str:
    note = f"; {result.note}" if result.note else ""
    return f"- {result.case}: found {', '.join(result.found) or 'nothing'}{note}"


def rate(results: Sequence[Result]) -> float:
    return sum(r.named for r in results) / len(results) if results else 1.0


def exactness(results: Sequence[Result]) -> float:
    counted = [r.exact for r in results if r.exact is not None]
    return sum(counted) / len(counted) if counted else 1.0


def of(results: Sequence[Result], *families: str) -> list[Result]:
    return [r for r in results if r.case.family in families]


def table(results: Sequence[Result], seed: int, *, quick: bool = False) -> str:
    """Return the results as Markdown."""
    twins = [r for r in results if wrong(r) and twin(r)]
    results = [r for r in results if r not in twins]
    singles, pairs, clean = of(results, "single", "limited"), of(results, "pair"), of(results, "clean")
    words = f"--seed {seed}{' --quick' if quick else ''}"
    limited, counted = of(results, "limited"), sum(r.exact is not None for r in singles)
    lines = [
        "# Does triage name the right cause?", "",
        f"Written by `python tests/bench_triage.py {words}`; what each number means is said there. In each",
        "architecture a cause is planted in up to two of the 21 conversions, and limited to a part in up to two more;",
        "pairs of causes are drawn. All draws are by the seed.", "",
        "| | cases | rate |", "|---|---|---|",
        f"| the planted cause is named first | {len(singles)} | {rate(singles):.1%} |",
        f"| with exactly the tensors that were hit | {counted} | {exactness(singles):.1%} |",
        f"| of them limited to a layer, a head or a tensor | {len(limited)} | {rate(limited):.1%} |",
        f"| both of two planted causes are named | {len(pairs)} | {rate(pairs):.1%} |",
        f"| no defect in a conversion without one | {len(clean)} | {rate(clean):.1%} |",
        "", "## Named first, by cause and architecture", "",
        "| cause | " + " | ".join(ARCHITECTURES) + " |", "|---|" + "---|" * len(ARCHITECTURES),
    ]  # fmt: skip
    for cause in sorted({r.case.causes[0] for r in singles}):
        cells = [[r for r in singles if r.case.causes[0] == cause and r.case.arch == arch] for arch in ARCHITECTURES]
        lines.append(
            f"| {cause} | " + " | ".join(f"{sum(r.named for r in c)}/{len(c)}" if c else "" for c in cells) + " |"
        )
    missed = [r for r in results if wrong(r)]
    lines += ["", f"## Misses: {len(missed)}", ""]
    lines += [line(r) for r in missed]
    lines += ["", "## What cannot be told apart", "", UNDECIDABLE.strip()]
    if twins:
        lines += ["", f"Met here and counted in no rate, {len(twins)}:", ""]
        lines += [f"{line(r)} ({twin(r)})" for r in twins]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--arch", default="")
    parser.add_argument("--out", type=Path, default=ROOT / "tests" / "bench_triage.md")
    asked = parser.parse_args()
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(
            Path(folder), seed=asked.seed, quick=asked.quick, archs=[a for a in asked.arch.split(",") if a],
            causes=[c for c in asked.only.split(",") if c],
        )  # fmt: skip
    text = table(results, asked.seed, quick=asked.quick)
    asked.out.write_text(text)
    print(text.partition("## Named")[0])
    print(f"{len(results)} cases, {time.process_time() - started:.0f} s of one core; slowest:")
    for r in sorted(results, key=lambda r: -r.seconds)[:8]:
        print(f"  {r.seconds:.1f} s  {r.case}")


if __name__ == "__main__":
    main()
