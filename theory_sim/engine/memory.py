"""What a sweep will occupy, before anything is allocated."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from theory_sim.nouns.order import order

if TYPE_CHECKING:
    from theory_sim.nouns.sweep import Sweep

_TILE = 64  # lanes of the smallest tile


def required(sweep: Sweep) -> int:
    """Return the bytes of the inputs and the records of a sweep, from its shape alone."""
    problem, optimizer, plan = sweep.problem, sweep.optimizer, sweep.plan
    workers = max([sweep.workers, *map(int, sweep.coordinates.get("workers", ()))])
    rows = len(optimizer.rows) + workers * len(optimizer.worker_rows)
    measures = len(problem.measures) + len(optimizer.measures)
    inputs = (
        len(sweep.axes)
        + len(optimizer.hyper)
        + len(problem.theta)
        + problem.dim * (1 + len(optimizer.rows))
        + 8
    )
    every = problem.dim + measures * (4 if plan.running else 1)
    records = len(plan.checkpoints) * every + measures * (1 + len(plan.windows)) + rows * problem.dim + 4
    table = _TILE * workers * problem.components if order(sweep.order).permutes else 0  # of one tile
    table += problem.entries.size
    return 8 * (sweep.size * (inputs + 2 * records) + table)  # records are copied once, into the Dataset


def stored(sweep: Sweep) -> int:
    """Return the bytes of the records of a sweep, as they are stored, from its shape alone."""
    optimizer, plan = sweep.optimizer, sweep.plan
    workers = max([sweep.workers, *map(int, sweep.coordinates.get("workers", ()))])
    d, k = sweep.problem.dim, len(sweep.problem.measures) + len(optimizer.measures)
    rows = len(optimizer.rows) + workers * len(optimizer.worker_rows)
    recorded = len(plan.checkpoints) * (d + k * (4 if plan.running else 1))
    return 8 * sweep.size * (recorded + k * (1 + len(plan.windows)) + rows * d + 4)


def available() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def require(sweep: Sweep) -> None:
    """Raise ValueError if a sweep needs more memory than the machine has."""
    need, have = required(sweep), available()
    if need > have:
        raise ValueError(
            f"This sweep of {sweep.size:,} lanes and {len(sweep.plan.checkpoints)} checkpoints needs about {need / 2**30:.3g} "
            f"GiB, and the machine has {have / 2**30:.3g}; take fewer cells, seeds or checkpoints, or give a store, whose "
            "blocks are run and read one by one."
        )
