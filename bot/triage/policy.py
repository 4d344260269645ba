"""Precision: was what the result's types lose asked for, and does the file say what it holds?"""

import dataclasses
from collections.abc import Iterator, Sequence

from bot.compare.diff import Agreement, TensorDiff
from bot.compare.tolerance import tensor_budget
from bot.formats.blocks import QUANTIZED
from bot.formats.config_keys import FILE_TYPES
from bot.formats.view import kind_and_layer
from bot.records import Experiment
from bot.triage import records
from bot.triage.experiments import dtypes, grids
from bot.triage.pair import Pair
from bot.triage.tensors import Survey, settle

ARITHMETIC = 1e-6  # a budget up to here allows for float32 sums, not for another type
WHOLE = {code: name for name, code in FILE_TYPES.items() if name not in QUANTIZED}  # file types of unquantized files
# what converters store in the place of a type whose blocks do not divide a row (llama-quant.cpp)
FALLBACKS = frozenset({"F16", "Q8_0", "Q5_0", "Q5_1", "Q4_0", "IQ4_NL"})
# matrices of a GGUF no converter quantizes (convert_hf_to_gguf.py, llama-quant.cpp)
KEPT = ("position_embd.weight", "ffn_gate_inp.weight")
# causes that leave a type of their own behind, or no trace of one
CHOSEN_BY = frozenset({"DTYPE-006", "QUANT-007", "VALUE-008"})
MIXTURE = frozenset({"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"})  # names of K files are those of mixtures


def experiments(pair: Pair, survey: Survey, name: str) -> Iterator[Experiment]:
    """Yield QUANT-008 for losses within budget, DTYPE-007 for those nobody asked for, DTYPE-006 for double ones."""
    if spoilt := {name: count for name, count in dtypes.not_numbers(pair.a) if name in survey.diffs}:
        told = [
            f"{name}: {count} of the source's weights or block scales are no numbers" for name, count in spoilt.items()
        ]
        yield _record("DTYPE-008", [survey.diffs[item] for item in spoilt], survey, name, told, side="A")
    within = [diff for diff in survey.diffs.values() if diff.verdict is Agreement.WITHIN_BUDGET]
    twice = {diff.name: words for diff in within if (words := _twice(pair, survey, diff))}
    if twice:
        # those beyond every budget were examined one by one: one cause, one record
        restored = [name for name, e in settle(survey.examined).items() if "DTYPE-006" in e.causes]
        both = [diff for diff in survey.diffs.values() if diff.name in twice or diff.name in restored]
        yield _record("DTYPE-006", both, survey, name, sorted({*twice.values()}))
    within = [diff for diff in within if diff.name not in twice]
    judged = {diff.name: diff for diff in (*within, *_restored(pair, survey))}
    unasked = {name: words for name, diff in judged.items() if (words := _unasked(pair, diff))}
    if unasked:
        yield _record("DTYPE-007", [survey.diffs[item] for item in unasked], survey, name, sorted({*unasked.values()}))
    fine = [diff for diff in within if diff.name not in unasked]
    if fine:
        yield _record("QUANT-008", fine, survey, name, [_budgets(fine)])


def _restored(pair: Pair, survey: Survey) -> Iterator[TensorDiff]:
    """Yield the matrices an experiment restored, as of the type their bytes were found to be of."""
    for name, why in settle(survey.examined).items():
        diff, dtype = survey.diffs[name], why.facts.get("dtype")
        # another tensor's type came with its values
        if len(diff.shape) < 2 or "source" in why.facts or CHOSEN_BY.intersection(why.causes):
            continue
        # of a float and its label one is right, and either may have been asked for
        if "DTYPE-004" in why.causes and (dtype is None or _unasked(pair, diff) is None):
            continue
        found = str(dtype or diff.dtype_b)
        yield dataclasses.replace(diff, dtype_b=found, tolerance=tensor_budget(diff.dtype_a, found).limit)


def _twice(pair: Pair, survey: Survey, diff: TensorDiff) -> str | None:
    """Return how one sees that a tensor was quantized twice, None when it was not, or was meant to be."""
    meant = pair.asked is not None and diff.dtype_a in QUANTIZED and diff.dtype_b in _allowed(pair.asked.upper())
    if pair.b is None or diff.dtype_b not in QUANTIZED or meant:
        return None
    return grids.quantized_twice(pair.a, pair.b, survey.pairs[diff.name])


def _unasked(pair: Pair, diff: TensorDiff) -> str | None:
    """Return why a loss is a defect, None when it may be what was wanted."""
    if diff.tolerance <= ARITHMETIC:
        return None
    if pair.b is not None and len(diff.shape) < 2 and (pair.b.checkpoint.format == "gguf" or diff.dtype_b in QUANTIZED):
        return f"vectors are stored as {diff.dtype_b}; converters keep them in F32"
    if diff.dtype_b in QUANTIZED and diff.name_b.endswith(KEPT):
        return f"{diff.name_b} is stored as {diff.dtype_b}; converters keep it in F32"
    if pair.asked is not None:
        asked = pair.asked.upper()
        return None if diff.dtype_b in _allowed(asked) else f"{diff.dtype_b} though {asked or 'no loss'} was asked for"
    declared = WHOLE.get(pair.config_b.file_type) if pair.config_b and pair.config_b.file_type is not None else None
    if declared and diff.dtype_b in QUANTIZED:
        return f"{diff.dtype_b} in a file that declares itself {declared}"
    return None


def _allowed(asked: str) -> frozenset[str]:
    if not asked:
        return frozenset()
    mixed = MIXTURE if asked.removesuffix("_M").removesuffix("_S").removesuffix("_L") in MIXTURE else frozenset()
    return frozenset({asked, "F16"}) | mixed | (FALLBACKS if mixed else frozenset())


def _budgets(diffs: Sequence[TensorDiff]) -> str:
    worst = max(diffs, key=lambda diff: (diff.rel_rmse or 0.0) / max(diff.tolerance, 1e-12))
    return f"worst is {worst.name}: relative error {worst.rel_rmse:.3g} of {worst.tolerance_reason}"


def _record(
    cause: str, diffs: Sequence[TensorDiff], survey: Survey, name: str, told: Sequence[str], *, side: str = "B"
) -> Experiment:
    names = [diff.name for diff in diffs]
    kinds = sorted({kind_and_layer(item)[0] for item in names})
    worst = max((diff.rel_rmse or 0.0 for diff in diffs), default=0.0)
    return records.standing(
        cause, name, plane="T", explained=len(names), suspect=len(names), told=told, tensors=names[: records.LISTED],
        pattern=records.pattern(names, survey.diffs), before=records.number(worst), after=records.number(worst),
        facts={"kinds": kinds[:20]}, side=side,
    )  # fmt: skip
