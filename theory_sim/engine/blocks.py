"""A sweep cut into blocks, each of which is run, stored and read by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib import metadata
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.engine import grid, memory
from theory_sim.engine.chunk import width_of
from theory_sim.engine.place import Place
from theory_sim.engine.run import Records
from theory_sim.engine.selection import Selection
from theory_sim.engine.store import FORMAT
from theory_sim.engine.tiles import WORTH
from theory_sim.rules import build
from theory_sim.rules.digest import digest

if TYPE_CHECKING:
    import xarray as xr

    from theory_sim.nouns.sweep import Sweep

_LANES = 1 << 16  # of a block, at most
_BYTES = 1 << 26  # of its inputs and records, at most
_KEPT = 1 << 25  # bytes of blocks that were read
_WITNESSES = 64  # cells that stand for all in the name of a sweep
_GOLDEN = 0.6180339887498949  # multiples of it fall evenly on the circle


def sides(shape: Sequence[int], cells: int) -> tuple[int, ...]:
    """Return the sides of boxes of at most so many cells: the longest one is halved until they are that small."""
    out = list(shape)
    while int(np.prod(out)) > cells:
        longest = int(np.argmax(out))
        out[longest] = -(-out[longest] // 2)
    return tuple(out)


def largest(sweep: Sweep) -> int:
    """Return how many cells a block has at most: 65536 lanes, and 64 MiB of inputs and records."""
    lanes = min(_LANES, _BYTES * sweep.size // memory.required(sweep))
    return max(lanes // sweep.seeds, 1)


def spread(sweep: Sweep, many: int) -> Sequence[np.ndarray[Any, Any]]:
    """Return the positions, along each axis, of at most so many cells that are spread over the sweep."""
    cells = sweep.size // sweep.seeds
    return _whole_places(
        sweep,
        np.unique((np.arange(many) * _GOLDEN % 1.0 * cells).astype(int))
        if many < cells
        else np.arange(cells),
    )


def _whole_places(sweep: Sweep, flat: np.ndarray[Any, Any]) -> Sequence[np.ndarray[Any, Any]]:
    if sweep.cells is not None:
        return [place[flat] for place in sweep.cells]
    return np.unravel_index(flat, sweep.shape[:-1]) if sweep.axes else ()


def identity(sweep: Sweep, decide: str) -> str:
    """Return 16 hex digits of what is run, from a few of its cells: the same wherever it is the same sweep."""
    witnesses = Selection.of(sweep, spread(sweep, _WITNESSES), seeds=min(sweep.seeds, 4))
    places = () if sweep.cells is None else tuple(sweep.cells)
    first = witnesses.job.digest_of(None, decide)
    return digest(first, sweep.coordinates, places, sweep.seeds, sweep.workers)


class Blocks:
    """Boxes of cells of a sweep, with all their seeds.

    Each is a sweep of its own, a `Selection`, and is stored under the digest of its own lanes; so what is
    stored of another sweep is never taken for it.

    Parameters
    ----------
    sweep : Sweep
    sides : tuple of int
        Of the boxes, one for each dimension of the cells.
    place : Place
        Where they are stored.
    digest : str
        `identity` of the sweep.
    decide : str
        Key of `theory_sim.engine.decide.DECIDE`.
    """

    def __init__(
        self, sweep: Sweep, sides: tuple[int, ...], place: Place, digest: str, decide: str = "horizon"
    ) -> None:
        self.sweep, self.sides, self.place, self.digest = sweep, sides, place, digest
        self.decide = decide
        self.shape = sweep.shape[:-1]
        self.counts = tuple(-(-n // side) for n, side in zip(self.shape, sides, strict=True))
        self._last: dict[int, xr.Dataset] = {}
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Pickle or copy all but the blocks that were read: a copy of a result reads them again."""
        return {name: value for name, value in vars(self).items() if name not in ("_last", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _last={}, _lock=Lock())

    @property
    def count(self) -> int:
        """Number of blocks."""
        return int(np.prod(self.counts, dtype=np.int64))

    @cached_property
    def text(self) -> str:
        """What the place says of the blocks, as JSON."""
        spec = {**self.sweep.job.spec, "version": metadata.version("theory-sim"), "format": FORMAT}
        return json.dumps({"sides": self.sides, "blocks": self.count, **spec})

    def box(self, i: int) -> tuple[slice, ...]:
        """Return the slices of block i, one for each dimension of the cells."""
        corner = np.unravel_index(i, self.counts) if self.counts else ()
        return tuple(
            slice(int(k) * side, min((int(k) + 1) * side, n))
            for k, side, n in zip(corner, self.sides, self.shape, strict=True)
        )

    def flat(self, i: int) -> np.ndarray[Any, Any]:
        """Return the numbers of the cells of block i, in C order."""
        if not self.shape:
            return np.zeros(1, int)
        ranges = np.ix_(*(np.arange(one.start, one.stop) for one in self.box(i)))
        return np.ravel_multi_index(tuple(np.broadcast_arrays(*ranges)), self.shape).ravel()

    def selection(self, i: int) -> Selection:
        """Return block i as a sweep."""
        return Selection.of(self.sweep, _whole_places(self.sweep, self.flat(i)))

    def run(self, i: int, threads: int) -> Records:
        """Return the records of block i; they are computed and stored if they are not there."""
        with self._opened(i) as selection:
            return self._run(selection, threads)

    @contextmanager
    def _opened(self, i: int) -> Iterator[Selection]:
        selection = self.selection(i)
        try:
            yield selection
        finally:  # a sweep and its job hold each other, so that the lanes would wait for the collector
            vars(selection).pop("_jobs", None)

    def _run(self, selection: Selection, threads: int) -> Records:
        sweep = self.sweep
        pair = selection.job.pair(width_of(selection))
        if pair is not None and sweep.size * sweep.steps * sweep.problem.dim >= WORTH:
            build.compiled(pair.source)  # pays for all blocks together
        return self.place.run(selection, threads, self.decide)

    def dataset(self, i: int) -> xr.Dataset:
        """Return what `Sweep.run` gives of the cells of block i; the last ones, up to 32 MiB, are kept."""
        with self._lock:
            if i not in self._last:
                with self._opened(i) as selection:
                    self._last[i] = grid.assemble(selection, self._run(selection, 1), None, self.decide)
                while len(self._last) > 1 and sum(one.nbytes for one in self._last.values()) > _KEPT:
                    del self._last[next(iter(self._last))]
            return self._last[i]

    def gathered(self, threads: int) -> xr.Dataset:
        """Return what `Sweep.run` gives, in memory."""
        whole: dict[str, np.ndarray[Any, Any]] = {}
        seeds, count = self.sweep.seeds, self.sweep.size
        rows = len(self.sweep.optimizer.rows) + int(self.sweep.job.lanes.workers.max()) * len(
            self.sweep.optimizer.worker_rows
        )
        for i in range(self.count):
            lanes = (self.flat(i)[:, None] * seeds + np.arange(seeds)).ravel()
            for name, values in self.run(i, threads).items():
                shape = (rows, *values.shape[2:]) if name == "state" else values.shape[1:]
                if name not in whole:
                    whole[name] = np.full((count, *shape), np.nan if name == "state" else 0, values.dtype)
                if name == "state":  # a block may have fewer workers than the sweep, which come first
                    whole[name][lanes, : values.shape[1]] = values
                else:
                    whole[name][lanes] = values
        return grid.assemble(self.sweep, whole, None, self.decide)
