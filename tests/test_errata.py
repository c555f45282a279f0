"""The list of errata: its schema, its claims, its arithmetic, and its pages."""

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from counterexamples import zhang
from theory_sim.app import catalogue
from theory_sim.app import errata as known
from theory_sim.app.cli import main

ERRATA = known.errata()


def test_the_file_has_its_schema() -> None:
    document = known.document()
    assert document.keys() == {"version", "about", "errata"}
    assert re.fullmatch(r"\d{4}\.\d{2}(\.\d+)?", document["version"])
    fields = ["id", "paper", "of", "where", "severity", "basis", "printed", "right", "claims", "evidence"]
    for row in document["errata"]:
        assert sorted(row) == sorted(fields)
        assert all(isinstance(row[name], str) for name in fields if name != "claims")


@pytest.mark.parametrize("one", ERRATA, ids=lambda one: one.id)
def test_an_erratum_rests_on_the_ledger_and_on_claims(one: known.Erratum) -> None:
    assert re.fullmatch(rf"{one.paper}-\d+", one.id)
    for name in one.claims:
        assert catalogue.claims()[name].paper == one.paper
    # Whatever is wrong in print is in the ledger of that paper too, with at least one of the same claims.
    rows = [row for row in catalogue.deviations() if row.paper == one.paper]
    assert any(
        {*one.claims} <= {*row.claims} or {*one.claims} & {*row.claims} for row in rows if row.claims
    ) or (not one.claims and one.id in COMPUTED)


COMPUTED = {"zhang2026-1"}  # by the test below, without a claim


def test_ids_are_unique() -> None:
    assert len({one.id for one in ERRATA}) == len(ERRATA) > 10


def test_the_affine_variance_constant_of_zhang2026() -> None:
    for n in range(3, 12):
        D1 = n**2 * (Fraction(n, n - 1) ** 2 + Fraction(1, (n - 1) ** 3))
        fact = zhang.piecewise(n=n, a=1.0 / (n - 1) ** 2).facts["D1"]
        assert fact == pytest.approx(float(D1), rel=1e-12)  # rounding of a and of a few operations
        assert (2 * n**2 < D1) == (n == 3)
    assert 9 * (Fraction(3, 2) ** 2 + Fraction(1, 8)) / 9 == Fraction("2.375")


def test_the_first_block_of_reddi2018() -> None:
    # 1/sqrt(3t+3) >= 1/sqrt(2(3t+1)) iff 2(3t+1) >= 3t+3.
    assert [2 * (3 * t + 1) >= 3 * t + 3 for t in range(4)] == [False, True, True, True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"paper": "nobody"}, "Unknown paper"),
        ({"severity": "grave"}, "Unknown severity"),
        ({"basis": "heard"}, "Unknown basis"),
        ({"claims": {"reddi2018.R99": "PASS"}}, "Unknown claim"),
        ({"claims": {"reddi2018.R1a": "GOOD"}}, "Unknown status"),
        ({"right": ""}, "has no right; write it"),
    ],
)
def test_what_an_erratum_must_have(changes: dict[str, object], message: str) -> None:
    row = known.document()["errata"][0]
    with pytest.raises(ValueError, match=message):
        known.Erratum(**{**row, **changes})


def test_the_command(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["errata", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    assert f"{len(ERRATA)} errata, version" in run()
    one = " ".join(run("--paper", "zhang2022").split())
    assert "zhang2022-1" in one
    assert "1 errata" in one
    assert "0 errata" in run("nothing-of-this-kind")
    assert [row["id"] for row in json.loads(run("--json", "lemma 2"))["errata"]] == ["compams2022-1"]
    pages = tmp_path / "deep" / "errata.md", tmp_path / "errata.html"
    run("--markdown", str(pages[0]), "--html", str(pages[1]))
    markdown, html = (page.read_text() for page in pages)
    for one_ in ERRATA:
        assert f"## {one_.id}: " in markdown
        assert f'<section id="{one_.id}">' in html
    assert "`shi2021.S3` (PASS)" in markdown
    assert "<script" not in html
    assert not re.search(r"(src|href)=", html)


def test_what_a_page_shows_is_escaped() -> None:
    row = {**known.document()["errata"][0], "printed": "x < y & *z* `q` <b>"}
    one = known.Erratum(**row)
    assert "x &lt; y &amp; \\*z\\* \\`q\\` &lt;b&gt;" in known.markdown([one])
    assert "x &lt; y &amp; *z* `q` &lt;b&gt;" in known.html([one])
