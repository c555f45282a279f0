"""Claims of Chen et al. 2022 in the quick tier, and grids that must fail."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from paper_checks import chen2022
from tests.tampering import fails_on_tampered_grids


def undone(exponent: float) -> Callable[[xr.Dataset], xr.Dataset]:
    """Multiply the error by B to this power; B is the number of workers."""
    return lambda grid: grid.assign(
        gradient_square_mean=float(grid.attrs["workers"]) ** exponent * grid.gradient_square_mean
    )


# Observed distances from the tolerance are more than 10 standard errors: false alarms below 1e-20 per claim.
test_tampered_grids_fail = fails_on_tampered_grids(
    "chen2022",
    ("G4a", "*", undone(0.5)),  # no speed-up
    ("G4b", "*", undone(0.5)),
    ("G4a", "*", undone(0.1)),
    *(("G4b", f"B{B}_T40000", "gradient_square_mean", lambda error: 1.2 * error) for B in (4, 16, 64)),
    ("G4b", "*", "gradient_square_mean", lambda error: 1.2 * error),
)


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
