"""How the lanes of a sweep are run: chunks, threads, an optional store."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.engine import tensors
from theory_sim.engine.store import Store
from theory_sim.engine.target import Target
from theory_sim.engine.tiles import WORTH, Pair, run_tile, tile_width
from theory_sim.rules import build, checks

if TYPE_CHECKING:
    from theory_sim.nouns.sweep import Sweep

Records = Mapping[str, np.ndarray[Any, Any]]

# A chunk is what an interruption can lose: about ten seconds of two threads.
_CHUNK_WORK = 1.5e10
_CHUNK_LANES = 1 << 16  # a stored chunk is written whole, however few steps it takes


def width_of(sweep: Sweep) -> int:
    """Return the tile width of a sweep, from the float64 rows one lane touches per step."""
    d, w = sweep.problem.dim, int(sweep.job.lanes.workers.max())
    state = len(sweep.optimizer.rows) + w * len(sweep.optimizer.worker_rows)
    rows = d * (2 + state + w) + len(sweep.optimizer.hyper) + len(sweep.problem.theta)
    return tile_width(rows + w * (1 + sweep.problem.draws) + 4)


def chunk_lanes(sweep: Sweep) -> int:
    """Return the lanes per stored chunk: a multiple of the tile width."""
    width = width_of(sweep)
    work = sweep.steps * sweep.problem.dim * int(sweep.job.lanes.workers.max())
    lanes = min(max(int(_CHUNK_WORK / work), 4 * width), _CHUNK_LANES, sweep.job.lanes.count)
    return -(-lanes // width) * width


def _tiles(group: np.ndarray[Any, Any], width: int, threads: int) -> list[np.ndarray[Any, Any]]:
    """Return the positions of the lanes of each tile; a tile holds lanes of one group."""
    # Fewer lanes than threads * width: narrower tiles keep every thread busy.
    width = max(min(width, -(-len(group) // threads)), 32)
    members = [np.flatnonzero(group == one) for one in np.unique(group)]
    return [lanes[a : a + width] for lanes in members for a in range(0, len(lanes), width)]


def pair_for(sweep: Sweep, threads: int) -> Pair | None:
    """Return the kernel of gradient and step where it pays: for much work, or where it is compiled already."""
    return pair_among(sweep, sweep, threads)


def pair_among(sweep: Sweep, whole: Sweep, threads: int) -> Pair | None:
    """Return the kernel for lanes of a sweep that are some of a whole one."""
    if whole.size < 16:
        return None
    pair = sweep.job.pair(min(width_of(sweep), -(-whole.size // (32 * threads)) * 32))
    if pair is None:
        return None
    much = whole.size * whole.steps * whole.problem.dim >= WORTH
    return pair if much or build.is_cached(pair.source) else None


def run_chunk(
    sweep: Sweep,
    start: int,
    stop: int,
    threads: int,
    report: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray[Any, Any]]:
    """Run lanes start ... stop-1 in this process; `report` receives the number of lanes as tiles finish."""
    lanes, plan = sweep.job.lanes, sweep.plan
    pair = pair_for(sweep, threads)
    tiles = _tiles(lanes.group[start:stop], width_of(sweep), threads)
    halt = np.zeros((len(tiles), 2), np.int64)
    with ThreadPoolExecutor(threads) as pool:
        futures = [
            pool.submit(run_tile, lanes, plan, start + tile, pair=pair, halt=own)
            for tile, own in zip(tiles, halt, strict=True)
        ]
        sizes = dict(zip(futures, map(len, tiles), strict=True))
        try:
            for future in as_completed(futures):
                if report is not None and future.exception() is None:
                    report(sizes[future])
        except BaseException:  # an interrupt stops the running tiles too
            halt[:, 0] = 1
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        parts = [future.result() for future in futures]
    home = np.argsort(np.concatenate(tiles))
    return {name: np.concatenate([part[name] for part in parts])[home] for name in parts[0]}


def run(
    sweep: Sweep,
    store: str | Path | None,
    *,
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
    target: Target | None = None,
) -> Records:
    """Run all chunks of a sweep that the store lacks and return the records of every lane.

    With a target they run on its tensors, with threads of torch.
    """
    if progress is not None and not callable(progress):
        raise TypeError(f"progress = {progress!r} must be a function of the finished share.")
    if store is not None:
        checks.instance("store", store, (str, os.PathLike), "the path of a folder")
    workers = checks.count("threads", (os.cpu_count() or 1) if threads is None else threads)
    if target is not None:
        tensors.require(sweep)
    total = sweep.job.lanes.count
    size = chunk_lanes(sweep) if target is None else tensors.chunk_lanes(sweep, target)
    ranges = [(a, min(a + size, total)) for a in range(0, total, size)]
    kept = (
        Store(Path(store), sweep.job.digest_of(target), sweep.job.spec, total, size)
        if store is not None
        else None
    )
    parts: dict[int, Records] = {}
    for i, (a, b) in enumerate(ranges):
        if kept is not None and (found := kept.read(i, a, b)) is not None:
            parts[i] = found
    finished = sum(b - a for i, (a, b) in enumerate(ranges) if i in parts)

    def report(lanes: int) -> None:
        nonlocal finished
        finished += lanes
        if progress is not None:
            progress(finished / total)

    def keep(i: int, records: Records) -> None:
        parts[i] = records
        if kept is not None:
            kept.write(i, *ranges[i], records)

    missing = [i for i in range(len(ranges)) if i not in parts]
    if kept is not None and missing:
        kept.require_writable()
    chunk: Callable[..., Records] = run_chunk if target is None else partial(tensors.run_chunk, target=target)
    for i in missing:
        keep(i, chunk(sweep, *ranges[i], threads=workers, report=report))
    ordered = [parts[i] for i in range(len(ranges))]
    return {name: np.concatenate([part[name] for part in ordered]) for name in ordered[0]}
