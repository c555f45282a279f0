"""What a sweep will cost on this machine, from a timed pilot of a few of its lanes."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.engine import blocks, memory
from theory_sim.engine.chunk import pair_among, width_of
from theory_sim.engine.selection import Selection
from theory_sim.engine.tiles import run_tile

if TYPE_CHECKING:
    from theory_sim.nouns.sweep import Plan, Sweep

_LANES = 8192  # of the pilot
_STEPS = 500  # of its first run; they are doubled until it takes _LONG seconds
_LONG = 0.1


@dataclass(frozen=True)
class Cost:
    """What a sweep takes.

    Parameters
    ----------
    core_seconds : float
        Work of all cores together, without compilation.
    seconds : float
        Until it is done, on all cores of this machine.
    memory, stored : int
        Bytes of memory, and of its records in a store.
    """

    core_seconds: float
    seconds: float
    memory: int
    stored: int


def _clocks() -> np.ndarray[Any, Any]:
    return np.array([time.thread_time(), time.perf_counter()])


def _plan(sweep: Sweep, steps: int) -> Plan:
    return replace(sweep, steps=steps, checkpoints=0).plan


def _together(work: Callable[[], Any], threads: int) -> np.ndarray[Any, Any]:
    """Do the same on so many threads at once, as a run does, and return the time of each."""

    def one(_: int) -> float:
        begin = time.thread_time()
        work()
        return time.thread_time() - begin

    begin = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        processors = sum(pool.map(one, range(threads)))
    return np.array([processors, time.perf_counter() - begin]) / threads


def _handled(sweep: Sweep) -> np.ndarray[Any, Any]:
    """Return the time for laying out lanes and labelling their records, beside a single step."""
    begin = _clocks()
    replace(sweep, steps=1, checkpoints=0).run(threads=1)
    taken: np.ndarray[Any, Any] = _clocks() - begin
    return taken


def _kept() -> np.ndarray[Any, Any]:
    """Return the time for keeping a byte of records in a store: its share of a checksum and of a file."""
    records = np.zeros(1 << 20)
    begin = _clocks()
    hashlib.sha256(records.tobytes())
    np.savez(io.BytesIO(), records)
    taken: np.ndarray[Any, Any] = _clocks() - begin
    return taken / records.nbytes


def cost(sweep: Sweep) -> Cost:
    """Estimate the cost of a sweep; only the lanes of the pilot are allocated.

    The pilot's cells are spread over the grid, and every kind of lane among them, such as each number of
    workers, is timed in one tile.
    """
    seeds = min(sweep.seeds, _LANES)
    places = blocks.spread(sweep, max(_LANES // seeds, 1))
    threads = os.cpu_count() or 1
    pilot = Selection.of(sweep, places, seeds=seeds)
    one = Selection.of(sweep, [place[:1] for place in places], seeds=1)
    _handled(pilot)  # imports and compiles
    fixed, varying = _handled(one), _handled(pilot)
    lane = np.maximum(varying - fixed, 0.0) / max(pilot.size - one.size, 1)
    handling = fixed + lane * (sweep.size - one.size)
    group = pilot.job.lanes.group
    width, pair = width_of(pilot), pair_among(pilot, sweep, threads)
    width = max(min(width, -(-sweep.size // threads)), 32)
    busy = min(threads, -(-sweep.size // width))
    total = np.zeros(2)  # processor time, which other programs do not lengthen, and time on the clock
    for kind in np.unique(group):
        members = np.flatnonzero(group == kind)
        tile, steps = members[:width], min(sweep.steps, _STEPS)
        run_tile(pilot.job.lanes, _plan(pilot, 1), tile, pair=pair)  # compiles
        while True:
            plan = _plan(pilot, steps)
            taken = _together(partial(run_tile, pilot.job.lanes, plan, tile, pair=pair), busy)
            if busy * taken[1] >= _LONG or steps == sweep.steps:
                break
            steps = min(sweep.steps, 2 * steps)
        share = len(members) / len(group)
        total += taken * sweep.steps / steps / len(tile) * share * sweep.size
    stored = memory.stored(sweep)
    work, clock = (total + handling + _kept() * stored).tolist()
    return Cost(work, clock, memory.required(sweep), stored)
