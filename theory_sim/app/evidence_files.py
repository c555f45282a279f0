"""The evidence of claims for other programs: JUnit's XML, and a table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from theory_sim.app import report, terminal
from theory_sim.nouns.claim import Outcome, Result


def _printable(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return "".join(
        c
        for c in text
        if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff" and not 0xD800 <= ord(c) < 0xE000)
    )


def junit(results: Sequence[Result], tier: str) -> str:
    """Return a test suite with a case for each claim: FAIL is a failure, UNDECIDED is skipped.

    Parameters
    ----------
    results : sequence of Result
    tier : str
    """
    counts = [
        sum(one.evidence.status is status for one in results) for status in (Outcome.FAIL, Outcome.UNDECIDED)
    ]
    seconds = f"{sum(one.seconds for one in results):.3f}"
    suite = ElementTree.Element(
        "testsuite",
        name=f"theory-sim {tier}",
        tests=str(len(results)),
        failures=str(counts[0]),
        errors="0",
        skipped=str(counts[1]),
        time=seconds,
    )
    for one in results:
        claim, evidence = one.claim, one.evidence
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=_printable(claim.paper),
            name=_printable(claim.id),
            time=f"{one.seconds:.3f}",
        )
        said = _printable(
            f"observed {terminal.number(evidence.observed)}, expected {terminal.number(evidence.expected)}"
        )
        words = _printable(f"{claim.where}: {claim.statement}\n{said}\n{evidence.note}")
        if evidence.status is Outcome.PASS:
            ElementTree.SubElement(case, "system-out").text = words
        else:
            kind = "failure" if evidence.status is Outcome.FAIL else "skipped"
            ElementTree.SubElement(case, kind, message=said).text = words
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def cell(text: str) -> str:
    """Return a text as a cell of a table, in which nothing is markup."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "\\`*_[]|~":
        plain = plain.replace(mark, f"\\{mark}")
    return plain


def markdown(results: Sequence[Result], tier: str) -> str:
    """Return a table of the claims with a row for each, what does not pass first.

    Parameters
    ----------
    results : sequence of Result
    tier : str
    """
    rank = {Outcome.FAIL: 0, Outcome.UNDECIDED: 1, Outcome.PASS: 2}
    lines = [
        f"**{report.summary(results)}** (tier {tier})",
        "",
        "| status | claim | statement | observed | expected | margin |",
        "|---|---|---|---|---|---|",
    ]
    for one in sorted(results, key=lambda one: rank[one.evidence.status]):
        record = one.record()
        numbers = [terminal.number(record[name]) for name in ("observed", "expected", "margin")]
        cells = [record["status"], record["id"], record["statement"], *numbers]
        lines.append(f"| {' | '.join(map(cell, cells))} |")
    return "\n".join(lines) + "\n"
