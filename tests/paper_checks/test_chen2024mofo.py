"""The claims on MoFO, and what must make each of them fail."""

from __future__ import annotations

import numpy as np

from paper_checks import chen2024mofo as checked
from tests.tampering import fails_on_tampered_grids, nan
from theory_sim.app.runs import Runs

test_tampered_grids_fail = fails_on_tampered_grids(
    "chen2024mofo",
    ("M1", "two_mofo", "distance", lambda v: v + 0.002),
    ("M1", "three_adam", "distance", lambda v: 0.7 * v),
    ("M1", "five_mofo", "gap", lambda v: v + 1e-9),
    ("M1", "five_adam", "gap", nan),
    ("M1", "tie_mofo", "x", lambda v: v * [1.0, 0.999]),
    ("M1", "tie_mofo", "distance", lambda v: 0.7 * v),
    ("M2", "bowls", "x", lambda v: np.where(np.arange(v.shape[3])[:, None] > 100, v[:, :, :, 5:6], v)),
    ("M2", "bowls", "x", nan),
    ("M3", "regression", "touched", lambda v: np.full(v.shape, 200.0)),
    ("M3", "regression", "touched", lambda v: v - 20.0),
    ("M3", "regression", "distance_l1", lambda v: v[:, ::-1]),
    ("M3", "regression", "distance", lambda v: v[:, ::-1]),
    ("M3", "regression", "gap", lambda v: v + 0.01),
)


def test_the_first_checkpoint_at_the_loss_is_taken(runs: Runs) -> None:
    grid = runs.grid(checked.REGRESSION)
    found = checked.at_equal_loss(grid)
    one = grid.isel(seed=0).sel(instance=1, fraction=0.2)
    place = next(k for k, gap in enumerate(one.gap.values) if gap <= 0.01)
    assert found["steps"][1, 2] == one.checkpoint.values[place]
    assert found["distance"][1, 2] == one.distance.values[place]


def test_the_weighted_norm_is_that_of_the_points_before_each_step(runs: Runs) -> None:
    # At T = 2 the least of ||grad f(x_1)|| and ||grad f(x_2)||; x_1 = 0 and x_2 is checkpoint 1.
    grid = runs.grid(checked.BOWLS)
    problem = checked.BOWLS.problem
    A, b = problem.matrices["A"], problem.matrices["b"][:, 0]
    second = grid.x.sel(fraction=1.0, instance=0, checkpoint=1).values.ravel()
    norms = []
    for x in (np.zeros(20), second):
        z = A @ x - b
        norms.append(np.abs(A.T @ (2.0 * z / (1.0 + z * z) ** 2) / 40.0).sum())
    expected = min(norms) * np.sqrt(2.0) / np.log(2.0)
    assert np.isclose(checked.weighted_norm(grid, 1.0, 0)[0], expected, rtol=1e-12)
