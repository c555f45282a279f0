"""What many checks share: the worst of many cases, ends of running means, errors of a compressor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from theory_sim.compressors import Compressor
from theory_sim.nouns.claim import Evidence, at_most

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[np.float64]


def worst_at_most(found: Mapping[str, float], bound: float, what: str) -> Evidence:
    """PASS iff every value is <= bound; the note names the case of the largest value, or of a NaN."""
    name = max(found, key=lambda case: math.inf if math.isnan(found[case]) else found[case])
    return at_most(found[name], bound, f"{what}; worst of {len(found)}: {name}")


def over(one: float, other: float) -> float:
    """Return one/other; NaN, with which nothing passes, unless 0 < other < infinity."""
    return float(one / other) if 0.0 < other < math.inf else math.nan


def tail(mean: xr.DataArray) -> xr.DataArray:
    """Return the mean over the updates between the last two checkpoints, from running means."""
    a, b = mean.checkpoint.values[-2:]
    last: xr.DataArray = (mean.isel(checkpoint=-1) * b - mean.isel(checkpoint=-2) * a) / (b - a)
    return last


def errors(compressor: Compressor, x: Array, draws: int, entropy: int) -> Array:
    """Return ||C(x) - x||^2 / ||x||^2 of (draws,) independent messages."""
    uniforms = np.random.default_rng(entropy).random((draws, compressor.draws(len(x))))
    images = np.array([compressor.quantize(x, uniforms=row) for row in uniforms])
    return np.asarray(((images - x) ** 2).sum(axis=1) / (x @ x))
