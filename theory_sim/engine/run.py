"""How the lanes of a sweep are run: chunks, threads, an optional store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.engine import decide as stages
from theory_sim.engine import tensors
from theory_sim.engine.chunk import run_chunk, width_of
from theory_sim.engine.store import Store
from theory_sim.engine.target import Target
from theory_sim.rules import checks

if TYPE_CHECKING:
    from theory_sim.nouns.sweep import Sweep

Records = Mapping[str, np.ndarray[Any, Any]]

# A chunk is what an interruption can lose: about ten seconds of two threads.
_CHUNK_WORK = 1.5e10
_CHUNK_LANES = 1 << 16  # a stored chunk is written whole, however few steps it takes


def chunk_lanes(sweep: Sweep) -> int:
    """Return the lanes per stored chunk: a multiple of the tile width."""
    width = width_of(sweep)
    work = sweep.steps * sweep.problem.dim * int(sweep.job.lanes.workers.max())
    lanes = min(max(int(_CHUNK_WORK / work), 4 * width), _CHUNK_LANES, sweep.job.lanes.count)
    return -(-lanes // width) * width


def run(
    sweep: Sweep,
    store: str | Path | None,
    *,
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
    target: Target | None = None,
    decide: str = "horizon",
) -> Records:
    """Run all chunks of a sweep that the store lacks and return the records of every lane.

    With a target they run on its tensors, with threads of torch.
    """
    stages.require(sweep, decide)
    if progress is not None and not callable(progress):
        raise TypeError(f"progress = {progress!r} must be a function of the finished share.")
    if store is not None:
        checks.instance("store", store, (str, os.PathLike), "the path of a folder")
    workers = checks.count("threads", (os.cpu_count() or 1) if threads is None else threads)
    if target is not None:
        if decide != "horizon":
            raise ValueError(f"decide = {decide!r} looks at lanes in compiled tiles; leave out the backend.")
        tensors.require(sweep)
    total, steps = sweep.job.lanes.count, sweep.steps
    size = chunk_lanes(sweep) if target is None else tensors.chunk_lanes(sweep, target)
    ranges = [(a, min(a + size, total)) for a in range(0, total, size)]
    kept = (
        Store(Path(store), sweep.job.digest_of(target, decide), sweep.job.spec, total, size)
        if store is not None
        else None
    )
    parts: dict[int, Records] = {}
    for i, (a, b) in enumerate(ranges):
        if kept is not None and (found := kept.read(i, a, b)) is not None:
            parts[i] = found
    finished = sum(b - a for i, (a, b) in enumerate(ranges) if i in parts) * steps

    def report(lane_steps: int) -> None:
        nonlocal finished
        finished += lane_steps
        if progress is not None:
            progress(finished / (total * steps))

    def keep(i: int, records: Records) -> None:
        parts[i] = records
        if kept is not None:
            kept.write(i, *ranges[i], records)
            shutil.rmtree(kept.draft(ranges[i][0]), ignore_errors=True)

    def begun(i: int) -> dict[str, Any]:
        """Return where a chunk of compiled tiles leaves how far it is, and how it ends."""
        own = {} if decide == "horizon" else {"decide": decide}
        return own if kept is None or target is not None else {**own, "draft": kept.draft(ranges[i][0])}

    missing = [i for i in range(len(ranges)) if i not in parts]
    if kept is not None and missing:
        kept.require_writable()
    chunk: Callable[..., Records] = run_chunk if target is None else partial(tensors.run_chunk, target=target)
    for i in missing:
        keep(i, chunk(sweep, *ranges[i], threads=workers, report=report, **begun(i)))
    ordered = [parts[i] for i in range(len(ranges))]
    return {name: np.concatenate([part[name] for part in ordered]) for name in ordered[0]}
