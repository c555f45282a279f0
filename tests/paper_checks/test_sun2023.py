"""The claims on Signum's rates and on gossip in the quick tier, and what must make each of them fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from paper_checks import sun2023
from theory_sim.claim import Outcome
from theory_sim.runs import Runs

CLAIMS = {claim.id.split(".")[1]: claim for claim in sun2023.CLAIMS}

Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.mark.parametrize("label", CLAIMS)
def test_claim_passes(label: str, runs: Runs) -> None:
    result = runs.check(CLAIMS[label])
    assert result.evidence.status is Outcome.PASS, result.record()


def with_values(grid: xr.Dataset, name: str, change: Change) -> xr.Dataset:
    """The grid with one variable changed."""
    return grid.assign({name: (grid[name].dims, change(grid[name].values.copy()))})


def nan(values: np.ndarray) -> np.ndarray:
    return np.full_like(values, np.nan, dtype=float)


def one_nan(values: np.ndarray) -> np.ndarray:
    values.reshape(-1)[-1] = np.nan
    return values


TAMPERED: list[tuple[str, int, str, Change]] = [
    ("N1", 0, "gradient_norm_mean", lambda v: 4.0 * v),
    ("N1", 1, "gradient_norm_mean", one_nan),
    ("N1", 0, "gradient_norm_mean", nan),
    ("N1", 2, "x", nan),
    ("N1", 3, "x", lambda x: 40.0 * x),  # the slopes saturate at a_i, three times the average
    ("N2", 0, "gradient_norm_mean", np.sqrt),
    ("N2", 1, "gradient_norm_mean", nan),
    ("N2", 0, "gradient_norm_mean", lambda v: v[::-1]),
    ("N2", 2, "x", nan),
    ("N2", 2, "x", lambda x: x + 1e-3),  # the decoded iterate is not the one that was kept
    ("N2", 2, "state_final", nan),
    ("N4", 4, "gradient_norm_mean", lambda v: 4.0 * v),
    ("N4", 0, "gradient_norm_mean", nan),
    ("N4", 7, "gradient_norm_mean", lambda v: 2.0 * v),
    ("N4", 8, "gradient_norm_window", lambda v: 3.0 * v),
    ("N4", 9, "gradient_norm_window", lambda v: v[::-1] * [[[1.0]], [[2.0]]]),
    ("N4", 10, "gradient_norm_window", lambda v: 0.5 * v),
    ("N4", 10, "gradient_norm_window", nan),
]


@pytest.mark.parametrize(
    ("label", "which", "name", "change"), TAMPERED, ids=[f"{t[0]}-{t[2]}-{i}" for i, t in enumerate(TAMPERED)]
)
def test_claim_fails_on_a_tampered_grid(
    label: str, which: int, name: str, change: Change, runs: Runs
) -> None:
    claim = CLAIMS[label]
    grids = [runs.grid(sweep) for sweep in claim.sweeps]
    grids[which] = with_values(grids[which], name, change)
    assert claim.check(grids, "quick").status is Outcome.FAIL


def test_swapped_methods_fail(runs: Runs) -> None:
    # Signum's average in place of the extrapolated one: no steeper slope.
    grids = [runs.grid(sweep) for sweep in CLAIMS["N2"].sweeps]
    values = sun2023.signum_average(grids[0])
    assert sun2023._rate(sun2023.HORIZONS[:4], values / values, -np.inf, -0.02, "").status is Outcome.FAIL


def test_iterates_are_decoded_from_two_extrapolated_points() -> None:
    lr, beta = 0.01, 0.9
    s = np.random.default_rng(0).choice([-1.0, 1.0], size=(50, 3))
    x = np.concatenate([np.ones((1, 3)), 1.0 - lr * np.cumsum(s, axis=0)])
    y = x[1:] + beta / (1 - beta) * np.diff(x, axis=0)
    now, following = sun2023.iterates(y[:-1], y[1:], lr, beta)
    np.testing.assert_allclose(now, x[1:-1], atol=1e-12)
    np.testing.assert_allclose(following, x[2:], atol=1e-12)


def test_strata_estimate_the_path_average(runs: Runs) -> None:
    # Signum's own path average against 64 points of it: the estimate that serves the extrapolated method.
    sweep = sun2023.SIGNUM[0]
    T = 1024
    points = sun2023.strata(T)
    grid = replace(sweep, axes={"T": (T,)}, steps=T, seeds=16, checkpoints=(*points, T), quick={}).run()
    exact = grid.gradient_norm_mean.sel(checkpoint=T).values.mean()
    # The path is sampled every 16 steps, its memory is 32 steps: 16 seeds leave about 1 %.
    assert grid.gradient_norm.sel(checkpoint=points).values.mean() == pytest.approx(exact, rel=0.04)


def test_bound_by_hand() -> None:
    # T = 256: lr = 1/64, 1 - beta = 1/16; L = 12, sigma = 20, delta = 12 (1 - cos 2) = 16.99376.
    # A: delta/4 + 12/128 + 2 (20*16/256 + 15*12/64 + 20/sqrt(31)) = 4.24844 + .09375 + 2 (1.25 + 2.8125 + 3.59211)
    bound = sun2023.bound(sun2023.PROBLEMS[0], sun2023.scheduled_signum(256), 256)
    assert bound == pytest.approx(19.65141, abs=1e-4)


def test_average_of_the_extrapolated_method_uses_the_problem(runs: Runs) -> None:
    # At T = 256 and x = 0 the gradient norm vanishes: the measure is evaluated at the decoded points.
    grid = runs.grid(sun2023.EXTRAPOLATED[0])
    values = sun2023.extrapolated_average(grid, sun2023.PROBLEMS[0])
    other = sun2023.extrapolated_average(grid, sun2023.PROBLEMS[1])
    assert values.shape == (grid.sizes["T"], grid.sizes["seed"])
    assert (np.abs(values - other) > 1e-3).all()


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in sun2023.CLAIMS}
    assert all(set(entry.claims) <= known for entry in sun2023.DEVIATIONS)
