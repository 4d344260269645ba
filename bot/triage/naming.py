"""Names: tensors lost, added, misspelled, doubled; layers and biases lost; the head that may be tied.

What is missing under one name is looked for under every other: by spelling first, then by value.
"""

from collections.abc import Iterable, Iterator

from bot.compare.diff import HEAD, slot_values
from bot.formats.names import BUFFER, Spelling
from bot.formats.view import View, kind_and_layer
from bot.records import CauseKind, Experiment
from bot.triage import records, tied
from bot.triage.partners import Names


def experiments(names: Names, name: str) -> Iterator[Experiment]:
    """Yield a record for every cause among names, and for those that were refuted by a rival."""
    found = [
        *_spelling(names, name), *_layers(names, name), *tied.experiments(names, name), *_biases(names, name),
        *_rest(names, name), *_buffers(names, name),
    ]  # fmt: skip
    yield from found
    if found:
        standing = {item.cause for item in found}
        for cause in sorted({"NAME-001", "NAME-002", "NAME-003", "NAME-005", "NAME-007"} - standing):
            yield records.fallen(cause, name, "the names that differ are accounted for otherwise")


def _spelling(names: Names, pair: str) -> Iterator[Experiment]:
    """NAME-002: names in another container's spelling, or recognised by their values alone."""
    wanted = Spelling.GGUF if names.b.checkpoint.format == "gguf" else Spelling.HF
    odd = {
        slot.stored: slot.name for slot in names.b.tensors.values()
        if slot.spelling not in {wanted, Spelling.OTHER} and slot.stored != HEAD
    }  # fmt: skip
    prefixed = {
        s.stored: s.name for s in names.b.tensors.values() if s.spelling is Spelling.OTHER and s.stored != s.name
    }
    odd |= prefixed
    told = [f"{stored} is what {hf} is called elsewhere" for stored, hf in odd.items()]
    told += [f"{found} holds the values of {lost}" for lost, found in names.renamed.items()]
    if told:
        tensors = [*odd.values(), *names.renamed]
        yield records.standing(
            "NAME-002", pair, plane="T", explained=len(tensors), suspect=len(tensors), told=told,
            tensors=tensors[: records.LISTED], pattern=records.pattern(tensors, names.a.tensors),
            refuted=["NAME-001", "NAME-003"], facts={"spelled": sorted(odd)[:5]},
        )  # fmt: skip


def _layers(names: Names, pair: str) -> Iterator[Experiment]:
    """NAME-005: whole layers that only one side has."""
    ours, theirs = _by_layer(names.a.tensors), _by_layer(names.b.tensors)
    lost, added = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
    # unknown tensors of a layer B has are single losses, and so is a layer of which B has a part
    for numbers, word in ((lost, "only A has"), (added, "only B has")):
        tensors = [name for number in numbers for name in (ours if numbers is lost else theirs)[number]]
        gone = [name for name in tensors if name in names.missing or name in names.extra]
        if not gone:
            continue
        names.missing = [name for name in names.missing if name not in set(gone)]
        names.extra = [name for name in names.extra if name not in set(gone)]
        yield records.standing(
            "NAME-005", pair, plane="T", explained=len(gone), suspect=len(gone), tensors=gone[: records.LISTED],
            told=[f"layer{'s' if len(numbers) > 1 else ''} {records.spans(numbers)}: {word} them",
                  f"A has {len(ours)} layers, B {len(theirs)}"],
            pattern=records.pattern(gone, [*names.a.tensors, *names.b.tensors]), refuted=["NAME-001", "NAME-003"],
        )  # fmt: skip


def _by_layer(tensors: Iterable[str]) -> dict[int, list[str]]:
    layers: dict[int, list[str]] = {}
    for name in tensors:
        number = kind_and_layer(name)[1]
        if number is not None:
            layers.setdefault(number, []).append(name)
    return layers


def _biases(names: Names, pair: str) -> Iterator[Experiment]:
    """NAME-007: biases lost though their weights are there, or added."""
    lost = [name for name in names.missing if name.endswith(".bias")]
    lost = [name for name in lost if name.removesuffix("bias") + "weight" not in names.missing]
    if not lost:
        return
    names.missing = [name for name in names.missing if name not in set(lost)]
    every = [name for name in names.a.tensors if name.endswith(".bias")]
    yield records.standing(
        "NAME-007", pair, plane="T", explained=len(lost), suspect=len(lost), tensors=lost[: records.LISTED],
        told=[f"{len(lost)} of {len(every)} biases of A are missing, their weights are not"],
        pattern=records.pattern(lost, names.a.tensors), refuted=["NAME-001", "NAME-002"],
    )  # fmt: skip


def _rest(names: Names, pair: str) -> Iterator[Experiment]:
    """NAME-001 and NAME-003: what is missing or added under every spelling; names stored twice."""
    if names.missing:
        yield records.standing(
            "NAME-001", pair, plane="T", explained=len(names.missing), suspect=len(names.missing),
            tensors=names.missing[: records.LISTED], pattern=records.pattern(names.missing, names.a.tensors),
            told=[f"{name} is in B under no name" for name in names.missing], refuted=["NAME-002"],
        )  # fmt: skip
    harmless = [name for name in names.extra if _zero_bias(names.b, name)]
    for tensors, kind, told in (
        ([n for n in names.extra if n not in harmless], CauseKind.DEFECT, "is not in A"),
        (harmless, CauseKind.CLEARS, "is not in A and adds nothing: all zeros"),
        (names.b.twice, CauseKind.DEFECT, "is stored besides another tensor of the same role"),
    ):
        if tensors:
            yield records.standing(
                "NAME-003", pair, plane="T", explained=len(tensors), suspect=len(tensors), kind=kind.value,
                tensors=list(tensors[: records.LISTED]), pattern=records.pattern(tensors, names.b.tensors),
                told=[f"{name} {told}" for name in tensors], refuted=["NAME-002"],
            )  # fmt: skip


def _zero_bias(view: View, name: str) -> bool:
    return name.endswith(".bias") and name in view.tensors and not slot_values(view, view.tensors[name], None).any()


def _buffers(names: Names, pair: str) -> Iterator[Experiment]:
    """NAME-003, clearing: buffers that old checkpoints saved beside their weights."""
    buffers = [name for name in names.b.derived if BUFFER.search(name) and name not in names.a.derived]
    if buffers:
        yield records.standing(
            "NAME-003", pair, plane="T", explained=len(buffers), suspect=len(buffers), kind=CauseKind.CLEARS.value,
            tensors=buffers[: records.LISTED], pattern=records.pattern(buffers, names.b.tensors),
            told=[f"{name} is a buffer, computed from the configuration" for name in buffers],
        )  # fmt: skip
