"""Claims of Shi et al. 2021 in the quick tier, and grids that must fail."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import xarray as xr

import theory_sim as ts
from counterexamples import shi
from paper_checks import shi2021
from theory_sim.claim import Outcome
from theory_sim.runs import Runs

CLAIMS = {claim.id: claim for claim in shi2021.CLAIMS}


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


def status(runs: Runs, name: str, grids: Sequence[xr.Dataset]) -> Outcome:
    return CLAIMS[name].check(grids, runs.tier).status


def grids_of(runs: Runs, name: str) -> list[xr.Dataset]:
    return [runs.grid(sweep) for sweep in CLAIMS[name].sweeps]


@pytest.mark.parametrize("name", CLAIMS)
def test_claim_holds(runs: Runs, name: str) -> None:
    result = runs.check(CLAIMS[name])
    assert result.evidence.status == Outcome.PASS, result.evidence


@pytest.mark.parametrize("name", [name for name, claim in CLAIMS.items() if claim.sweeps])
def test_nan_never_passes(runs: Runs, name: str) -> None:
    grids = [grid.map(lambda v: v * math.nan if v.dtype.kind == "f" else v) for grid in grids_of(runs, name)]
    assert status(runs, name, grids) == Outcome.FAIL


def test_the_two_diagrams_are_not_interchangeable(runs: Runs) -> None:
    # The printed problem against the curve of the two-hit sequence, on the rows that both have.
    printed, coded = grids_of(runs, "shi2021.S1")
    common = np.intersect1d(printed["C"], coded["C"])
    assert status(runs, "shi2021.S1", [coded.sel(C=common), coded]) == Outcome.FAIL
    assert status(runs, "shi2021.S1", [printed, printed.sel(C=common)]) == Outcome.FAIL


def test_a_diagram_shifted_by_two_cells_fails(runs: Runs) -> None:
    printed, coded = grids_of(runs, "shi2021.S1")
    shifted = printed.assign_coords(beta2=1.0 - (1.0 - printed["beta2"]) * 10.0 ** (-2 * shi2021.SPACING))
    assert status(runs, "shi2021.S1", [shifted, coded]) == Outcome.FAIL


def test_the_root_of_the_other_sequence_fails(runs: Runs) -> None:
    printed, coded = grids_of(runs, "shi2021.S3")
    assert status(runs, "shi2021.S3", [coded, printed]) == Outcome.FAIL
    reversed_sign = printed.assign(x=-printed["x"])
    assert status(runs, "shi2021.S3", [reversed_sign, coded]) == Outcome.FAIL


def test_full_batch_needs_small_iterates(runs: Runs) -> None:
    (grid,) = grids_of(runs, "shi2021.S4")
    assert status(runs, "shi2021.S4", [grid.assign(distance=1.1 * grid["distance"])]) == Outcome.FAIL


def test_bounded_runs_do_not_pass_for_growing_ones(runs: Runs) -> None:
    (grid,) = grids_of(runs, "shi2021.S5a")
    bounded = grid.assign(x=grid["x"] / np.sqrt(grid["checkpoint"]))
    assert status(runs, "shi2021.S5a", [bounded]) == Outcome.FAIL
    assert status(runs, "shi2021.S5a", [grid.assign(x=1.01 * grid["x"])]) == Outcome.FAIL


def test_the_bias_has_a_sign(runs: Runs) -> None:
    (grid,) = grids_of(runs, "shi2021.S5b")
    assert status(runs, "shi2021.S5b", [grid.assign(x=-grid["x"])]) == Outcome.FAIL
    (grid,) = grids_of(runs, "shi2021.S5c")
    assert status(runs, "shi2021.S5c", [grid.assign(x=-grid["x"])]) == Outcome.FAIL


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


def test_worst_case_expression() -> None:
    # n = d = D1 = 1, beta2 = 1/4: sqrt(5 * 4) * [(3/4)(4 * 4 - 1)/2 + (2 - 1)] = sqrt(20) * 6.625.
    assert shi2021.worst_case(0.25, 1, 1, 1.0) == pytest.approx(math.sqrt(20.0) * 6.625, rel=1e-14)


def test_critical_exponents() -> None:
    # C = 3, k steps after the large gradient: v_k = 1 + 8 (1-b) b^k/(1-b^3), and D = 0 reads
    # 3/sqrt(v_0) = 1/sqrt(v_1) + 1/sqrt(v_2).
    b = 1.0 - 10.0 ** -shi2021.critical_exponent(3)
    v = [1.0 + 8.0 * (1.0 - b) * b**k / (1.0 - b**3) for k in range(3)]
    assert 3.0 / math.sqrt(v[0]) == pytest.approx(1.0 / math.sqrt(v[1]) + 1.0 / math.sqrt(v[2]), rel=1e-12)
    # (3, 3, -1): the mean slope and every Adam drift are positive.
    assert math.isnan(shi2021.critical_exponent(3, 2))


def test_deviations_point_at_claims() -> None:
    for deviation in shi2021.DEVIATIONS:
        assert deviation.claims
        assert set(deviation.claims) <= set(CLAIMS)
