"""How long a sweep takes on more than this machine, in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from theory_sim.engine import blocks, large

if TYPE_CHECKING:
    from theory_sim.engine.cost import Cost
    from theory_sim.nouns.sweep import Sweep

START = 5.0  # seconds until workers have started and loaded their kernels
TASK = 0.02  # seconds that a scheduler and a worker spend on a block beside its lanes
_LONG = 60.0  # seconds on this machine from which others are worth a thought
_MACHINES = (1, 4, 16, 64)


def elapsed(sweep: Sweep, cost: Cost, cores: int, machines: int) -> tuple[int, float]:
    """Return the number of blocks and the seconds until a sweep is done by so many cores on each of some machines.

    Each core has one block at a time, so the last ones are waited for; nothing else is shared but the scheduler.
    """
    slots = cores * machines
    sides = blocks.sides(sweep.shape[:-1], large.cells_of(sweep, cost.core_seconds, slots))
    count = 1
    for n, side in zip(sweep.shape[:-1], sides, strict=True):
        count *= -(-n // side)
    rounds = -(-count // slots)
    return count, START + rounds * (cost.core_seconds / count + TASK)


def sentences(sweep: Sweep, cost: Cost, workers: int | None) -> Iterator[str]:
    """Give the plan of a sweep on workers of this machine, or, if it is long, on several machines like this one."""
    cores = os.cpu_count() or 1
    if workers is not None:
        count, seconds = elapsed(sweep, cost, min(workers, cores), 1)
        yield (
            f"{workers} worker{'s' if workers > 1 else ''}: {count:,} block{'s' if count > 1 else ''} of about "
            f"{cost.core_seconds / count:.2g} core-seconds, done in about {duration(seconds)}"
        )
    elif cost.seconds > _LONG:
        for machines in _MACHINES:
            count, seconds = elapsed(sweep, cost, cores, machines)
            yield (
                f"{machines} machine{'s' if machines > 1 else ''} of {cores} cores: {count:,} blocks, done in about "
                f"{duration(seconds)}"
            )
        yield f"a worker that dies costs the block it is at, about {cost.core_seconds / count:.2g} core-seconds"


def duration(seconds: float) -> str:
    """Return seconds in the largest unit that leaves at least two of it."""
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2.0 * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.2g} seconds"
