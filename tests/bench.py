"""Ratios measured in one run: `python tests/bench.py`. Two programs alternate, medians are compared.

Absolute times of a shared machine say little; what one program takes for the work of another does.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "requalify"
MODELS = Path(os.environ.get("REQUALIFY_CACHE") or CACHE) / "models"  # where `make models` puts them
SMALL = MODELS / "smollm2-135m-instruct-q4_1.gguf"
LARGE = MODELS / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
ROOT = Path(__file__).parent.parent
TURNS = 5


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def ratio(ours: Callable[[], object], theirs: Callable[[], object], turns: int = TURNS) -> tuple[float, float]:
    """Return the medians of processor seconds, ours and theirs in turn."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(turns)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def opened(path: Path) -> tuple[str, float, float]:
    import gguf

    from bot import formats

    ours, theirs = ratio(lambda: formats.open_checkpoint(path).close(), lambda: gguf.GGUFReader(path), 3)
    return f"open {path.name}, gguf-py as 1", ours, theirs


def compared(path: Path) -> tuple[str, float, float]:
    """Decode both sides of a pair whole and take the relative RMS error: the model with itself, opened twice."""
    import gguf
    import numpy as np

    from bot.compare.diff import compare
    from bot.formats import open_checkpoint
    from bot.formats.view import canonical

    def ours() -> None:
        left = canonical(open_checkpoint(path))
        assert compare(left, canonical(open_checkpoint(path), trusted=left)).agrees

    readers = gguf.GGUFReader(path), gguf.GGUFReader(path)

    def theirs() -> None:
        for one, other in zip(*(reader.tensors for reader in readers), strict=True):
            a, b = (gguf.quants.dequantize(t.data, t.tensor_type) for t in (one, other))
            assert np.sqrt(np.sum((a - b) ** 2, dtype=np.float64)) == 0 < np.sqrt(np.sum(a**2, dtype=np.float64))

    ours_s, theirs_s = ratio(ours, theirs, 3)
    return f"decode and compare {path.name}, gguf-py + numpy as 1", ours_s, theirs_s


def peak(argv: list[str]) -> tuple[float, int]:
    """Run a command under /proc's eye; return wall seconds and peak resident bytes."""
    sys.path.insert(0, str(ROOT))
    from bot import process

    done = process.run(argv, timeout_s=3600, env={"PYTHONPATH": str(ROOT)})
    assert done.exit_code in {0, 1}, done.stderr[-2000:]
    return done.seconds, done.peak_rss


PLANTS = ("", "LAYOUT-002", "ROPE-001", "QUANT-001", "NAME-004:layers=3-9", "VALUE-008:layer=7", "META-001", "TOK-006")


def diagnosed(path: Path, plant: str, scratch: Path) -> str:
    """Plant a defect on the way to APR; return what `diagnose` calls it and what that costs beside `diff`."""
    target = scratch / f"{path.stem}-{plant.replace(':', '-') or 'clean'}.apr"
    planted = ["--plant", plant] if plant else []
    command = [sys.executable, "-m", "bot"]
    made = subprocess.run(
        [*command, "convert", str(path), str(target), *planted], cwd=ROOT, capture_output=True, check=False
    )
    if made.returncode == 2:
        return f"{path.name}, {plant}: {made.stderr.decode().strip()}"
    spent, printed = [], ""
    for words in (["diff"], ["diagnose", "--json"]):
        used = os.times()
        done = subprocess.run([*command, *words, str(path), str(target)], cwd=ROOT, capture_output=True, check=False)
        now = os.times()
        spent.append(now.children_user + now.children_system - used.children_user - used.children_system)
        printed = done.stdout.decode()
    target.unlink()
    told = json.loads(printed)
    causes = ", ".join(f"{c['id']} {c['confidence']} {c['explained']}/{c['suspect']}" for c in told["causes"])
    cost = f"diagnose {spent[1] / spent[0]:.2f} of diff ({spent[1]:.1f} s to {spent[0]:.1f} s)"
    return f"{path.name}, {plant or 'clean'}: {told['verdict']} {causes or '(no cause)'}; {cost}"


def lines(scratch: Path, *, whole: bool) -> Iterator[str]:
    for path in (SMALL, LARGE):
        if not path.is_file():
            yield f"{path} is not there: run `make models`"
            continue
        for measure in (opened, compared):
            what, ours, theirs = measure(path)
            yield f"{what}: {ours / theirs:.2f} ({ours:.2f} s to {theirs:.2f} s)"
    if LARGE.is_file():
        other = scratch / "large.apr"
        subprocess.run([sys.executable, "-m", "bot", "convert", str(LARGE), str(other)], check=True, cwd=ROOT)
        took, resident = peak([sys.executable, "-m", "bot", "diff", str(LARGE), str(other)])
        size = LARGE.stat().st_size + other.stat().st_size
        what = f"diff of {LARGE.name} and its APR"
        yield f"{what}: peak {resident / 2**20:.0f} MiB, {resident / size:.2f} of the files, {took:.0f} s"
    for path in filter(Path.is_file, (SMALL, LARGE)):
        for plant in PLANTS:
            yield diagnosed(path, plant, scratch)
    if whole and SMALL.is_file():
        book = ROOT / "playbooks" / "smollm2-135m-quick.playbook.yaml"
        argv = [sys.executable, "-m", "bot", "run", str(book), "--model", str(SMALL), "--out", str(scratch / "out")]
        used = os.times()
        took, _ = peak(argv)
        now = os.times()
        spent = now.children_user + now.children_system - used.children_user - used.children_system
        yield f"quick playbook of {SMALL.name}: {took:.0f} s, {spent:.0f} s of processor time"


def main() -> None:
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-run", action="store_true", help="leave the whole playbook out")
    asked = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory(prefix="requalify-bench-") as scratch:
        for line in lines(Path(scratch), whole=not asked.no_run):
            print(line, flush=True)


if __name__ == "__main__":
    main()
