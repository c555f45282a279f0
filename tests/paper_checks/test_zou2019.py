"""Claims of Zou et al. 2019 in the quick tier, and grids that must fail."""

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from counterexamples import drift
from paper_checks.zou2019 import claims as zou2019
from tests.tampering import fails_on_tampered_grids, status
from theory_sim.nouns.claim import Outcome


def one_seed_lost(x: np.ndarray) -> np.ndarray:
    x[-1, 0] = math.nan
    return x


def one_power_lost(average: np.ndarray) -> np.ndarray:
    average[:, :, 0] = math.nan
    return average


def stuck(grid: xr.Dataset) -> xr.Dataset:
    """Theta in the step instead of v, as in the public re-implementation: every r behaves like r = 0."""
    return grid.assign(
        {name: grid[name] * 0.0 + grid[name].sel(r=0.0, drop=True) for name in ("x", "x_final")}
    )


test_tampered_grids_fail = fails_on_tampered_grids(
    "zou2019",
    ("G1b", "stochastic", "x_final", one_seed_lost),
    ("G2", "rates", "gradient_43_mean", one_power_lost),
    ("G1a", "periodic", stuck),
    ("G1b", "stochastic", stuck),
    ("G1c", "periodic", stuck),
    ("G1a", "periodic", lambda grid: grid.assign_coords(r=grid.r.values[::-1])),
    ("G2", "rates", "gradient_43_mean", np.ones_like),
    ("G2", "skewed", lambda grid: grid.assign_coords(r=grid.r.values[::-1])),
    (
        "G2",
        "skewed",
        lambda grid: grid.assign(x=grid.x * 0.0 + grid.x.sel(r=0.0, drop=True)),
    ),  # theta = const
)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("accepted", lambda s, r: r / 2.0 <= s < 1.0),
        ("accepted", lambda s, r: r <= s < 1.0 and r > 0.0),
        ("sufficient_condition", lambda *_, **__: ()),
        ("power_sum", lambda p, T: 1.001 * zou2019.math.fsum(t**-p for t in range(1, 1001))),
    ],
    ids=["without r > 0", "r for r/2", "no condition", "no ends"],
)
def test_another_rule_fails(name: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zou2019, name, wrong)
    assert status("zou2019.G3", []) is Outcome.FAIL


def test_coupled_rows() -> None:
    optimizer = zou2019.coupled(0.5)
    assert optimizer.hyper["c"] == pytest.approx(0.505)
    assert optimizer.replace(r=0.75).hyper["c"] == pytest.approx(0.7525)
    assert optimizer.replace(r=0.75, lr=2.0).lr == 2.0
    with pytest.raises(ValueError, match=r"r = 1\.5 must be a finite number in \[0, 1\]"):
        zou2019.coupled(1.5)


def test_turning_time_solves_its_equation() -> None:
    critical = 1.0 - drift.critical_beta2(0.9, 101, 101.0)[-1]
    for r in (0.25, 0.5, 0.75):
        t = zou2019.turning_time(r)
        assert (0.01 + 0.99 * r) * t**-r - 1.0 / t == pytest.approx(critical, rel=1e-9)
        # Later than the curve's maximum, so that the drift changes from wrong to right.
        later = 1.1 * t
        assert (0.01 + 0.99 * r) * later**-r - 1.0 / later < critical
    assert zou2019.turning_time(0.0) == math.inf  # theta = .99 is below the critical .99952
    assert zou2019.turning_time(1.0) == 0.0  # 1/t - 1/t = 0


def test_path_stays_in_the_box_and_moves_left_in_the_end() -> None:
    times = np.geomspace(1e4, 1e8, 30)
    x = zou2019.path(0.75, 0.5, times, 1.0)
    assert x[0] == 1.0
    assert x[-1] == -1.0
    assert np.all(np.diff(x) <= 0.0)
    assert np.all(zou2019.path(0.0, 0.5, times, 1.0) == 1.0)


@given(p=st.floats(0.0, 3.0), T=st.integers(1, 3000))
def test_power_sum_against_a_loop(p: float, T: int) -> None:
    loop = math.fsum(t**-p for t in range(1, T + 1))
    assert zou2019.power_sum(p, float(T)) == pytest.approx(loop, rel=1e-9)


def test_power_sum_limits() -> None:
    # zeta(2) - 1/T, and the harmonic number log T + gamma.
    assert zou2019.power_sum(2.0, 1e8) == pytest.approx(math.pi**2 / 6 - 1e-8, rel=1e-12)
    assert zou2019.power_sum(1.0, 1e12) == pytest.approx(12 * math.log(10) + np.euler_gamma, rel=1e-12)


@pytest.mark.parametrize(
    ("s", "r", "expected"),
    [
        (0.5, 1.0, True),
        (0.5, 1.05, False),
        (1.0, 0.5, False),
        (0.5, 0.0, False),
        (0.0, 0.0, False),
        (0.25, 0.5, True),
    ],
)
def test_accepted(s: float, r: float, expected: bool) -> None:
    assert zou2019.accepted(s, r) is expected


def test_power_rates_by_hand() -> None:
    assert zou2019.power_rate(0.5, 1.0) == -0.5
    assert zou2019.power_rate(0.25, 0.5) == -0.25
    assert zou2019.power_rate(0.75, 1.0) == -0.25
