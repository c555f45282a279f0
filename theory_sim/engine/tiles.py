"""One tile of lanes: its arrays, its kernels, one call of the compiled loop, its records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from theory_sim import random
from theory_sim.compressors.compressor import Compressor
from theory_sim.engine.lanes import Lanes
from theory_sim.engine.loop import compiled_advance
from theory_sim.engine.moment import Moment
from theory_sim.nouns.order import order
from theory_sim.nouns.sweep import WATCHED, Plan
from theory_sim.rules import block, build, inspection, tile
from theory_sim.rules.build import Limits, Record, Tile
from theory_sim.rules.language import Source, Stage, names

TILE = 256
WORTH = 1 << 29  # updates from which a run gains about as much as compiling a pair takes
_CACHE_BUDGET = 64 * 1024

Array = np.ndarray[Any, Any]


def _aligned(shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
    # Rows that start on a cache line make full-width vector loads and stores about 10 % cheaper.
    count = math.prod(shape)
    raw = np.zeros(8 * count + 64, np.uint8)
    offset = -raw.ctypes.data % 64
    aligned: Array = raw[offset : offset + 8 * count].view(dtype).reshape(shape)
    return aligned


def _copy(values: Array) -> Array:
    out = _aligned(values.shape, values.dtype)
    out[...] = values
    return out


def tile_width(rows: int) -> int:
    """Return the number of lanes whose `rows` float64 rows fit the cache budget: 64 ... 256, a multiple of 32.

    The compiler's main loop advances 32 lanes at a time (four AVX-512 registers) and the rest in a scalar
    tail; below 64 the cost of entering the lane loops shows.
    """
    return int(min(max(_CACHE_BUDGET // (8 * rows) // 32 * 32, 64), TILE))


@dataclass(frozen=True)
class Pair:
    """The kernel that takes gradient and step at once, for tiles of so many lanes."""

    source: Source
    width: int


def pair_of(lanes: Lanes, width: int) -> Pair | None:
    """Return the kernel that takes gradient and step at once, or None if the two are not of that form.

    It serves one worker and rules without reductions, messages or measures of the optimizer.
    """
    problem, optimizer = lanes.problem, lanes.optimizer
    rows = optimizer.source[1]
    of_gradient = problem.source[0]
    plain = optimizer.is_rule and problem.is_rule and optimizer.once is None and not optimizer.measures
    if not plain or optimizer.up is not None or optimizer.sees_workers or rows or of_gradient[1]:
        return None
    if (lanes.workers != 1).any():
        return None
    if set(names(problem.gradient)) & tile.points(problem.dim).keys():
        return None
    known = optimizer.known
    layout = block.Layout(
        len(known.hyper), len(problem.theta), problem.draws, len(known.rows), problem.dim, width
    )
    noise = problem.noise
    drawn = None if noise is None else tile.NoiseRows(noise.rule, noise.draws, noise.each)
    stage = Stage(optimizer.step, ("x", *known.rows))  # type: ignore[arg-type]  # a Round sees workers
    constants = dict(problem.constants)
    return Pair(
        block.pair(
            *(layout, _lockstep(lanes), lanes.schedule.shape[-1] > 1, known, stage),
            *(problem.gradient, problem.name, constants, drawn),
        ),
        width,
    )


def _lockstep(lanes: Lanes) -> bool:
    """Return whether all lanes of a sweep draw the same component at every step."""
    return order(lanes.order).lockstep and bool((lanes.size == lanes.size[0]).all())


def _kernel(side: Compressor | None) -> Source:
    return tile.empty("compress") if side is None else side.source


_LASTS = {
    "tile": ("x", "state", "idx", "table", "stopped", "escaped"),
    "record": ("first", "x", "values", "mean", "least", "most", "window", "hits", "path", "total", "sums", "low", "high"),
}  # fmt: skip


class Course:
    """Lanes on their way: the arrays of a tile, which may rest between two steps.

    Parameters
    ----------
    lanes : Lanes
    plan : Plan
    start : ndarray of int, or Moment
        Indices of lanes, all of one group, before their first step, or lanes on their way.
    pair : Pair, optional
        What `pair_of` gave.
    halt : ndarray of int64, shape (2,), optional
        The run rests after the present step when the first entry is set; the second tells how many steps are done.
    """

    def __init__(
        self,
        lanes: Lanes,
        plan: Plan,
        start: Array | Moment,
        *,
        pair: Pair | None = None,
        halt: Array | None = None,
    ) -> None:
        self.plan, self._lanes = plan, lanes
        self.cut: Array = start.cut if isinstance(start, Moment) else start
        self.done = 0
        self.own: Mapping[str, Array] = {}  # what others remember of the lanes
        problem, optimizer = lanes.problem, lanes.optimizer
        many, d, w = len(self.cut), problem.dim, int(lanes.workers[self.cut[0]])
        # A pair has tiles of one width: the lanes beyond the cut are dead from the start.
        width = many if pair is None else pair.width
        drawn = order(lanes.order)
        own, k = len(problem.measures), len(problem.measures) + len(optimizer.measures)
        variant = lanes.variants[int(lanes.variant[self.cut[0]])]
        (step, scratch), (watch, more) = optimizer.source, optimizer.watch
        (gradient, of_gradient), (measure, of_measure) = problem.source
        draws = variant.draws_of_messages(d, w)
        rows = len(optimizer.rows) + w * len(optimizer.worker_rows)
        work = max(scratch + 3 * d, more, of_gradient, of_measure)

        def filled(out: Array, values: Array) -> Array:
            out[..., :many] = values[..., self.cut]
            out[..., many:] = out[..., :1]
            return out

        entries, constants = lanes.entries[int(lanes.matrices[self.cut[0]])], len(lanes.theta)
        shared = constants - (-entries.size // width)  # rows of theta with those of the matrices
        layout = block.Layout(len(lanes.hyper), shared, w * problem.draws, rows, d, width)
        memory = _aligned((layout.height * width,))
        parts, first = memory.reshape(layout.height, width), layout.first
        per_lane = lanes.schedule.shape[-1] > 1
        theta = parts[first["theta"] : first["noise"]]
        filled(theta[:constants], lanes.theta)
        theta[constants:].reshape(-1)[: entries.size] = entries
        x = filled(parts[first["x"] : first["x"] + d], lanes.x0)
        x[:, many:] = np.nan
        state = parts[first["state"] :].reshape(rows, d, width)
        filled(state[: len(optimizer.rows)], lanes.state)
        stopped = _aligned((width,), np.int64)
        stopped[many:] = 1
        size = filled(_aligned((width,), np.int64), lanes.size)
        parameters = (
            filled(_aligned((len(lanes.schedule), width)), lanes.schedule)
            if per_lane
            else lanes.schedule.copy()
        )
        messages = [
            np.array([] if side is None else [*side.hyper.values()], dtype=float)
            for side in (variant.up, variant.down)
        ]
        self._tile = Tile(
            lr0=filled(parts[:1], lanes.lr[None])[0],
            lr=parts[1],
            parameters=parameters,
            factor=_aligned((width if per_lane else build.AHEAD,)),
            hyper=filled(parts[first["hyper"] : first["theta"]], lanes.hyper),
            theta=theta,
            size=size,
            key=filled(_aligned((width,), np.uint64), lanes.key),
            u=_aligned((w if drawn.draws else 0, width)),
            table=_aligned((self._table(size, start) if drawn.permutes else 0, w, width), np.int64),
            idx=_aligned((w, width), np.int64),
            noise=parts[first["noise"] : first["x"]],
            own_noise=_aligned((optimizer.draws, width)),
            up_hyper=messages[0],
            up_noise=_aligned((draws[0], width)),
            down_hyper=messages[1],
            down_noise=_aligned((draws[1], width)),
            g=_aligned((w, d, width)),
            mean=_aligned((0 if optimizer.sees_workers else 1, d, width)),
            state=state,
            x=x,
            stopped=stopped,
            escaped=_aligned((width,), np.int64),
            block=memory,
            work=_aligned((work, width)),
            halt=np.zeros(2, np.int64) if halt is None else halt,
        )
        sampled = bool((lanes.size > 1).any())
        low, high = problem.bounds()
        self._limits = Limits(
            low=low,
            high=high,
            target=math.nan if plan.first_hit is None else plan.first_hit,
            watched=-1
            if plan.first_hit is None
            else next(k for k, name in enumerate(problem.measures) if name in WATCHED),
            sampled=int(sampled),
            lockstep=int(_lockstep(lanes)),
            varying=int(optimizer.schedule.varies),
            each=int(per_lane),
            begins=int(optimizer.begins),
            paired=int(pair is not None),
            running=int(plan.running),
            averaged=int(w > 1 and not optimizer.sees_workers),
            measures=own,
        )
        kept = [stop in plan.checkpoints for stop in plan.stops]
        c, running = len(plan.checkpoints), len(plan.checkpoints) if plan.running else 0
        self._record = Record(
            stops=np.array(plan.stops, np.int64),
            kept=np.array(kept, np.int64),
            edges=np.array(plan.windows, np.int64).reshape(-1, 2),
            first=np.zeros((k, width)),
            x=np.zeros((c, d, width)),
            values=np.zeros((c, k, width)),
            mean=np.zeros((running, k, width)),
            least=np.zeros((running, k, width)),
            most=np.zeros((running, k, width)),
            window=np.zeros((len(plan.windows), k, width)),
            hits=np.full((2, width), -1),
            path=np.zeros(width),
            row=_aligned((k, width)),
            total=_aligned((k, width)),
            sums=np.zeros((k, width)),
            low=np.full((k, width), np.inf),
            high=np.full((k, width), -np.inf),
        )
        self._sources = (
            *(
                tile.empty("pair") if pair is None else pair.source,
                step,
                gradient,
                measure,
                watch,
                optimizer.schedule.source if per_lane else optimizer.schedule.ahead,
            ),
            *(tile.raw("sampler", drawn.kernel), tile.raw("uniform", random.uniform)),
            *(_kernel(variant.up), _kernel(variant.down)),
        )
        if isinstance(start, Moment):
            self._restore(start)

    @property
    def updates(self) -> int:
        """Coordinates times lanes times workers: what a step works on."""
        return int(self._tile.g.size)

    def _table(self, size: Array, start: Array | Moment) -> int:
        """Return the rows that an order's table needs, and at least those of a moment, whose lanes have left."""
        given = len(start.arrays["tile.table"]) if isinstance(start, Moment) else 0
        return max(1 + int(size.max()), given)

    def _restore(self, moment: Moment) -> None:
        kept, many = self._kept(), len(self.cut)
        shapes = {name: (*values.shape[:-1], many) for name, values in kept.items()}
        if shapes != {name: values.shape for name, values in moment.arrays.items() if name in kept}:
            raise ValueError(f"A moment of {many} lanes has arrays of another run; start these lanes again.")
        for name, values in kept.items():
            values[..., :many] = moment.arrays[name]
        self.own = {name: values for name, values in moment.arrays.items() if name not in kept}
        self.done = moment.done

    def _kept(self) -> dict[str, Array]:
        """Return the arrays that last from one step to the next."""
        owners = {"tile": self._tile, "record": self._record}
        return {
            f"{owner}.{name}": getattr(owners[owner], name)
            for owner, names_ in _LASTS.items()
            for name in names_
        }

    def moment(self) -> Moment:
        """Return a copy of where the lanes are."""
        many = len(self.cut)
        arrays = {name: kept[..., :many].copy() for name, kept in self._kept().items()}
        return Moment(self.cut, self.done, {**arrays, **self.own})

    @cached_property
    def _kernels(self) -> tuple[Any, ...]:
        return tuple(build.compiled(source) for source in self._sources)

    def advance(self, last: int) -> None:
        """Run up to and with step `last`, or fewer if the halt is set."""
        owners = f"{self._lanes.problem.name} or {self._lanes.optimizer.name}"
        # non-finite values are a status here, not a warning
        with np.errstate(all="ignore"), inspection.bounded(owners, self._tile.halt):
            self.done = int(
                compiled_advance()(
                    *self._kernels, self.done + 1, last, self._tile, self._limits, self._record
                )
            )

    @property
    def following(self) -> int:
        """The next number of updates at which something is recorded."""
        return next(stop for stop in self.plan.stops if stop > self.done)

    def skip(self, period: int) -> None:
        """Leave out whole periods before the next stop, of lanes that repeat themselves after one, but none of a window."""
        if any(a <= self.done < b for a, b in self.plan.windows):
            return
        steps = (self.following - 1 - self.done) // period * period
        self.done += steps
        self.own = {**self.own, "own.skipped": self.own["own.skipped"] + steps}

    def records(self) -> Mapping[str, Array]:
        """Return what is recorded of the lanes, lane axis first; NaN at checkpoints and windows that are not reached.

        Returns
        -------
        dict of str to ndarray
            ``x`` (L, c, d), ``measures`` (L, c, k), ``mean``, ``min``, ``max`` (L, c, k) if running,
            ``windows`` (L, number of windows, k), ``first`` (L, k), ``hits`` (L, 2), ``state`` (L, r, d) at the
            end, with the rows of as many workers as any lane of the sweep has, NaN for those that this one lacks,
            ``stopped`` and ``escaped`` (L,).
        """
        lanes, plan, record, tile = self._lanes, self.plan, self._record, self._tile
        many, w = len(self.cut), int(lanes.workers[self.cut[0]])
        _, d, width = tile.state.shape
        stopped, windows = tile.stopped[:many], record.window.transpose(2, 0, 1)[:many].copy()
        for i, (a, b) in enumerate(plan.windows):
            windows[(stopped > 0) & (stopped <= b) | (a == b), i] = np.nan
        windows[:, np.array([b > self.done for _, b in plan.windows], bool)] = np.nan
        padding = (int(lanes.workers.max()) - w) * len(lanes.optimizer.worker_rows)
        final = np.concatenate([tile.state, np.full((padding, d, width), np.nan)])[..., :many]
        statistics = {"mean": record.mean, "min": record.least, "max": record.most} if plan.running else {}
        recorded = {"x": record.x, "measures": record.values, **statistics}
        reached = [c <= self.done for c in plan.checkpoints]
        if not all(reached):
            there = np.reshape(reached, (-1, 1, 1))
            recorded = {name: np.where(there, kept, np.nan) for name, kept in recorded.items()}
        return {
            **{name: values.transpose(2, 0, 1)[:many].copy() for name, values in recorded.items()},
            "windows": windows,
            "first": record.first.T[:many].copy(),
            "state": np.where(stopped == 0, final, np.nan).transpose(2, 0, 1),
            "hits": record.hits.T[:many].copy(),
            "stopped": stopped.copy(),
            "escaped": tile.escaped[:many].copy(),
        }


def run_tile(lanes: Lanes, plan: Plan, cut: Array, *, pair: Pair | None = None) -> Mapping[str, Array]:
    """Run lanes, all of one group, from their start to the end, and return the records of their `Course`."""
    course = Course(lanes, plan, cut, pair=pair)
    course.advance(plan.steps)
    return course.records()
