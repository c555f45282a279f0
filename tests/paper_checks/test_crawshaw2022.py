"""The comparison on separable wells, and what must make it fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from paper_checks import crawshaw2022
from theory_sim.claim import Outcome
from theory_sim.runs import Runs

CLAIMS = {claim.id.split(".")[1]: claim for claim in crawshaw2022.CLAIMS}

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


TAMPERED: list[tuple[str, int, str, Change]] = [
    ("C1", 0, "first_hit", lambda h: np.where(h > 0, h // 10, h)),  # gradient descent ten times as fast
    ("C1", 0, "first_hit", lambda h: np.repeat(h[:1], 3, axis=0)),  # no growth with the distance
    ("C1", 3, "first_hit", lambda h: np.where(h > 0, 5 * h, h)),
    ("C1", 1, "first_hit", lambda h: np.where(h > 0, h * [[[1]], [[1]], [[9]]], h)),
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


def test_a_best_step_at_the_edge_is_undecided(runs: Runs) -> None:
    grids = [runs.grid(sweep) for sweep in crawshaw2022.TUNED]
    cut = [grids[0], grids[1].isel(lr=slice(0, 20)), *grids[2:]]
    assert CLAIMS["C1"].check(cut, "quick").status is Outcome.UNDECIDED
    never = with_values(grids[3], "first_hit", lambda h: np.full_like(h, -1))
    assert CLAIMS["C1"].check([*grids[:3], never, grids[4]], "quick").status is Outcome.UNDECIDED


def test_a_lucky_landing_is_no_result() -> None:
    hits = np.array([[[100], [90], [-1], [3], [-1], [-1]]])
    grid = xr.Dataset({"first_hit": (("reach", "lr", "seed"), hits)})
    steps, edge = crawshaw2022.tuned(grid)
    assert (steps.tolist(), edge.tolist()) == ([100.0], [True])


def test_the_whole_grid_is_reported(runs: Runs) -> None:
    note = runs.check(CLAIMS["C1"]).evidence.note
    for name in ("GD", "clipped GD", "normalised GD", "sign", "generalized sign"):
        assert f"{name}, lr" in note


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in crawshaw2022.CLAIMS}
    assert all(set(entry.claims) <= known for entry in crawshaw2022.DEVIATIONS)
