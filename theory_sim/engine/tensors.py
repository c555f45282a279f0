"""Lanes on tensors: the tiles of a chunk, compiled where it pays, narrower where memory is short."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.engine.target import Target
from theory_sim.engine.tensor_loop import Loop
from theory_sim.engine.tensor_tile import notice, run_tile
from theory_sim.engine.tiles import WORTH
from theory_sim.rules import build

if TYPE_CHECKING:
    from theory_sim.nouns.sweep import Sweep

Array = np.ndarray[Any, Any]

# Lanes of a stored chunk, which a tile holds if it can: enough to fill a device.
_CHUNK = {"cpu": 1 << 18}
_CHUNK_ELSEWHERE = 1 << 22
_EAGER = 1 << 14  # lanes of a tile that is not compiled, on the CPU: a row of them fits the cache
_LONG = 20_000  # steps whose calls alone take longer than compiling
_LEAST = 256  # a tile is not halved below this
_LOCK = threading.Lock()


def chunk_lanes(sweep: Sweep, target: Target) -> int:
    """Return the lanes per stored chunk."""
    return min(_CHUNK.get(target.kind, _CHUNK_ELSEWHERE), sweep.job.lanes.count)


def require(sweep: Sweep) -> None:
    """Raise ValueError for a sweep that needs a kernel written by hand, or a rule that is no arithmetic."""
    problem, optimizer = sweep.problem, sweep.optimizer
    hand = {
        f"the gradient of {problem.name}": not problem.is_rule,
        f"the measure of {problem.name}": problem.measure is not None
        and build.is_raw("measure", problem.measure),
        f"the step of {optimizer.name}": not optimizer.is_rule,
        f"the schedule {optimizer.schedule.name}": build.is_raw("schedule", optimizer.schedule.rule),
    }
    for variant in sweep.job.lanes.variants:
        hand |= {
            f"the compressor {side.name}": not side.is_rule
            for side in (variant.up, variant.down)
            if side is not None
        }
    if problem.matrices:
        raise ValueError(
            f'{problem.name} has matrices, which only compiled lanes multiply with; use backend="numba".'
        )
    for what, written in hand.items():
        if written:
            raise ValueError(
                f"{what[0].upper()}{what[1:]} is a kernel written by hand, and tensors take rules only; use "
                'backend="numba".'
            )
    lanes = sweep.job.lanes
    for group in np.unique(lanes.group):
        member = int(np.flatnonzero(lanes.group == group)[0])
        try:
            Loop(lanes, sweep.plan, member, Target())
        except ValueError as error:
            raise ValueError(
                f"{optimizer.name} on {problem.name} cannot run on tensors ({str(error).rstrip('.')}); use "
                'backend="numba".'
            ) from None


@contextmanager
def _settled(target: Target, threads: int | None) -> Iterator[None]:
    """Numbers without a type have that of the lanes meanwhile, and torch as many threads as asked for."""
    import torch

    with _LOCK:
        default, own = torch.get_default_dtype(), torch.get_num_threads()
        torch.set_default_dtype(getattr(torch, target.dtype))
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            with torch.no_grad():
                yield
        finally:
            torch.set_default_dtype(default)
            torch.set_num_threads(own)


def run_chunk(
    sweep: Sweep,
    start: int,
    stop: int,
    target: Target,
    threads: int | None = None,
    report: Callable[[int], None] | None = None,
) -> dict[str, Array]:
    """Run lanes start ... stop-1 on tensors; `report` receives numbers of lane-steps as tiles finish."""
    import torch

    lanes, plan = sweep.job.lanes, sweep.plan
    work = lanes.count * sweep.steps * sweep.problem.dim * int(lanes.workers.max())
    worth = work >= WORTH or sweep.steps >= _LONG
    compiled = worth if target.compiled is None else target.compiled
    eager = target.kind == "cpu" and not compiled
    width = _EAGER if eager else stop - start
    parts, homes = [], []
    with _settled(target, threads):
        for group in np.unique(lanes.group[start:stop]):
            members = start + np.flatnonzero(lanes.group[start:stop] == group)
            loop = Loop(lanes, plan, int(members[0]), target)
            done = 0
            while done < len(members):
                cut = members[done : done + width]
                part = None
                try:
                    part = run_tile(loop, cut, compiled)
                except (RuntimeError, MemoryError) as error:
                    if width <= _LEAST or not _of_memory(error):
                        raise
                if part is None:  # here, where the exception holds no tensors any more
                    width = max(width // 2, _LEAST)
                    if target.kind == "cuda":
                        torch.cuda.empty_cache()
                    notice(f"{target.device} is out of memory; the run goes on with {width} lanes at once.")
                    continue
                parts.append(part)
                homes.append(cut)
                done += len(cut)
                if report is not None:
                    report(len(cut) * sweep.steps)
    home = np.argsort(np.concatenate(homes))
    return {name: np.concatenate([part[name] for part in parts])[home] for name in parts[0]}


def _of_memory(error: Exception) -> bool:
    """Return whether an exception says that memory is short; of the CPU torch says it in words only."""
    import torch

    kinds = (torch.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)
