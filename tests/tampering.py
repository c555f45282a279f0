"""Grids that were changed on purpose, and the test that a claim sees it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import xarray as xr

from theory_sim.app import catalogue
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome


def nan(values: np.ndarray) -> np.ndarray:
    """NaN everywhere."""
    return np.full(values.shape, np.nan)


def one_nan(values: np.ndarray) -> np.ndarray:
    """NaN in the last place."""
    values.reshape(-1)[-1] = np.nan
    return values


def flipped(verdict: np.ndarray) -> np.ndarray:
    """CONVERGED and DIVERGED exchanged, as a wrong sign in the step would."""
    swap = {"CONVERGED": "DIVERGED", "DIVERGED": "CONVERGED"}
    return np.vectorize(lambda name: swap.get(name, name))(verdict)


def lost(grid: xr.Dataset, kinds: str = "f") -> xr.Dataset:
    """A grid without results: numbers NaN and, if `kinds` has i and U, counts -1 and verdicts UNDECIDED."""
    nothing = {"f": (np.nan, float), "i": (-1, int), "U": ("UNDECIDED", "U9")}

    def without(variable: xr.DataArray) -> xr.DataArray:
        kind = variable.dtype.kind
        return xr.full_like(variable, *nothing[kind]) if kind in kinds else variable

    return grid.map(without, keep_attrs=True)


def with_values(grid: xr.Dataset, variable: str, change: Callable[[np.ndarray], np.ndarray]) -> xr.Dataset:
    """The grid with one variable changed; `change` gets a copy of its values."""
    return grid.assign({variable: (grid[variable].dims, change(grid[variable].values.copy()))})


def status(claim: str, grids: Sequence[xr.Dataset], tier: str = "quick") -> Outcome:
    """What a claim says of these grids."""
    return catalogue.claims()[claim].check(grids, tier).status


def grids_of(claim: str, runs: Runs) -> list[xr.Dataset]:
    """The grids that a claim asks for."""
    return [runs.grid(sweep) for sweep in catalogue.claims()[claim].sweeps]


def fails_on_tampered_grids(paper: str, *rows: tuple[Any, ...], tier: str = "quick") -> Callable[..., None]:
    """Return a test: a claim fails when one of its grids is changed.

    Parameters
    ----------
    paper : str
        Key of the paper, the prefix of every claim below.
    *rows : tuple
        (claim, sweep, variable, change), where ``change(values)`` gets a copy of the values, or
        (claim, sweep, change), where ``change(grid)`` returns a Dataset.  The sweep is named without the key
        of its paper; ``"*"`` changes all.
    tier : str
        The tier whose thresholds the claim applies to the quick grids.
    """

    @pytest.mark.parametrize("row", rows, ids=[f"{row[0]}-{row[-2]}-{i}" for i, row in enumerate(rows)])
    def test(row: tuple[Any, ...], runs: Runs) -> None:
        label, sweep, *variable, change = row
        claim = catalogue.claims()[f"{paper}.{label}"]
        grids = {one.name.partition(".")[2]: runs.grid(one) for one in claim.sweeps}
        for name in grids if sweep == "*" else (sweep,):
            grids[name] = with_values(grids[name], *variable, change) if variable else change(grids[name])
        assert claim.check(list(grids.values()), tier).status is Outcome.FAIL

    return test


def fails_with_other_sweeps(paper: str, *rows: tuple[str, ...], tier: str = "quick") -> Callable[..., None]:
    """Return a test: a claim fails on the grids of other sweeps than its own, or on its own in another order.

    Each row is (claim, *sweeps), without the key of the paper.
    """

    @pytest.mark.parametrize("row", rows, ids=["-".join(row) for row in rows])
    def test(row: tuple[str, ...], runs: Runs) -> None:
        label, *names = row
        grids = [runs.grid(catalogue.sweeps()[f"{paper}.{name}"]) for name in names]
        assert status(f"{paper}.{label}", grids, tier) is Outcome.FAIL

    return test
