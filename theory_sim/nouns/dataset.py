"""Grids on disk, as classic netCDF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


def save(grid: xr.Dataset, path: Path) -> None:
    """Write a grid as classic netCDF, which knows no 64-bit integers: larger ones become floats."""
    limit = np.iinfo(np.int32).max
    wide = {
        name: values.astype(float)
        for name, values in grid.variables.items()
        if values.dtype.kind in "iu" and values.size and np.abs(values.values).max() > limit
    }
    grid.assign({name: (values.dims, values.values) for name, values in wide.items()}).to_netcdf(
        path, engine="scipy"
    )
