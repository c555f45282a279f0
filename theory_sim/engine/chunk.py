"""How the lanes of one chunk are run: tiles, threads, stretches between which they can rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.engine.draft import Draft
from theory_sim.engine.moment import Moment
from theory_sim.engine.tiles import WORTH, Course, Pair, tile_width
from theory_sim.rules import build

if TYPE_CHECKING:
    from theory_sim.nouns.sweep import Sweep

Array = np.ndarray[Any, Any]
Records = Mapping[str, Array]

_FIRST = 1 << 14  # updates of a course's first stretch; the next ones take twice as many steps
_STRETCH = 0.25  # seconds after which a stretch is long enough


def width_of(sweep: Sweep) -> int:
    """Return the tile width of a sweep, from the float64 rows one lane touches per step."""
    d, w = sweep.problem.dim, int(sweep.job.lanes.workers.max())
    state = len(sweep.optimizer.rows) + w * len(sweep.optimizer.worker_rows)
    rows = d * (2 + state + w) + len(sweep.optimizer.hyper) + len(sweep.problem.theta)
    return tile_width(rows + w * (1 + sweep.problem.draws) + 4)


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
    draft: Path | None = None,
) -> dict[str, Array]:
    """Run lanes start ... stop-1 in this process.

    Parameters
    ----------
    sweep : Sweep
    start, stop : int
    threads : int
    report : callable, optional
        Receives numbers of lane-steps as they are done.
    draft : Path, optional
        Folder for what an interruption would lose: about a second of work, also inside one lane.
    """
    lanes, kept, pair = sweep.job.lanes, Draft(draft, start, stop), pair_for(sweep, threads)
    width = width_of(sweep)
    most = width if pair is None else pair.width
    resting = [part for one in kept.moments for part in _pieces(one, most)]
    kept.turn([], resting)
    known = [cut for cut, _ in kept.finished] + [one.cut for one in resting]
    fresh = np.setdiff1d(np.arange(start, stop), np.concatenate(known)) if known else np.arange(start, stop)
    tiles = [fresh[tile] for tile in _tiles(lanes.group[fresh], width, threads)]
    begun = sum(len(cut) for cut, _ in kept.finished) * sweep.steps
    if report is not None:
        report(begun + sum(len(one.cut) * one.done for one in resting))
    parts = [*kept.finished, *_ride(sweep, [*resting, *tiles], pair, threads, kept, report)]
    home = np.argsort(np.concatenate([cut for cut, _ in parts]))
    return {name: np.concatenate([part[name] for _, part in parts])[home] for name in parts[0][1]}


def _pieces(moment: Moment, width: int) -> list[Moment]:
    places = np.arange(len(moment.cut))
    return [moment.take(places[a : a + width]) for a in range(0, len(places), width)]


def _ride(
    sweep: Sweep,
    starts: Sequence[Array | Moment],
    pair: Pair | None,
    threads: int,
    kept: Draft,
    report: Callable[[int], None] | None,
) -> list[tuple[Array, Records]]:
    """Run lanes to the end, some from their start, some from a moment, and return their records."""
    lanes, plan, halt = sweep.job.lanes, sweep.plan, np.zeros((len(starts), 2), np.int64)
    sizes = np.array([len(one.cut) if isinstance(one, Moment) else len(one) for one in starts], np.int64)
    halt[:, 1] = [one.done if isinstance(one, Moment) else 0 for one in starts]
    told = int(halt[:, 1] @ sizes)

    def tell() -> None:
        nonlocal told
        done = int(halt[:, 1] @ sizes)
        if report is not None:
            report(done - told)
        told = done

    def one(j: int) -> tuple[Array, Records] | None:
        course = Course(lanes, plan, starts[j], pair=pair, halt=halt[j])
        if not _reaches(course, plan.steps, j, kept, halt[j]):
            return None
        records = course.records()
        kept.finish(j, course.cut, records)
        halt[j, 1] = plan.steps  # a tile of dead lanes ends before
        return course.cut, records

    pool = ThreadPoolExecutor(threads)
    futures = [pool.submit(one, j) for j in range(len(starts))]
    waiting = {*futures}
    try:
        while waiting:
            for future in _done(waiting, kept.patience):
                waiting.remove(future)
                future.result()
                tell()
            tell()
            if not kept.patience:
                kept.save()
    except BaseException:
        halt[:, 0] = 1  # every course rests after its present step
        pool.shutdown(cancel_futures=True)
        kept.save()
        raise
    pool.shutdown()
    return [part for future in futures if (part := future.result()) is not None]


def _done(waiting: set[Future[Any]], seconds: float) -> Iterator[Future[Any]]:
    """Yield futures as they are done, for so many seconds at most."""
    with suppress(TimeoutError):
        yield from as_completed(waiting, seconds)


def _reaches(course: Course, last: int, j: int, kept: Draft, halt: Array) -> bool:
    """Run a course up to a step, with rests at which a draft is told where it is; return False if it is halted."""
    stretch = max(_FIRST // course.updates, 1) if kept.kept else last
    while course.done < last:
        begin = time.monotonic()
        course.advance(min(last, course.done + stretch))
        if time.monotonic() - begin < _STRETCH:
            stretch *= 2
        if course.done < last:
            kept.rest(j, course.moment())
            if halt[0]:
                return False
    return True
