"""The comparison on separable wells, and what must make it fail."""

import numpy as np
import xarray as xr

from paper_checks import crawshaw2022
from tests.tampering import fails_on_tampered_grids, grids_of, status, with_values
from theory_sim.app import catalogue
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome

test_tampered_grids_fail = fails_on_tampered_grids(
    "crawshaw2022",
    ("C1", "gd", "first_hit", lambda h: np.where(h > 0, h // 10, h)),  # gradient descent ten times as fast
    ("C1", "gd", "first_hit", lambda h: np.repeat(h[:1], 3, axis=0)),  # no growth with the distance
    ("C1", "generalized", "first_hit", lambda h: np.where(h > 0, 2 * h, h)),
    (
        "C1",
        "gd",
        "first_hit",
        lambda h: np.where(h > 0, h * [[[1]], [[2]], [[4]]], h),
    ),  # grows with another power
    ("C1", "sign", "first_hit", lambda h: np.where(h > 0, 5 * h, h)),
    ("C1", "clipped", "first_hit", lambda h: np.where(h > 0, h * [[[1]], [[1]], [[9]]], h)),
)


def test_a_best_step_at_the_edge_is_undecided(runs: Runs) -> None:
    grids = grids_of("crawshaw2022.C1", runs)
    cut = [grids[0], grids[1].isel(lr=slice(0, 20)), *grids[2:]]
    assert status("crawshaw2022.C1", cut) is Outcome.UNDECIDED
    never = with_values(grids[3], "first_hit", lambda h: np.full_like(h, -1))
    assert status("crawshaw2022.C1", [*grids[:3], never, grids[4]]) is Outcome.UNDECIDED


def test_a_lucky_landing_is_no_result() -> None:
    hits = np.array([[[100], [90], [-1], [3], [-1], [-1]]])
    grid = xr.Dataset({"first_hit": (("reach", "lr", "seed"), hits)})
    steps, edge = crawshaw2022.tuned(grid)
    assert (steps.tolist(), edge.tolist()) == ([100.0], [True])


def test_the_whole_grid_is_reported(runs: Runs) -> None:
    note = runs.check(catalogue.claims()["crawshaw2022.C1"]).evidence.note
    for name in ("GD", "clipped GD", "normalised GD", "sign", "generalized sign"):
        assert f"{name}, lr" in note
