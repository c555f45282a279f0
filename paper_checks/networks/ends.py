"""Where trainings end, tuned or not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t

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
    return float(t.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n)) if n > 1 else math.inf


def at_an_edge(*grids: xr.Dataset) -> bool:
    """Return whether a tuned step size is the least or the largest of its grid."""
    places = [int(final(grid).mean("seed").argmin("lr")) for grid in grids]
    return any(at in (0, grid.sizes["lr"] - 1) for at, grid in zip(places, grids, strict=True))
