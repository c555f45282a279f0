"""Claims of Chen et al. 2022 in the quick tier, and grids that must fail."""

import math

import numpy as np
import pytest
import xarray as xr

from paper_checks import chen2022
from theory_sim.claim import Outcome
from theory_sim.runs import Runs

CLAIMS = {claim.id: claim for claim in chen2022.CLAIMS}


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.fixture(scope="module")
def grids(runs: Runs) -> list[xr.Dataset]:
    return [runs.grid(sweep) for sweep in chen2022.SWEEPS]


def scaled(grids: list[xr.Dataset], factors: list[float]) -> list[xr.Dataset]:
    return [
        grid.assign(gradient_square_mean=factor * grid["gradient_square_mean"])
        for grid, factor in zip(grids, factors, strict=True)
    ]


# Observed distances from the tolerance are more than 10 standard errors: false alarms below 1e-20 per claim.
@pytest.mark.parametrize("name", CLAIMS)
def test_claim_holds(runs: Runs, name: str) -> None:
    result = runs.check(CLAIMS[name])
    assert result.evidence.status == Outcome.PASS, result.evidence


@pytest.mark.parametrize("name", CLAIMS)
def test_nan_never_passes(grids: list[xr.Dataset], name: str) -> None:
    assert CLAIMS[name].check(scaled(grids, [math.nan] * len(grids)), "quick").status == Outcome.FAIL


def test_no_speed_up_fails(grids: list[xr.Dataset]) -> None:
    # Undo the speed-up: the error of every batch size as large as that of B = 1.
    undone = scaled(grids, [math.sqrt(B) for _ in chen2022.HORIZONS for B in chen2022.BATCHES])
    for claim in CLAIMS.values():
        assert claim.check(undone, "quick").status == Outcome.FAIL


def test_a_smaller_exponent_fails(grids: list[xr.Dataset]) -> None:
    weaker = scaled(grids, [B**0.1 for _ in chen2022.HORIZONS for B in chen2022.BATCHES])
    assert CLAIMS["chen2022.G4a"].check(weaker, "quick").status == Outcome.FAIL


def test_a_wrong_constant_fails(grids: list[xr.Dataset]) -> None:
    assert CLAIMS["chen2022.G4b"].check(scaled(grids, [1.2] * len(grids)), "quick").status == Outcome.FAIL


def test_limit_is_the_time_average() -> None:
    # d sigma/(2 sqrt(BT)) times the mean of (1 - exp(-u))^(-1/2) over (0, 1): midpoint rule in sqrt(u).
    w = (np.arange(200_000) + 0.5) / 200_000
    average = np.mean(2.0 * w / np.sqrt(-np.expm1(-w * w)))
    assert chen2022.limit(4, 100, 3.0) == pytest.approx(
        10 * 3.0 / (2.0 * math.sqrt(400.0)) * average, rel=1e-8
    )


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    data = np.array([[1.0, 4.0, 2.0, 9.0]])
    value, error = chen2022.jackknife(lambda means: float(means[0]), data)
    assert value == 4.0
    assert error == pytest.approx(data.std(ddof=1) / 2.0, rel=1e-12)


def test_slope_of_a_power() -> None:
    assert chen2022.slope(3.0 * np.array([1.0, 4.0, 16.0]) ** -0.5, [1, 4, 16]) == pytest.approx(-0.5)


def test_deviations_point_at_claims() -> None:
    for deviation in chen2022.DEVIATIONS:
        assert set(deviation.claims) <= set(CLAIMS)
