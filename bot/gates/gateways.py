"""Gateways: files that keep their formats' laws, agree with themselves, load and answer."""

from collections.abc import Callable

from bot.gates._gate import Data, Gate, Ruling, count, field
from bot.records import Severity

EVERY = ("*",)


def sound_file(faults: Data) -> Ruling:
    """The file keeps every law of its format.

    Why it matters: readers forgive different things; a file that breaks a law runs here and dies there.

    If it fails: `requalify inspect FILE` names each broken law and where in the file it is.
    """
    found = field(faults, "faults", list)
    words = "; ".join(str(fault.get("detail", ""))[:160] for fault in found[:3] if isinstance(fault, dict))
    return Ruling(
        held=not found, reason=words or "no law is broken", metric="broken laws", diff=float(len(found)), expected="0"
    )


def _agreement(part: str, claim: str) -> Callable[..., Ruling]:
    def rule(integrity: Data) -> Ruling:
        checks = [c for c in field(integrity, "checks", list) if isinstance(c, dict) and c.get("part") == part]
        if not checks:
            return Ruling(held=None, reason=f"neither side states {part}")
        bad = [c for c in checks if c.get("stated") != c.get("found")]
        words = "; ".join(f"{c.get('key')} says {c.get('stated')}, the tensors {c.get('found')}" for c in bad)
        return Ruling(
            held=not bad,
            reason=words or f"{len(checks)} agree",
            metric="contradictions",
            diff=float(len(bad)),
            expected="0",
        )

    rule.__doc__ = f"""{claim}

    Why it matters: engines allocate by what the metadata says and read what the tensors hold.

    If it fails: the metadata was guessed, or belongs to another model."""
    return rule


def right_shapes(integrity: Data) -> Ruling:
    """Every matrix has the shape [out, in] that its role and the configuration ask for.

    Why it matters: a reversed shape over right bytes, or the other way round, still loads in many engines.

    If it fails: `requalify diagnose SOURCE FILE` tells reversed shapes from moved data.
    """
    wrong, seen = field(integrity, "wrong_shapes", list), count(integrity, "shapes_checked")
    if not seen:
        return Ruling(held=None, reason="the architecture's shapes are not known")
    words = ", ".join(str(name) for name in wrong[:3])
    return Ruling(
        held=not wrong,
        reason=f"{len(wrong)} of {seen} shapes are wrong: {words}" if wrong else f"{seen} shapes are right",
        metric="wrong shapes",
        diff=float(len(wrong)),
        expected="0",
    )


def loads(load: Data) -> Ruling:
    """The model loads with every tensor it needs and none left over.

    Why it matters: a missing tensor is filled with random numbers by some loaders, without a word.

    If it fails: the names listed are what the architecture lacks or does not know.
    """
    if not field(load, "loaded", bool):
        return Ruling(held=False, reason=str(load.get("problem") or "it does not load"))
    gaps = {name: field(load, name, list) for name in ("missing", "unexpected", "mismatched")}
    words = "; ".join(f"{len(found)} {name}: {', '.join(map(str, found[:3]))}" for name, found in gaps.items() if found)
    return Ruling(
        held=not words, reason=words or f"{load.get('parameters')} parameters", facts={"device": load.get("device")}
    )


def infers(reference: Data) -> Ruling:
    """The model computes finite logits for every probe position.

    Why it matters: NaN spreads silently and greedy decoding turns it into token 0.

    If it fails: `requalify inspect` and the tensor statistics tell where the first NaN is stored.
    """
    positions, finite = count(reference, "positions"), field(reference, "finite", bool)
    if not positions:
        return Ruling(held=None, reason="no position was computed")
    return Ruling(held=finite, reason=f"{positions} positions" + ("" if finite else ", some not finite"))


def stable(stability: Data) -> Ruling:
    """Two runs of one file on one backend give the same logits.

    Why it matters: what differs from itself cannot be compared with anything.

    If it fails: threads, atomics or uninitialised memory; see cause ENGINE-003.
    """
    runs, equal = count(stability, "runs"), field(stability, "equal", bool)
    if runs < 2:
        return Ruling(held=None, reason="only one run")
    spread = stability.get("rel_l2")
    return Ruling(
        held=equal,
        reason=f"{runs} runs" + ("" if equal else f" differ by {spread}"),
        metric="relative L2 between runs",
        diff=float(spread) if isinstance(spread, (int, float)) else None,
        expected="0 (same arithmetic)",
    )


def valid(reference: Data) -> Ruling:
    """What the source model says is not garbage.

    Why it matters: two broken models agree perfectly. A reference is checked before anything is blamed on a conversion.

    If it fails: mend or replace the source; no verdict on conversions of it means anything.
    """
    sane = field(reference, "sane", bool)
    return Ruling(
        held=sane, reason="logits vary, are finite and depend on the prompt" if sane else str(reference.get("problem"))
    )


def _p0(name: str, rule: Callable[..., Ruling], **more: object) -> Gate:
    return Gate(id=name, severity=Severity.P0, family="gateways", rule=rule, **{"chains": (EVERY,), **more})  # type: ignore[arg-type]


GATES: tuple[Gate, ...] = (
    _p0("G0-INTEGRITY-CONFIG", _agreement("heads", "The stated head counts fit the shapes of q, k and v.")),
    _p0("G0-INTEGRITY-LAYERS", _agreement("layers", "The stated number of layers is the number of layers stored.")),
    _p0("G0-INTEGRITY-HIDDEN", _agreement("hidden", "The stated widths are those of the tensors.")),
    _p0("G0-INTEGRITY-VOCAB", _agreement("vocabulary", "The stated vocabulary is that of the embedding.")),
    _p0("G0-LAYOUT-001", right_shapes),
    _p0("G0-FORMAT-GGUF", sound_file, chains=(("gguf",),)),
    _p0("G0-FORMAT-APR", sound_file, chains=(("apr",),)),
    _p0("G0-FORMAT-SAFETENSORS", sound_file, chains=(("safetensors",),)),
    _p0("G1-LOAD", loads, backends=True),
    _p0("G2-INFER", infers, backends=True),
    _p0("G3-STABLE", stable, chains=(("source",),), backends=True),
    _p0("G4-VALID", valid, chains=(("source",),), backends=True),
)
