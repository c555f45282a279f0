"""Grids on disk: written as classic netCDF, and read piece by piece where they exceed the memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
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


def pieces(grid: xr.Dataset) -> Iterator[xr.Dataset]:
    """Give the parts of a grid one after the other: its stored blocks, or the whole of one that is in memory.

    What is reduced over the pieces, such as a count of verdicts, takes the memory of one block.

    Parameters
    ----------
    grid : xarray.Dataset
        What `theory_sim.Sweep.run` returns.
    """
    sides: dict[str, int] = next(
        (
            one.encoding["preferred_chunks"]
            for one in grid.data_vars.values()
            if "preferred_chunks" in one.encoding
        ),
        {},
    )
    names = [name for name in sides if name in grid.dims]
    cuts = [[slice(a, a + sides[name]) for a in range(0, grid.sizes[name], sides[name])] for name in names]
    for box in itertools.product(*cuts):
        yield grid.isel(dict(zip(names, box, strict=True)))
