"""The claims on Signum's rates and on gossip in the quick tier, and what must make each of them fail."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from paper_checks import sun2023
from tests.tampering import fails_on_tampered_grids, grids_of, nan, one_nan, status
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome
from theory_sim.nouns.problem import Problem

test_tampered_grids_fail = fails_on_tampered_grids(
    "sun2023",
    ("N1", "signum_cosines", "gradient_l1_mean", lambda v: 4.0 * v),
    ("N1", "signum_logarithms", "gradient_l1_mean", one_nan),
    ("N1", "signum_cosines", "gradient_l1_mean", nan),
    ("N1", "extrapolated_cosines", "x", nan),
    (
        "N1",
        "extrapolated_logarithms",
        "x",
        lambda x: 40.0 * x,
    ),  # the slopes saturate at a_i, three times the average
    ("N2", "signum_cosines", "gradient_l1_mean", np.sqrt),
    ("N2", "signum_logarithms", "gradient_l1_mean", nan),
    ("N2", "signum_cosines", "gradient_l1_mean", lambda v: v[::-1]),
    ("N2", "extrapolated_cosines", "x", nan),
    (
        "N2",
        "extrapolated_cosines",
        "x",
        lambda x: x + 1e-3,
    ),  # the decoded iterate is not the one that was kept
    ("N2", "extrapolated_cosines", "state_final", nan),
    ("N4", "averaged_256", "gradient_l1_mean", lambda v: 4.0 * v),
    ("N4", "averaged_1", "gradient_l1_mean", nan),
    ("N4", "gossip_16", "gradient_l1_mean", lambda v: 2.0 * v),
    ("N4", "gossip_64", "gradient_l1_window", lambda v: 3.0 * v),
    ("N4", "exchange", "gradient_l1_window", lambda v: v[::-1] * [[[1.0]], [[2.0]]]),
    ("N4", "silence", "gradient_l1_window", lambda v: 0.5 * v),
    ("N4", "silence", "gradient_l1_window", nan),
)


@pytest.mark.parametrize("exponent", [-1.0, -0.25, 0.0])
def test_another_exponent_of_the_extrapolated_method_fails(
    exponent: float, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The average of B replaced by one with this exponent; at that of A it is no steeper.
    def falling(grid: xr.Dataset, problem: Problem) -> np.ndarray:
        first = sun2023.signum_average(runs.grid(sun2023.SIGNUM[0]))
        T = np.array(sun2023.HORIZONS[: len(first)], dtype=float)[:, None]
        return first if exponent == -0.25 else first[:1] * (T / T[0]) ** exponent

    monkeypatch.setattr(sun2023, "extrapolated_average", falling)
    assert status("sun2023.N2", grids_of("sun2023.N2", runs)) is not Outcome.PASS


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
    exact = grid.gradient_l1_mean.sel(checkpoint=T).values.mean()
    # The path is sampled every 16 steps, its memory is 32 steps: 16 seeds leave about 1 %.
    assert grid.gradient_l1.sel(checkpoint=points).values.mean() == pytest.approx(exact, rel=0.04)


def test_bound_by_hand() -> None:
    # T = 256: lr = 1/64, 1 - beta = 1/16; L = 12, sigma = 20, delta = 12 (1 - cos 2) = 16.99376.
    # A: delta/4 + 12/128 + 2 (20*16/256 + 15*12/64 + 20/sqrt(31)) = 4.24844 + .09375 + 2
    # (1.25 + 2.8125 + 3.59211)
    bound = sun2023.bound(sun2023.PROBLEMS[0], sun2023.scheduled_signum(256), 256)
    assert bound == pytest.approx(19.65141, abs=1e-4)
    # B at T = 128: 1 - beta = 1/16, lr = 1/32; L = 12, R = 24, sigma = 20, delta = 12 (2 - ln 3) = 10.81665.
    # delta/4 + 12/64 + 2 (20*16/128 + 12 (1/1024)(15/16) 256 + 20/sqrt(31))
    bound = sun2023.bound(sun2023.PROBLEMS[1], sun2023.scheduled_extrapolated(128), 128)
    assert bound == pytest.approx(10.81665 / 4 + 0.1875 + 2 * (2.5 + 2.8125 + 20 / 31**0.5), abs=1e-4)


@pytest.mark.parametrize("which", ["FIRST_ORDER", "EXTRAPOLATION"])
@pytest.mark.parametrize("factor", [0.25, 2.0])
def test_a_wrong_bound_fails(which: str, factor: float, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    theorem = getattr(sun2023, which)
    monkeypatch.setattr(sun2023, which, replace(theorem, bound=f"{factor}*({theorem.bound})"))
    assert status("sun2023.N1", grids_of("sun2023.N1", runs)) is Outcome.FAIL


def test_average_of_the_extrapolated_method_uses_the_problem(runs: Runs) -> None:
    # At T = 256 and x = 0 the gradient norm vanishes: the measure is evaluated at the decoded points.
    grid = runs.grid(sun2023.EXTRAPOLATED[0])
    values = sun2023.extrapolated_average(grid, sun2023.PROBLEMS[0])
    other = sun2023.extrapolated_average(grid, sun2023.PROBLEMS[1])
    assert values.shape == (grid.sizes["T"], grid.sizes["seed"])
    assert (np.abs(values - other) > 1e-3).all()
