"""Waivers: which blocks count, and what is said of those that do not."""

from datetime import date
from typing import Any

import pytest

from bot.github import waivers
from bot.github.waivers import Waivers

GOOD = '[[waive]]\ngate = "F-CONV-G-A"\nmodel = "org/m"\nuntil = 2026-12-31\nreason = "why"\n'


def read(*bodies: str, may: bool = True) -> Waivers:
    issues: list[dict[str, Any]] = [
        {"number": n, "body": body, "user": {"login": "x", "id": 1}} for n, body in enumerate(bodies, 1)
    ]
    return waivers.read(issues, lambda login, number: may and (login, number) == ("x", 1))


def fenced(text: str, fence: str = "```") -> str:
    return f"words\n\n{fence}toml\n{text}{fence}\n"


def test_a_waiver_is_of_one_gate_and_one_model_until_the_end_of_its_day() -> None:
    (waiver,) = read(fenced(GOOD)).all
    assert (waiver.gate, waiver.model, waiver.until, waiver.issue, waiver.reason) == (
        "F-CONV-G-A", "org/m", date(2026, 12, 31), 1, "why",
    )  # fmt: skip
    assert not waiver.expired(date(2026, 12, 31)) and waiver.expired(date(2027, 1, 1))
    assert waiver.covers("F-CONV-G-A", "org/m")
    assert not waiver.covers("F-CONV-G-A", "org/m2") and not waiver.covers("F-CONV-A-G", "org/m")
    short = read(fenced(GOOD.replace("org/m", "m"))).all[0]
    assert short.covers("F-CONV-G-A", "org/m") and not waiver.covers("F-CONV-G-A", "m")


@pytest.mark.parametrize("fence", ["```", "````", "~~~"])
def test_any_closed_fence_of_toml_is_read(fence: str) -> None:
    assert len(read(fenced(GOOD + GOOD, fence)).all) == 2
    assert len(read(fenced(GOOD, fence).replace("\n", "\r\n")).all) == 1


IGNORED = [GOOD, f"```\n{GOOD}```", f"```toml\n{GOOD}", f"    ```toml\n{GOOD}```", f"> ```toml\n> {GOOD}> ```"]


@pytest.mark.parametrize("body", IGNORED)
def test_what_is_no_fence_of_toml_says_nothing(body: str) -> None:
    assert read(body) == Waivers()


WRONG = [
    ("until = 2026-12-31", "until = '2026-12-31'", "until is no date"),
    ("until = 2026-12-31", "until = 2026-12-31T00:00:00", "until is no date"),
    ("until = 2026-12-31", "", "until is no date"),
    ('"F-CONV-G-A"', "3", "gate and model are texts"),
    ('"org/m"', '""', "gate and model are texts"),
    ("reason", "raeson", "unknown keys: raeson"),
    ("[[waive]]", "[waive]", "no [[waive]]"),
    ("[[waive]]", "[[waive]", "not TOML"),
    ("[[waive]]\n", f"x = {'[' * 5000}\n[[waive]]\n", "#1: "),
    ("why", "y" * 9000, "more than 8192"),
]


@pytest.mark.parametrize(("old", "new", "problem"), WRONG)
def test_what_is_written_wrongly_excuses_nothing_and_is_said(old: str, new: str, problem: str) -> None:
    found = read(fenced(GOOD.replace(old, new)))
    assert not found.all and problem in found.problems[0]


def test_a_block_of_somebody_who_may_not_write_does_not_count() -> None:
    found = read(fenced(GOOD), "no block at all", may=False)
    assert not found.all and found.problems == ("#1: its author has no write access, so its waivers do not count",)


def test_of_two_waivers_of_one_gate_the_longer_one_speaks() -> None:
    found = read(fenced(GOOD.replace("2026", "2025")), fenced(GOOD)).find("F-CONV-G-A", "org/m")
    assert found and found.until.year == 2026


def test_there_is_an_end_to_how_many_are_read() -> None:
    found = read(*[fenced(GOOD)] * 25)
    assert len(found.all) == 20 and "only the first 20" in found.problems[0]
    assert len(read(fenced(GOOD * 60), fenced(GOOD * 60)).all) == waivers.MOST
