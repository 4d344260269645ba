"""Estimates the disk a plan needs: a file for each distinct hop, as large as lossless makes it."""

from pathlib import Path

from bot import formats
from bot.playbook.model import Plan

WIDE = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
MARGIN = 1.1


def needed(plan: Plan, model: Path) -> int:
    """Return about how many bytes the conversions of a plan take; the largest each can be."""
    checkpoint = formats.open_checkpoint(model)
    each = sum(info.count * WIDE.get(info.dtype, 4) for info in checkpoint.tensors.values())
    checkpoint.close()
    return int(each * MARGIN * len(hops(plan)))


def hops(plan: Plan) -> set[tuple[str, ...]]:
    """Return the distinct files of a plan, each by the formats it went through; trusted ones count as well."""
    found: set[tuple[str, ...]] = set()
    for item in plan.cells:
        if item.skip or not item.cell.chain:
            continue
        chain = item.cell.chain
        if chain[0] != plan.source:
            found.add((plan.source, chain[0]))
        found |= {chain[: end + 1] for end in range(1, len(chain))}
    return found
