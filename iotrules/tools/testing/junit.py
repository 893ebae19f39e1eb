"""The outcome as JUnit XML, which CI servers read: one suite a test file, one test a case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from iotrules.tools.testing.cases import Case, Suite
from iotrules.tools.testing.judging import Failure
from iotrules.tools.testing.text import failure_lines

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(outcomes: Sequence[tuple[Suite, Sequence[tuple[Case, Sequence[Failure]]]]]) -> bytes:
    """The XML document, UTF-8."""
    root = Element("testsuites")
    for suite, cases in outcomes:
        failed = sum(bool(failures) for _, failures in cases)
        attributes = {"name": suite.file, "tests": str(len(cases)), "failures": str(failed), "errors": "0"}
        parent = SubElement(root, "testsuite", attributes)
        for case, failures in cases:
            _add_case(parent, case, failures)
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add_case(parent: Element, case: Case, failures: Sequence[Failure]) -> None:
    attributes = {"classname": case.file, "name": _clean(case.name), "file": case.file, "line": str(case.place[0])}
    element = SubElement(parent, "testcase", attributes)
    for failure in failures:
        message = _clean(f"{failure.what}: expected {failure.expected}; seen {failure.seen}")
        SubElement(element, "failure", {"message": message}).text = _clean("\n".join(failure_lines(case, failure)))


def _clean(text: str) -> str:
    """Without the characters that no XML document may hold, not even escaped."""
    return _NOT_XML.sub("\ufffd", text)
