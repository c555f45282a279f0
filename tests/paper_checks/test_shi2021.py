"""Claims of Shi et al. 2021 in the quick tier, and grids that must fail."""

import math
from dataclasses import replace

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import shi
from paper_checks.shi2021 import claims as shi2021
from tests.tampering import fails_on_tampered_grids, fails_with_other_sweeps, grids_of, status
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome


def test_the_two_diagrams_are_not_interchangeable(runs: Runs) -> None:
    # The printed problem against the curve of the two-hit sequence, on the rows that both have.
    printed, coded = grids_of("shi2021.S1", runs)
    common = np.intersect1d(printed["C"], coded["C"])
    assert status("shi2021.S1", [coded.sel(C=common), coded]) is Outcome.FAIL
    assert status("shi2021.S1", [printed, printed.sel(C=common)]) is Outcome.FAIL


def test_a_diagram_shifted_by_two_cells_fails(runs: Runs) -> None:
    printed, coded = grids_of("shi2021.S1", runs)
    shifted = printed.assign_coords(beta2=1.0 - (1.0 - printed["beta2"]) * 10.0 ** (-2 * shi2021.SPACING))
    assert status("shi2021.S1", [shifted, coded]) is Outcome.FAIL


test_the_root_of_the_other_sequence_fails = fails_with_other_sweeps("shi2021", ("S3", "root_two_hit", "root"))
test_tampered_grids_fail = fails_on_tampered_grids(
    "shi2021",
    ("S3", "root", "x", np.negative),
    ("S4", "full_batch", "distance", lambda distance: 1.01 * distance),
    ("S4", "full_batch", "distance", lambda distance: 0.99 * distance),
    (
        "S5a",
        "realizable",
        lambda grid: grid.assign(x=grid.x / np.sqrt(grid.checkpoint)),
    ),  # bounded, not growing
    ("S5a", "realizable", "x", lambda x: 1.01 * x),
    ("S5b", "nonrealizable", "x", np.negative),
    ("S5c", "published_level", "x", np.negative),
    ("S5c", "published_level", "x", lambda x: 1.1 * x),
)


def test_rescaled_slopes_give_the_published_start() -> None:
    # Slopes over 10 sqrt(C) with v_0 = 1, printed slopes with v_0 = 100 C: the same x up to rounding.
    C = 7
    settings = {"beta2": 0.9, "schedule": ts.power(0.5)}
    ours = ts.simulate(shi2021.printed(C), ts.rmsprop(lr=1.0, v0=1.0, **settings), steps=300, checkpoints=50)
    theirs = ts.simulate(
        shi.periodic(C), ts.rmsprop(lr=1.0, v0=100.0 * C, **settings), steps=300, checkpoints=50
    )
    assert np.ptp(theirs["x"].values) > 0.2
    np.testing.assert_allclose(ours["x"], theirs["x"], atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new"), [("d*n^2*D1_sum", "d*n*D1_sum"), ("4*n^2", "4*n"), ("sqrt(5*d", "sqrt(d")]
)
def test_another_T2_fails(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theorem = shi2021.THEOREM_43
    text = theorem.where_symbols["T2"]
    assert old in text
    wrong = replace(theorem, where_symbols={"T2": text.replace(old, new)})
    monkeypatch.setattr(shi2021, "THEOREM_43", wrong)
    assert status("shi2021.S2b", []) is Outcome.FAIL


def test_critical_exponents() -> None:
    # C = 3, k steps after the large gradient: v_k = 1 + 8 (1-b) b^k/(1-b^3), and D = 0 reads
    # 3/sqrt(v_0) = 1/sqrt(v_1) + 1/sqrt(v_2).
    b = 1.0 - 10.0 ** -shi2021.critical_exponent(3)
    v = [1.0 + 8.0 * (1.0 - b) * b**k / (1.0 - b**3) for k in range(3)]
    assert 3.0 / math.sqrt(v[0]) == pytest.approx(1.0 / math.sqrt(v[1]) + 1.0 / math.sqrt(v[2]), rel=1e-12)
    # (3, 3, -1): the mean slope and every Adam drift are positive.
    assert math.isnan(shi2021.critical_exponent(3, 2))
