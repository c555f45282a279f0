"""A Dataset whose values are read, block by block, when they are asked for."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from theory_sim.engine.blocks import Blocks


class _Values(BackendArray):
    """One output of all blocks, as xarray's guide to backends has it."""

    def __init__(self, blocks: Blocks, name: str, template: xr.Variable, rows: int) -> None:
        self._blocks, self._name = blocks, name
        self._cells = len(blocks.shape)
        own = len([dim for dim in template.dims if dim == "cell"])
        self._rest = [rows if dim == "row" else n for dim, n in template.sizes.items()][own:]
        self.shape = self._lengths = (*blocks.shape, *self._rest)
        self.dtype = template.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self._lengths, indexing.IndexingSupport.OUTER, self._outer
        )

    def _outer(self, key: tuple[Any, ...]) -> Any:
        single = tuple(axis for axis, one in enumerate(key) if isinstance(one, int | np.integer))
        places = [np.atleast_1d(np.arange(n)[one]) for one, n in zip(key, self._lengths, strict=True)]
        out = np.empty([len(one) for one in places], self.dtype)
        cells, rest = places[: self._cells], places[self._cells :]
        which = [one // side for one, side in zip(cells, self._blocks.sides, strict=True)]
        for corner in itertools.product(*(np.unique(one).tolist() for one in which)):
            i = int(np.ravel_multi_index(corner, self._blocks.counts)) if corner else 0
            box = self._blocks.box(i)
            here = [np.flatnonzero(one == k) for one, k in zip(which, corner, strict=True)]
            inside = [one[at] - part.start for one, at, part in zip(cells, here, box, strict=True)]
            values = self._block(i, [part.stop - part.start for part in box])
            target = np.ix_(*here, *(np.arange(len(one)) for one in rest))
            out[target] = values[np.ix_(*inside, *rest)]
        return out.squeeze(single) if single else out

    def _block(self, i: int, sides: list[int]) -> np.ndarray[Any, Any]:
        values = self._blocks.dataset(i)[self._name].values
        values = values.reshape((*sides, *values.shape[1:]))
        lacking = [(0, n - m) for n, m in zip(self._rest, values.shape[self._cells :], strict=True)]
        if any(more for _, more in lacking):  # rows of workers that no lane of this block has
            values = np.pad(values, [(0, 0)] * self._cells + lacking, constant_values=np.nan)
        return values


def opened(blocks: Blocks) -> xr.Dataset:
    """Return what `Sweep.run` gives, of which nothing is read but the first block and one of most workers."""
    sweep = blocks.sweep
    template = blocks.dataset(0)
    coords: dict[str, Any] = dict(sweep.labels)
    coords |= {str(name): one.variable for name, one in template.coords.items() if "cell" not in one.dims}
    workers = sweep.coordinates.get("workers", np.array([sweep.workers]))
    if sweep.optimizer.worker_rows:
        each = [f"{row}_{j}" for j in range(int(workers.max())) for row in sweep.optimizer.worker_rows]
        coords["row"] = np.array([*sweep.optimizer.rows, *each])
    data = {}
    sides = dict(zip(sweep.dims, blocks.sides, strict=True)) if sweep.axes else {}
    for name, one in template.data_vars.items():
        values = _Values(blocks, str(name), one.variable, len(coords.get("row", ())))
        dims = (*(sweep.dims if sweep.axes else ()), *(dim for dim in one.dims if dim != "cell"))
        # What is read whole is kept.
        held: Any = indexing.MemoryCachedArray(indexing.LazilyIndexedArray(values))  # type: ignore[no-untyped-call]
        data[name] = xr.Variable(dims, held, encoding={"preferred_chunks": sides})
    attributes = {
        **template.attrs,
        "digest": blocks.digest,
        "workers": " ".join(map(str, np.unique(workers))),
        "store": blocks.place.name,
    }
    attributes.pop("lane_steps_saved", None)  # of one block
    return xr.Dataset(data, coords, attrs=attributes)
