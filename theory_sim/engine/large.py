"""Sweeps beyond one machine or its memory: their blocks are run here or by workers, stored, and read when asked for."""

from __future__ import annotations

import itertools
import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from theory_sim.engine import blocks, cluster, memory
from theory_sim.engine.blocks import Blocks
from theory_sim.engine.cost import cost
from theory_sim.engine.decide import require
from theory_sim.engine.place import Place, is_url, place_of
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr

    from theory_sim.nouns.sweep import Sweep

IN_MEMORY = 1 << 28  # bytes of inputs and records up to which a result is held there
BLOCK_SECONDS = 10.0  # of one core: what a worker that dies can lose
_SHORTEST = 1.0  # seconds of a block below which more of them would cost more than they spread the work
_PER_SLOT = 4  # blocks that each thread of a worker gets at least, if they are not too short
_IN_FLIGHT = 1 << 26  # bytes of tasks that are submitted and not finished


def applies(sweep: Sweep, store: Any, chunk: int | None, elsewhere: bool) -> bool:
    """Return whether a sweep is run block by block: on request, or because its result is large.

    Raises
    ------
    ValueError
        If that is asked for without a store.
    """
    asked = chunk is not None or elsewhere
    if store is None:
        if asked:
            raise ValueError(
                "chunk, workers, scheduler and executor need store, a folder or location to which results go directly; "
                "give for instance store='out/sweeps'."
            )
        return False
    return asked or is_url(store) or memory.required(sweep) > IN_MEMORY


def run(
    sweep: Sweep,
    store: str | Path,
    *,
    chunk: int | None = None,
    threads: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    executor: Executor | None = None,
    progress: Callable[[float], None] | None = None,
    decide: str = "horizon",
) -> xr.Dataset:
    """Run the blocks of a sweep that the store lacks; see `theory_sim.Sweep.run`."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress = {progress!r} must be a function of the finished share.")
    require(sweep, decide)
    threads = checks.count("threads", (os.cpu_count() or 1) if threads is None else threads)
    chunk = None if chunk is None else checks.count("chunk", chunk)
    with ExitStack() as stack:
        chosen, slots = stack.enter_context(cluster.connected(workers, scheduler, executor))
        own = blocks_of(sweep, store, chunk, slots, decide)
        if chosen is None:
            _here(own, threads, progress)
        else:
            _there(own, chosen, slots, progress)
    if memory.required(sweep) <= IN_MEMORY:
        return own.gathered(threads)
    from theory_sim.engine import lazy

    return lazy.opened(own)


def blocks_of(
    sweep: Sweep, store: str | Path, chunk: int | None, slots: int, decide: str = "horizon"
) -> Blocks:
    """Return the blocks of a sweep: those that the store has of it, or new ones, sized by a timed pilot."""
    digest = blocks.identity(sweep, decide)
    place = place_of(store, digest)
    place.require(sweep)
    shape = sweep.shape[:-1]
    if chunk is not None:
        sides = blocks.sides(shape, max(chunk // sweep.seeds, 1))
    else:
        sides = _known(place, shape) or blocks.sides(shape, cells_of(sweep, cost(sweep).core_seconds, slots))
    own = Blocks(sweep, sides, place, digest, decide)
    if _known(place, shape) != sides:
        place.describe(own.text)
        if chunk is None:  # of two clients that begin together, both take the blocks of the later one
            own = Blocks(sweep, _known(place, shape) or sides, place, digest, decide)
    return own


def _known(place: Place, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    found = (place.layout() or {}).get("sides")
    if not isinstance(found, list) or len(found) != len(shape):
        return None
    fits = [isinstance(side, int) and 1 <= side <= n for side, n in zip(found, shape, strict=True)]
    return tuple(found) if all(fits) else None


def cells_of(sweep: Sweep, core_seconds: float, slots: int) -> int:
    """Return the cells of a block that takes about ten seconds of a core, or less where workers would idle.

    Parameters
    ----------
    sweep : Sweep
    core_seconds : float
        What all of it takes.
    slots : int
        Blocks that run at once.
    """
    cells = sweep.size // sweep.seeds
    each = max(core_seconds / cells, 1e-12)
    wanted = min(BLOCK_SECONDS / each, cells / (_PER_SLOT * max(slots, 1)))
    return int(min(max(wanted, min(_SHORTEST / each, cells), 1.0), blocks.largest(sweep)))


def _here(own: Blocks, threads: int, progress: Callable[[float], None] | None) -> None:
    for i in range(own.count):
        own.run(i, threads)
        if progress is not None:
            progress((i + 1) / own.count)


def _there(own: Blocks, executor: Executor, slots: int, progress: Callable[[float], None] | None) -> None:
    """Submit the blocks, a number of them at a time, and wait for all; what is stored is found there."""
    payload = packed(own.sweep)
    flight = max(_IN_FLIGHT // len(payload), 2 * slots)
    done: SimpleQueue[Future[int]] = SimpleQueue()
    waiting: Iterator[int] = iter(range(own.count))
    pending: set[Future[int]] = set()
    finished = 0

    def submit() -> None:
        for i in itertools.islice(waiting, flight - len(pending)):
            future = executor.submit(run_block, payload, own.digest, own.sides, own.place.name, i, own.decide)
            pending.add(future)
            future.add_done_callback(done.put)

    try:
        submit()
        while pending:
            future = done.get()
            pending.remove(future)  # a future still held would be computed anew if its worker died
            future.result()
            finished += 1
            if progress is not None:
                progress(finished / own.count)
            submit()
    except BaseException:
        for future in pending:
            future.cancel()
        raise


def packed(sweep: Sweep) -> bytes:
    """Return a sweep as bytes: what can be imported by name, what was typed by value.

    Raises
    ------
    ValueError
        If a rule captures what cannot be sent.
    """
    try:
        from cloudpickle import dumps  # knows functions of __main__; dask has it
    except ImportError:
        from pickle import dumps
    try:
        content: bytes = dumps(sweep)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{sweep.name or 'This sweep'} cannot be sent to workers ({error}); let its rules be plain functions that "
            "capture numbers and other functions only."
        ) from error
    return content


@lru_cache(4)
def unpacked(payload: bytes, digest: str, decide: str = "horizon") -> Sweep:
    """Return the sweep that was packed, the same object for the same bytes, so that its kernels are compiled once.

    Raises
    ------
    ValueError
        If this process lacks a module of it, or runs something else than the process that packed it.
    """
    try:
        sweep: Sweep = pickle.loads(payload)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"A worker cannot load the sweep ({error}); install there what its rules are imported from, or type them in the "
            "script or notebook that runs the sweep."
        ) from error
    found = blocks.identity(sweep, decide)
    if found != digest:
        raise ValueError(
            f"A worker would run another sweep ({found}, not {digest}); let workers have the same versions of Python, "
            "theory-sim and the modules of the rules."
        )
    return sweep


def run_block(
    payload: bytes, digest: str, sides: tuple[int, ...], place: str, i: int, decide: str = "horizon"
) -> int:
    """Run block i on one thread, unless it is stored, and return its number: only that goes back.

    Raises
    ------
    OSError
        If this process does not see what the client has written: it would store blocks where nobody reads them.
    """
    store, _, _ = place.rpartition("/")
    sweep, shared = unpacked(payload, digest, decide), place_of(store, digest)
    if shared.layout() is None:
        raise OSError(
            f"A worker does not see the store {store}; give a folder or location that this machine and all workers share "
            "under this name."
        )
    Blocks(sweep, sides, shared, digest, decide).run(i, 1)
    return i
