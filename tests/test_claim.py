"""Evidence: each kind of comparison, NaN, and the worst of several."""

import json
import math
from typing import Any

import pytest

from theory_sim.app import report
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import (
    Claim,
    Evidence,
    Outcome,
    Result,
    all_of,
    at_least,
    at_most,
    undecided,
    within,
)

GOOD, BAD = Outcome.PASS, Outcome.FAIL


@pytest.mark.parametrize(
    ("evidence", "status", "margin"),
    [
        (at_most(1.0, 2.0), GOOD, 1.0),
        (at_most(2.0, 2.0), GOOD, 0.0),
        (at_most(3.0, 2.0), BAD, -1.0),
        (at_least(3.0, 2.0), GOOD, 1.0),
        (at_least(1.0, 2.0), BAD, -1.0),
        (within(1.5, 1.0, 0.5), GOOD, 0.0),
        (within(0.0, 1.0, 0.5), BAD, -0.5),
    ],
)
def test_comparisons(evidence: Evidence, status: Outcome, margin: float) -> None:
    assert (evidence.status, evidence.margin) == (status, margin)


@pytest.mark.parametrize(
    "evidence",
    [
        at_most(math.nan, 1.0),
        at_least(math.nan, 1.0),
        within(math.nan, 1.0, 9.0),
        at_most(3.0, math.inf),
        at_least(math.inf, 3.0),
    ],
)
def test_nan_and_infinite_bounds_never_pass(evidence: Evidence) -> None:
    assert evidence.status is BAD


def test_the_worst_part_decides() -> None:
    open_ = undecided(0.5, "< 0.4", "longer horizon")
    assert all_of([at_most(1, 2, "a"), at_most(1.9, 2, "b")]).observed == 1.9
    assert all_of([at_most(1, 2), open_]).status is Outcome.UNDECIDED
    assert all_of([open_, at_most(3, 2), at_most(1, 2)]).observed == 3.0
    with pytest.raises(ValueError, match="no evidence"):
        all_of([])


def test_the_part_that_decides_is_named() -> None:
    inner = all_of([at_most(1, 2, "a"), at_most(1.9, 2, "b")])
    assert (inner.part, inner.note) == ("b", "a; b")
    outer = all_of([inner, at_most(0, 2, "c")])
    assert (outer.part, outer.note) == ("b", "a; b; c")
    assert at_most(1, 2, "a").part == ""


def test_a_check_that_raises_fails_and_the_rest_goes_on() -> None:
    def check(grids: Any, tier: str) -> Evidence:
        raise IndexError("index -1 is out of bounds\nfor axis 0")

    broken = Claim("reddi2018.R1", "Theorem 1", "s", "exact", check)
    result = Runs("quick").check(broken)
    assert result.evidence.status is Outcome.FAIL
    assert result.evidence.note == "IndexError: index -1 is out of bounds for axis 0"
    assert json.loads(json.dumps(result.record(), allow_nan=False))["margin"] is None


def test_a_check_that_returns_no_evidence_fails() -> None:
    for returned in (None, 3, True):
        claim = Claim("reddi2018.R1", "T", "s", "exact", lambda grids, tier, it=returned: it)
        result = Runs("quick").check(claim)
        assert result.evidence.status is Outcome.FAIL
        assert f"The check returned {returned}; return evidence" in result.evidence.note


def test_provenance_is_counted_apart() -> None:
    def one(constants: str) -> Result:
        made = Claim("reddi2018.R1", "T", "s", "exact", lambda grids, tier: at_most(0, 1), (), constants)
        return Result(made, at_most(0, 1), 0.0)

    kinds = ["read", "recalled", "derived", "recalled", "none"]
    assert report.provenance([one(kind) for kind in kinds]) == (
        "1 with constants read in the paper, 1 with constants derived here, 2 with recalled constants, "
        "1 without constants of a paper"
    )
    with pytest.raises(ValueError, match="did you mean recalled"):
        one("recaled")


def test_a_claim_has_a_paper_in_its_id_and_a_known_kind() -> None:
    for id in ("R1", "reddi2018", ".R1", "reddi2018.", "reddi 2018.R1"):
        with pytest.raises(ValueError, match="a paper's key, a dot and a label"):
            Claim(id, "Theorem 1", "s", "exact", lambda grids, tier: at_most(0, 1))
    with pytest.raises(ValueError, match="Unknown claim kind 'uper'"):
        Claim("reddi2018.R1", "Theorem 1", "s", "uper", lambda grids, tier: at_most(0, 1))


def test_a_record_is_plain_json() -> None:
    claim = Claim("reddi2018.R1", "Theorem 1", "s", "exact", lambda grids, tier: at_most(0, 1))
    record = Result(claim, at_most(math.nan, 1.0, "note"), 0.1234).record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["observed"] is None
    assert (record["status"], record["paper"], record["seconds"]) == ("FAIL", "reddi2018", 0.123)
