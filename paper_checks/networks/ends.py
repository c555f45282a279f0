"""Where trainings end, tuned or not, and what their seeds show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from theory_sim.nouns.claim import Evidence, at_least, at_most, undecided

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, Any]
EDGE = "a tuned step size is at the edge of its grid; a wider grid"


def ending(steps: int, *more: int) -> dict[str, Any]:
    """Return steps, and checkpoints whose last four are averaged: what a constant step leaves is noisy."""
    last = [round(steps * share) for share in (0.85, 0.9, 0.95)]
    return {"steps": steps, "checkpoints": sorted({*more, *last})}


def final(grid: xr.Dataset) -> xr.DataArray:
    """Return the mean loss at the last four checkpoints; infinite where a step had a loss that is not finite."""
    tail: xr.DataArray = grid.loss.isel(checkpoint=slice(-4, None)).mean("checkpoint", skipna=False)
    return tail.where(grid.nonfinite_step < 0, math.inf)


def lost(*grids: xr.Dataset) -> bool:
    """Return whether a loss is NaN although no step had one that is not finite: then nothing is shown."""
    return any(bool(np.isnan(final(grid).values).any()) for grid in grids)


def tuned(grid: xr.Dataset) -> xr.DataArray:
    """Return the final loss (..., seed) at the step size that is best on average."""
    loss = final(grid)
    return loss.isel(lr=loss.mean("seed").argmin("lr"))


def half_width(values: Array) -> float:
    """Return half of the 95% interval, by Student, of the mean of independent values; infinite for one value."""
    n = len(values)
    return float(stdtrit(n - 1, 0.975) * values.std(ddof=1) / math.sqrt(n)) if n > 1 else math.inf


def mean_within(values: Array, low: float, high: float, note: str) -> Evidence:
    """PASS iff the 95% interval of the mean of independent values lies in [low, high], FAIL iff it lies outside.

    So a claim whose mean is in there FAILs in 2.5% of all repetitions at most, and one whose mean is not there
    PASSes in as few; what the values leave open is UNDECIDED.  A value that is not finite is a FAIL.
    """
    if not np.isfinite(values).all():
        return at_least(math.nan, low, f"{note}: a value is not finite")
    mean, error = float(values.mean()), half_width(values)
    said = f"{note}, 95% of {len(values)} seeds: {mean:.3g} +- {error:.2g}"
    a, b = mean - error, mean + error
    if b < low or (low <= a and b <= high and a - low <= high - b):
        return at_least(b if b < low else a, low, said)
    if a > high or (low <= a and b <= high):
        return at_most(a if a > high else b, high, said)
    return undecided(mean, f"{low:.3g} to {high:.3g}", f"{said}; more seeds")


def at_an_edge(*grids: xr.Dataset) -> bool:
    """Return whether a tuned step size is the least or the largest of its grid."""
    places = [int(final(grid).mean("seed").argmin("lr")) for grid in grids]
    return any(at in (0, grid.sizes["lr"] - 1) for at, grid in zip(places, grids, strict=True))
