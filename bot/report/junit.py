"""Writes verdicts as JUnit XML: one test case for each cell, under names that never change."""

import re
import xml.etree.ElementTree as ET

from bot.records import Outcome, Verdict
from bot.report.redact import clean
from bot.report.view import View

# what XML 1.0 cannot hold, not even escaped
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS = {
    Outcome.FALSIFIED: "failure",
    Outcome.CRASHED: "error",
    Outcome.TIMEOUT: "error",
    Outcome.ERROR: "error",
    Outcome.NO_EVIDENCE: "error",
    Outcome.SKIPPED: "skipped",
}
_TEXT = 20_000


def junit_xml(view: View) -> bytes:
    """Return the run as JUnit: falsified is a failure, all that could not be judged an error, never a pass."""
    tags = [_TAGS.get(verdict.outcome, "") for verdict in view.verdicts]
    counts = {
        "tests": str(len(tags)), "failures": str(tags.count("failure")), "errors": str(tags.count("error")),
        "skipped": str(tags.count("skipped")),
    }  # fmt: skip
    root = ET.Element("testsuites", {"name": "requalify", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": legal(f"{view.toolchain}: {view.model_name}"), **counts})
    for verdict in view.verdicts:
        _case(suite, verdict)
    ET.indent(root)
    return b"<?xml version='1.0' encoding='utf-8'?>\n" + bytes(ET.tostring(root, encoding="utf-8")) + b"\n"


def legal(text: object) -> str:
    """Return text that XML can hold."""
    return _ILLEGAL.sub("", clean(text))[:_TEXT]


def _case(suite: ET.Element, verdict: Verdict) -> None:
    case = ET.SubElement(suite, "testcase", {"classname": legal(verdict.gate), "name": legal(verdict.cell.id)})
    if tag := _TAGS.get(verdict.outcome):
        masked = f" (masked by {verdict.masked_by})" if verdict.masked_by else ""
        attributes = {"message": legal(f"{verdict.outcome.value}: {verdict.reason}{masked}")}
        if tag != "skipped":
            attributes["type"] = verdict.outcome.value
        element = ET.SubElement(case, tag, attributes)
        measured = f"{verdict.metric or 'diff'} {verdict.diff}, expected {verdict.expected}"
        element.text = legal(measured) if verdict.diff is not None else None
