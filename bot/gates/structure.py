"""Structure: names, counts, types, statistics, tokenizer and metadata survive a conversion."""

from bot.gates._gate import Data, Gate, Ruling, count, field
from bot.records import Severity

PAIRS = tuple((a, b) for a in ("gguf", "apr", "safetensors") for b in ("gguf", "apr", "safetensors") if a != b)


def _few(names: list[object]) -> str:
    return ", ".join(str(name) for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def all_there(tensors: Data) -> Ruling:
    """No tensor of the source is missing from the result, a tied head apart.

    Why it matters: a dropped tensor is zero or random at run time.

    If it fails: the names listed have no place in the result.
    """
    missing, compared = field(tensors, "missing", list), count(tensors, "compared")
    if not compared and not missing:
        return Ruling(held=None, reason="no tensors were compared")
    return Ruling(
        held=not missing,
        reason=_few(missing) or f"{compared} tensors",
        metric="missing tensors",
        diff=float(len(missing)),
        expected="0",
    )


def right_spelling(names: Data) -> Ruling:
    """The result spells its tensor names as its container does.

    Why it matters: loaders look tensors up by name; another format's names are not found.

    If it fails: see cause NAME-002.
    """
    odd, seen = field(names, "misspelled", list), count(names, "seen")
    if not seen:
        return Ruling(held=None, reason="no names were seen")
    return Ruling(
        held=not odd, reason=_few(odd) or f"{seen} names", metric="misspelled names", diff=float(len(odd)), expected="0"
    )


def one_to_one(names: Data) -> Ruling:
    """Names map one to one: nothing twice, nothing unknown.

    Why it matters: of two tensors of one role a loader takes either.

    If it fails: the names listed are doubled or have no role in the architecture.
    """
    bad, seen = [*field(names, "twice", list), *field(names, "unknown", list)], count(names, "seen")
    if not seen:
        return Ruling(held=None, reason="no names were seen")
    return Ruling(
        held=not bad,
        reason=_few(bad) or f"{seen} names",
        metric="names without a partner",
        diff=float(len(bad)),
        expected="0",
    )


def no_silent_type(dtypes: Data) -> Ruling:
    """Element types are those that were asked for: no silent fallback, no unasked rounding.

    Why it matters: an unknown type read as float32 is noise, and a matrix quantized unasked is a worse model.

    If it fails: see causes DTYPE-005 and DTYPE-007.
    """
    bad, seen = field(dtypes, "unasked", list), count(dtypes, "seen")
    if not seen:
        return Ruling(held=None, reason="no tensors were seen")
    return Ruling(
        held=not bad, reason=_few(bad) or f"{seen} types", metric="unasked types", diff=float(len(bad)), expected="0"
    )


def same_statistics(tensors: Data) -> Ruling:
    """No tensor became zero, constant or not a number on the way.

    Why it matters: such damage needs no tolerance to be seen and no source to be proved.

    If it fails: the tensors listed are not what any training leaves behind.
    """
    bad, compared = field(tensors, "degenerate", list), count(tensors, "compared")
    if not compared:
        return Ruling(held=None, reason="no tensors were compared")
    return Ruling(
        held=not bad,
        reason=_few(bad) or f"{compared} tensors",
        metric="degenerate tensors",
        diff=float(len(bad)),
        expected="0",
    )


def same_tokens(tokenizer: Data) -> Ruling:
    """Source and result turn text into the same ids, and know the same special tokens.

    Why it matters: equal weights answer differently when the prompt is cut differently.

    If it fails: the findings name what was lost: pre-tokenizer, merges, types, special ids or template.
    """
    if not field(tokenizer, "source", bool):
        return Ruling(held=None, reason="the source has no tokenizer")
    bad = field(tokenizer, "differ", list)
    texts = count(tokenizer, "texts")
    words = "; ".join(str(item)[:120] for item in bad[:3])
    if not texts and not bad:
        return Ruling(held=None, reason="no text was encoded")
    return Ruling(
        held=not bad,
        reason=words or f"{texts} texts and all special ids agree",
        metric="differences",
        diff=float(len(bad)),
        expected="0",
    )


def same_metadata(metadata: Data) -> Ruling:
    """Every hyper-parameter of the source is stated alike by the result.

    Why it matters: a lost rope base or a guessed head count changes the model and no tensor.

    If it fails: each key is listed with what both sides say.
    """
    compared, bad = count(metadata, "compared"), field(metadata, "differ", list)
    if not compared:
        return Ruling(held=None, reason="no key is stated by the source")
    words = "; ".join(f"{d.get('key')}: {d.get('a')} became {d.get('b')}" for d in bad[:3] if isinstance(d, dict))
    return Ruling(
        held=not bad,
        reason=words or f"{compared} keys agree",
        metric="keys that differ",
        diff=float(len(bad)),
        expected="0",
    )


GATES: tuple[Gate, ...] = (
    Gate(id="F-CONV-CARD-001", severity=Severity.P0, family="structure", rule=all_there, chains=PAIRS),
    Gate(id="F-CONV-NAME-001", severity=Severity.P0, family="structure", rule=right_spelling, chains=PAIRS),
    Gate(id="F-CONTRACT-I2-001", severity=Severity.P1, family="structure", rule=one_to_one, chains=PAIRS),
    Gate(id="F-CONTRACT-I3-001", severity=Severity.P1, family="structure", rule=no_silent_type, chains=PAIRS),
    Gate(id="F-CONTRACT-I4-001", severity=Severity.P1, family="structure", rule=same_statistics, chains=PAIRS),
    Gate(id="F-CONTRACT-I5-001", severity=Severity.P1, family="structure", rule=same_tokens, chains=PAIRS),
    Gate(id="F-INSPECT-META-001", severity=Severity.P1, family="structure", rule=same_metadata, chains=PAIRS),
)
