"""How the lanes of one chunk are run: tiles, threads, stretches between which they can rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.engine.decide import REPEATS, Stages
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
    decide: str = "horizon",
) -> dict[str, Array]:
    """Run lanes start ... stop-1 in this process.

    Parameters
    ----------
    sweep : Sweep
    start, stop : int
    threads : int
    report : callable, optional
        Receives numbers of lane-steps as they are done, or known not to be needed.
    draft : Path, optional
        Folder for what an interruption would lose, so that it loses about half a second, also inside one lane.
    decide : str
        Key of `theory_sim.engine.decide.DECIDE`.
    """
    lanes, kept, pair = sweep.job.lanes, Draft(draft, start, stop), pair_for(sweep, threads)
    width = width_of(sweep)
    most = width if pair is None else pair.width
    resting = [part for one in kept.moments for part in _pieces(one, most)]
    known = [cut for cut, _ in kept.finished] + [one.cut for one in resting]
    fresh = np.setdiff1d(np.arange(start, stop), np.concatenate(known)) if known else np.arange(start, stop)
    tiles = [fresh[tile] for tile in _tiles(lanes.group[fresh], width, threads)]
    told = report or _unheard
    told(
        sum(len(cut) for cut, _ in kept.finished) * sweep.steps
        + sum(len(one.cut) * one.done for one in resting)
    )
    ride = _Ride(sweep, Stages(sweep, decide), pair, threads, kept, told)
    parts = [*kept.finished, *ride.parts([*resting, *tiles], width)]
    home = np.argsort(np.concatenate([cut for cut, _ in parts]))
    return {name: np.concatenate([part[name] for _, part in parts])[home] for name in parts[0][1]}


def _unheard(lane_steps: int) -> None:
    """Tell nobody."""


def _pieces(moment: Moment, width: int) -> list[Moment]:
    places = np.arange(len(moment.cut))
    return [moment.take(places[a : a + width]) for a in range(0, len(places), width)]


def _at(start: Array | Moment) -> int:
    return start.done if isinstance(start, Moment) else 0


_Found = tuple[
    Array, Moment | None, Records
]  # lanes, where they are unless at their end, what is recorded of them


class _Ride:
    """The lanes of a chunk, from wherever they are to the end."""

    def __init__(
        self,
        sweep: Sweep,
        stages: Stages,
        pair: Pair | None,
        threads: int,
        kept: Draft,
        report: Callable[[int], None],
    ) -> None:
        self.lanes, self.stages, self.pair, self.threads = sweep.job.lanes, stages, pair, threads
        self.kept, self.report = kept, report

    def parts(self, starts: list[Array | Moment], width: int) -> list[tuple[Array, Records]]:
        """Run lanes, some from their start, some from a moment, and return their records.

        All rest at each of the stages; those that go on are put into full tiles again.
        """
        parts: list[tuple[Array, Records]] = []
        ended: list[tuple[Array, Records]] = []
        for last in self.stages.rests:
            self.kept.turn(ended, {j: one for j, one in enumerate(starts) if isinstance(one, Moment)})
            going = [j for j, one in enumerate(starts) if _at(one) <= last]
            found = self._until(last, [starts[j] for j in going], going)
            parts += [(cut, records) for cut, moment, records in found if moment is None]
            resting = [(moment, records) for _, moment, records in found if moment is not None]
            others = [one for j, one in enumerate(starts) if j not in {*going}]
            more, ended = self._settled(resting, last, width)
            starts = [*others, *more]
            parts += ended
        return parts

    def _settled(
        self, resting: list[tuple[Moment, Records]], last: int, width: int
    ) -> tuple[list[Array | Moment], list[tuple[Array, Records]]]:
        """Return the lanes that go on after a stage, in new tiles, and the records of the others."""
        stages, ended = self.stages, list[tuple[Array, Records]]()
        if last not in stages.horizons:
            return [stages.mark(moment) for moment, _ in resting], []
        on: dict[tuple[int, bool], list[Moment]] = {}
        for moment, records in resting:
            reasons = stages.reasons(moment, records)
            for repeats in (False, True):
                places = np.flatnonzero(reasons == (REPEATS if repeats else 0))
                if len(places):
                    rest = moment.take(places)
                    left = stages.repeating(rest) if repeats else stages.unmarked(rest)
                    on.setdefault((int(self.lanes.group[rest.cut[0]]), repeats), []).append(left)
            places = np.flatnonzero((reasons > 0) & (reasons != REPEATS))
            if len(places):
                part = {name: values[places] for name, values in records.items()}
                cut = moment.cut[places]
                ended.append((cut, stages.ended(part, last, reasons[places], {})))
                self.report(len(cut) * (stages.steps - last))
        joined = [Moment.joined(moments) for moments in on.values()]
        tiles = [one.take(tile) for one in joined for tile in _tiles(0 * one.cut, width, self.threads)]
        return [*tiles], ended

    def _until(self, last: int, starts: Sequence[Array | Moment], names: Sequence[int]) -> list[_Found]:
        """Run lanes up to a step, or to the end if they repeat themselves, and return what is found there."""
        halt = np.zeros((len(starts), 2), np.int64)
        sizes = np.array([len(one.cut) if isinstance(one, Moment) else len(one) for one in starts], np.int64)
        halt[:, 1] = [_at(one) for one in starts]
        told = int(halt[:, 1] @ sizes)

        def tell() -> None:
            nonlocal told
            done = int(halt[:, 1] @ sizes)
            self.report(done - told)
            told = done

        def one(j: int) -> _Found | None:
            return self._run(starts[j], last, names[j], halt[j])

        pool = ThreadPoolExecutor(self.threads)
        futures = [pool.submit(one, j) for j in range(len(starts))]
        waiting = {*futures}
        try:
            while waiting:
                for future in _done(waiting, self.kept.patience):
                    waiting.remove(future)
                    future.result()
                    tell()
                tell()
                if not self.kept.patience:
                    self.kept.save()
        except BaseException:
            halt[:, 0] = 1  # every course rests after its present step
            pool.shutdown(cancel_futures=True)
            self.kept.save()
            raise
        pool.shutdown()
        return [found for future in futures if (found := future.result()) is not None]

    def _run(self, start: Array | Moment, last: int, name: int, halt: Array) -> _Found | None:
        """Run one course, with rests at which the draft is told where it is; return None if it is halted."""
        stages, kept = self.stages, self.kept
        course = Course(self.lanes, stages.plan, start, pair=self.pair, halt=halt)
        repeats = "own.decided" in course.own
        end = stages.steps if repeats else last
        stretch = max(_FIRST // course.updates, 1) if kept.kept else end
        while course.done < end:
            if repeats:
                course.skip(stages.period)
            begin = time.monotonic()
            course.advance(min(end, course.done + stretch, course.following if repeats else end))
            if time.monotonic() - begin < _STRETCH:
                stretch *= 2
            if course.done < end:
                kept.rest(name, course.moment())
                if halt[0]:
                    return None
        halt[1] = end  # a tile of dead lanes ends before
        if end < stages.steps:
            moment = course.moment()
            kept.rest(name, moment)
            return course.cut, moment, course.records() if end in stages.horizons else {}
        records = course.records()
        if stages.decide != "horizon":
            records = stages.ended(records, end, 0 * course.cut, course.own)
        kept.finish(name, course.cut, records)
        return course.cut, None, records


def _done(waiting: set[Future[Any]], seconds: float) -> Iterator[Future[Any]]:
    """Yield futures as they are done, for so many seconds at most."""
    with suppress(TimeoutError):
        yield from as_completed(waiting, seconds)
