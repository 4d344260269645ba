"""The Model Qualification Score: verdicts in, a number from 0 to 1000 with its account out. Pure."""

import math
from collections.abc import Iterable

from bot.records import Deduction, Outcome, Score, Severity, Verdict

JUDGED = frozenset({Outcome.CORROBORATED, Outcome.FALSIFIED, Outcome.TIMEOUT, Outcome.CRASHED})
UNJUDGED = frozenset({Outcome.ERROR, Outcome.NO_EVIDENCE})
GRADES = ((950, "A+"), (900, "A"), (850, "B+"), (800, "B"), (700, "C"))
CEILING = 699  # of a blocked model
LEAST = 0.90  # share of judged gates that must hold


def score(verdicts: Iterable[Verdict], tier: str) -> Score:
    """Weigh the verdicts of a run; `tier` is "quick", "mvp" or a full one. No evidence has no score."""
    found = tuple(verdicts)
    judged = [v for v in found if v.outcome in JUDGED]
    if not judged:
        return Score(mqs=None, grade=None, status="NO EVIDENCE", note="nothing could be judged")
    held = sum(v.outcome is Outcome.CORROBORATED for v in judged)
    blocking = [
        v for v in found if v.severity is Severity.P0 and v.outcome in (JUDGED | UNJUDGED) - {Outcome.CORROBORATED}
    ]
    share, notes = held / len(judged), _notes(found, tier)
    if blocking or share < LEAST:
        mqs, status = math.floor(CEILING * held / len(judged)), "BLOCKED"
    elif tier == "mvp":
        mqs, status = 800, "PROVISIONAL"
    else:
        mqs, status = _open(share)
    account = _account(mqs, held, len(judged), blocking, tier)
    return Score(mqs=mqs, grade=grade(mqs), status=status, deductions=account, note="; ".join(notes))


def _open(share: float) -> tuple[int, str]:
    """Return the score of a run that nothing blocks."""
    if share >= 0.95:
        # in fractions of a thousandth, so that 0.95 itself is not lost to rounding
        return 950 + math.floor(min(50.0, round((share - 0.95) * 1000, 9))), "CERTIFIED"
    return 800 + math.floor(round(99 * (share - LEAST) / 0.05, 9)), "PROVISIONAL"


def grade(mqs: int) -> str:
    """Return the letter of a score."""
    return next((letter for least, letter in GRADES if mqs >= least), "F")


def _account(mqs: int, held: int, judged: int, blocking: list[Verdict], tier: str) -> tuple[Deduction, ...]:
    """Itemise what was taken from 1000; the items add up."""
    items: list[Deduction] = []
    if judged > held:
        items.append(Deduction(reason=f"{judged - held} of {judged} judged gates did not hold", points=0))
    if blocking:
        gates = ", ".join(sorted({v.gate for v in blocking})[:6])
        items.append(
            Deduction(reason=f"P0 gates failed or could not be judged, so {CEILING} is the most: {gates}", points=0)
        )
    elif tier == "mvp" and mqs == 800:
        items.append(Deduction(reason="the mvp tier ends at 800", points=0))
    if not items:
        return () if mqs == 1000 else (Deduction(reason="share of gates that held", points=mqs - 1000),)
    rest = mqs - 1000
    ceiling = CEILING - 1000 if blocking else (rest if tier == "mvp" else 0)
    points = [rest - ceiling, ceiling] if len(items) == 2 else [rest]
    return tuple(Deduction(reason=item.reason, points=value) for item, value in zip(items, points, strict=True))


def _notes(verdicts: tuple[Verdict, ...], tier: str) -> list[str]:
    notes = ["quick"] if tier == "quick" else []
    ran = sorted({v.cell.backend for v in verdicts if v.outcome in JUDGED and v.cell.backend})
    skipped = {
        v.cell.backend
        for v in verdicts
        if v.outcome is Outcome.SKIPPED and v.severity is Severity.P0 and v.cell.backend
    }
    if skipped - set(ran):
        notes.append(
            f"holds on {', '.join(ran) or 'no backend'} only; {', '.join(sorted(skipped - set(ran)))} was skipped"
        )
    listed = sum(v.outcome in UNJUDGED for v in verdicts)
    if listed:
        notes.append(f"{listed} gates could not be judged")
    return notes
