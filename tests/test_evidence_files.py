"""The files of `check` for other programs say what the claims say, whatever characters they have."""

import math
from xml.etree import ElementTree

from theory_sim.app.evidence_files import junit, markdown
from theory_sim.nouns.claim import Claim, Evidence, Outcome, Result


def result(label: str, status: Outcome, note: str = "", statement: str = "x < 1 & y") -> Result:
    evidence = Evidence(status, math.nan if status is Outcome.UNDECIDED else 0.5, "<= 1", 0.5, note)
    claim = Claim(f"own2026.{label}", "Theorem | 1", statement, "upper", lambda grids, tier: evidence)
    return Result(claim, evidence, 0.25)


RESULTS = [
    result("A", Outcome.PASS),
    result("B", Outcome.FAIL, "too large: \x00\x1b[31m]]> <b>"),
    result("C", Outcome.UNDECIDED, "needs 1e7 steps"),
    result("D", Outcome.PASS, statement="a | b *c* `d` <e> $f_1$\nnext"),
]


def test_junit_has_a_case_for_each_claim() -> None:
    suite = ElementTree.fromstring(junit(RESULTS, "quick"))[0]
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {"tests": "4", "failures": "1", "errors": "0", "skipped": "1", "time": "1.000"}
    cases = {case.get("name"): case for case in suite}
    assert {name: [child.tag for child in case] for name, case in cases.items()} == {
        "own2026.A": ["system-out"],
        "own2026.B": ["failure"],
        "own2026.C": ["skipped"],
        "own2026.D": ["system-out"],
    }
    failure = cases["own2026.B"][0]
    assert failure.get("message") == "observed 0.5, expected <= 1"
    assert "too large: [31m]]> <b>" in (failure.text or "")  # what XML cannot hold is left out
    assert "Theorem | 1: x < 1 & y" in (cases["own2026.A"][0].text or "")


def test_markdown_is_a_table_with_what_fails_first() -> None:
    lines = markdown(RESULTS, "quick").splitlines()
    assert lines[0] == "**2 PASS, 1 FAIL, 1 UNDECIDED** (tier quick)"
    rows = lines[4:]
    assert [row.split(" | ")[1] for row in rows] == [f"own2026.{label}" for label in "BCAD"]
    # Six cells: no character of a statement is a border, or markup.
    assert all(row.replace("\\|", "").count("|") == 7 for row in rows)
    assert "a \\| b \\*c\\* \\`d\\` &lt;e&gt; $f\\_1$ next" in rows[-1]
    assert rows[1].endswith("|  | &lt;= 1 | 0.5 |")  # an observation that is no number is left empty
