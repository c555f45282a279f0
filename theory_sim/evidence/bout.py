"""Runs of anybody's optimizer on a stream, with the Dataset of a Sweep as their result."""

from __future__ import annotations

import math
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from theory_sim.engine import grid
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import Schedule, constant, power
from theory_sim.nouns.sweep import Plan, Sweep
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules import checks
from theory_sim.rules.digest import digest

if TYPE_CHECKING:
    import xarray as xr

    from theory_sim.engine.stream import Stream
    from theory_sim.nouns.problem import Problem

Array = np.ndarray[Any, Any]
Report = Callable[[float], None]
PROBED = 1000
_TINY = 1e-9  # the share of a step size with which so many steps stay where they began, to most gradients
_STAYED = 1e-6  # how far from x_1 every gradient is still that of x_1
_PERIODS = 2
LIMITS = {"build": 120.0, "step": 60.0}
"""Seconds that the file or the factory of somebody's optimizer may take, and one of its steps on all lanes."""


@contextmanager
def blamed(name: str, what: str) -> Iterator[None]:
    """Turn whatever the optimizer of this name raises into one sentence, also if it wants to end the process."""
    try:
        yield
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{name} cannot be put on trial: {what} raised {type(error).__name__}: {checks.sentence(error)}"
        ) from error


@contextmanager
def limited(what: str) -> Iterator[None]:
    """Raise TimeoutError in other people's code that gives no answer within its share of `LIMITS`.

    By the alarm signal of the process, so no thread is left behind.  It reaches Python code and waiting, in the main
    thread of a system that has the signal; elsewhere there is no limit, and none for one long call of compiled code.
    An alarm that somebody else has set rings when it would have rung.
    """
    free = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    theirs = signal.getitimer(signal.ITIMER_REAL)[0] if free else 0.0
    if not free or 0.0 < theirs < LIMITS[what]:
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise TimeoutError(f"no answer within {LIMITS[what]:g} seconds")

    before, begin = signal.signal(signal.SIGALRM, stop), time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, LIMITS[what])
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        if theirs > 0.0:
            signal.setitimer(signal.ITIMER_REAL, max(theirs - (time.monotonic() - begin), 1e-3))


def _share(share: float) -> float:
    return share


def _elsewhere(x: float) -> float:
    """Stand for a step that this suite does not take."""
    return x


@dataclass(frozen=True, eq=False)
class Bout:
    """Runs of one optimizer on one problem.

    Parameters
    ----------
    name : str
    problem : Problem
    order : str
    steps, seeds, entropy : int
    lr : float
        Step size, before the schedule.
    steady : bool
        Whether step sizes stay lr, instead of lr / sqrt(t).
    axes : mapping of str to ndarray
        Hyperparameters of a grid; every cell meets the same seeds.
    checkpoints : int or tuple of int
        As in a `Sweep`.
    """

    name: str
    problem: Problem
    order: str = "cyclic"
    steps: int = 100_000
    seeds: int = 1
    entropy: int = 0
    lr: float = 1.0
    steady: bool = False
    axes: Mapping[str, Array] = field(default_factory=dict)
    checkpoints: int | tuple[int, ...] = 0

    @property
    def schedule(self) -> Schedule:
        """The step sizes, relative to lr."""
        return constant() if self.steady else power(0.5)

    def factor(self, t: int) -> float:
        """Return the step size of step t, relative to lr."""
        return 1.0 if self.steady else 1.0 / math.sqrt(t)

    @cached_property
    def stream(self) -> Stream:
        """What the lanes meet, cell by cell: one seed only where seeds cannot differ."""
        from theory_sim.engine.stream import Stream

        cells = int(np.prod([len(values) for values in self.axes.values()], dtype=int))
        one = self.problem.stream(self.order, 1, self.entropy)
        return Stream(self.problem, self.order, self.seeds if one.random else 1, self.entropy, copies=cells)

    def sweep(self, optimizer: Optimizer) -> Sweep:
        """Return this bout as the sweep of an optimizer, with its step sizes."""
        return Sweep(
            self.problem, optimizer.replace(lr=self.lr, schedule=self.schedule), self.axes, steps=self.steps,
            seeds=self.stream.seeds, entropy=self.entropy, order=self.order, workers=self.stream.workers,
            checkpoints=self.checkpoints, name=self.name,
        )  # fmt: skip

    def foreign(self, name: str) -> Sweep:
        """Return the sweep that describes this bout for an optimizer of elsewhere: what is run, not how."""
        hyper = {axis: float(values[0]) for axis, values in self.axes.items()}
        return self.sweep(Optimizer(name, _elsewhere, self.lr, hyper))

    @cached_property
    def plan(self) -> Plan:
        """When something is recorded."""
        return self.foreign("anybody").plan

    @cached_property
    def cells(self) -> list[dict[str, float]]:
        """The hyperparameters of every lane."""
        values = np.meshgrid(*self.axes.values(), indexing="ij")
        columns = [np.repeat(one.ravel(), self.stream.seeds).tolist() for one in values]
        return [dict(zip(self.axes, row, strict=True)) for row in zip(*columns, strict=True)] or [
            {} for _ in range(self.stream.lanes)
        ]

    @property
    def short(self) -> str:
        """Why the horizon is too short for the verdict rule, empty if it is not."""
        rule, period = self.problem.rule, self.problem.components
        if rule is None:
            return ""
        first = min(b - a for a, b in rule.windows(self.steps))
        if first >= (_PERIODS * period if self.stream.order.epochs else 1):
            return ""
        need = 16 * _PERIODS * period / rule.window
        return (
            f"{self.steps} steps are too few: the parts of a window must span {_PERIODS} periods of {period} steps, which "
            f"takes about {need:.2g}"
        )

    def near(self) -> Bout:
        """Return this bout for measuring steps: few, one seed, no box, from the point of the box next to x_1."""
        start = np.clip(self.problem.start, *self.problem.bounds())
        point = tuple(start.tolist()) if start.ndim else float(start)
        problem = replace(self.problem, domain=None, start=point, rule=None)
        return replace(self, problem=problem, steps=PROBED, seeds=1, axes={}, checkpoints=0)


class Ends(NamedTuple):
    """How a bout ended: its Dataset, or a remark and the verdict where it has none."""

    grid: xr.Dataset | None
    note: str = ""
    verdict: str = Verdict.UNJUDGED.value


class Contender(Protocol):
    """An optimizer on trial."""

    @property
    def name(self) -> str:
        """What the card calls it."""

    @property
    def settings(self) -> str:
        """Hyperparameters and variant, as found."""

    @property
    def hyper(self) -> Mapping[str, Any]:
        """Hyperparameters and variant by name."""

    @property
    def note(self) -> str:
        """How its lanes were run."""

    def rate(self, bout: Bout, lr: float, held: bool = False) -> float:
        """Return the mean |step| of `PROBED` steps at a constant step size and the gradients of x_1.

        Held, every step starts at x_1, so that one that depends on x itself stays what it is there.
        """

    def run(self, bouts: Sequence[Bout], report: Report | None = None) -> list[Ends]:
        """Run every bout, and report the finished share."""


def dataset(
    bout: Bout, name: str, source: str, settings: str, *, x: Any, parts: Any, stopped: Any, escaped: Any
) -> xr.Dataset:
    """Return the Dataset of a bout that was run elsewhere: that of a `Sweep`, but without rows of state.

    Parameters
    ----------
    bout : Bout
    name, source, settings : str
        The optimizer, the library with its version, and its hyperparameters, for the attributes.
    x : ndarray, shape (N, checkpoints, d)
        The iterates of all N lanes.
    parts : ndarray, shape (N, windows)
        Means of the rule's measure over the parts of its windows.
    stopped : ndarray of int, shape (N,)
        The step after which a lane was not finite, 0 if it stayed finite.
    escaped : ndarray of bool, shape (N,)
        Whether an unconstrained coordinate was infinite then.
    """
    sweep = bout.foreign(name)
    plan, problem, rule, stream = sweep.plan, bout.problem, bout.problem.rule, bout.stream
    lost = (stopped > 0)[:, None] & (stopped[:, None] <= np.array(plan.checkpoints))
    x = np.where(lost[:, :, None], np.nan, x)
    kinds = len(problem.measures)
    records: dict[str, Array] = {
        "x": x,
        "measures": np.full((*x.shape[:2], kinds), np.nan),
        "first": np.zeros((len(x), kinds)),
        "windows": np.full((len(x), len(plan.windows), kinds), np.nan),
        "stopped": stopped,
        "escaped": escaped,
        "state": np.empty((len(x), 0, problem.dim)),
    }
    if kinds:
        for place, count in enumerate(plan.checkpoints):
            found = stream.measures(x[:, place], count + 1)
            records["measures"][:, place] = np.stack([*found.values()], axis=-1)
        records["measures"][lost] = np.nan
        records["first"] = np.stack([*stream.measures(stream.start).values()], axis=-1)
    if rule is not None:
        row = problem.measures.index(rule.measure)
        for k, (a, b) in enumerate(plan.windows):
            seen = parts[:, k] if b > a else np.nan
            records["windows"][:, k, row] = np.where((stopped > 0) & (stopped <= b), np.nan, seen)
    made = grid.assemble(sweep, records)
    return made.assign_attrs(
        optimizer=f"{name}(lr={bout.lr:g}, {settings}, {bout.schedule})",
        source=f"{made.attrs['source']}, {source}",
        digest=digest(made.attrs["digest"], name, source, settings),
        references=problem.paper,
    )


class Record:
    """What a loop in Python keeps of the lanes of a bout, in arrays of the engine's layout."""

    def __init__(self, bout: Bout) -> None:
        self.bout, self.stream, rule = bout, bout.stream, bout.problem.rule
        many = self.stream.lanes
        self._edges = [] if rule is None else list(rule.windows(bout.steps))
        self._row = 0 if rule is None else bout.problem.measures.index(rule.measure)
        self._sums = np.zeros((len(self._edges), many))
        self._out = np.empty((len(bout.problem.measures), many))
        self._part = 0
        self._places = {count: place for place, count in enumerate(bout.plan.checkpoints)}
        self._kept = np.full((len(self._places), bout.problem.dim, many), np.nan)
        self.stopped, self.escaped = np.zeros(many, np.int64), np.zeros(many, bool)

    def see(self, x: Array, t: int) -> None:
        """Note the measure at x_t, shape (d, N)."""
        edges = self._edges
        while self._part < len(edges) and t > edges[self._part][1]:
            self._part += 1
        if self._part < len(edges) and t > edges[self._part][0]:
            self.stream.write_measures(x, t, self._out)
            self._sums[self._part] += self._out[self._row]

    def keep(self, x: Array, t: int) -> None:
        """Note x after t steps, shape (d, N), if it is a checkpoint."""
        place = self._places.get(t)
        if place is not None:
            self._kept[place] = x

    def stop(self, x: Array, t: int) -> Array:
        """Note which lanes are not finite after step t, and return them; a box makes infinity NaN."""
        bad: Array = ~np.isfinite(x).all(axis=0) & (self.stopped == 0)
        if self.bout.problem.domain is None:
            self.escaped |= bad & np.isinf(x).any(axis=0)
        self.stopped[bad] = t
        return bad

    def dataset(self, name: str, source: str, settings: str) -> xr.Dataset:
        """Return the Dataset of the lanes."""
        lengths = np.array([b - a for a, b in self._edges], dtype=int)
        return dataset(
            self.bout, name, source, settings, x=self._kept.transpose(2, 0, 1),
            parts=self._sums.T / np.maximum(lengths, 1), stopped=self.stopped, escaped=self.escaped,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Native:
    """An optimizer of this suite."""

    optimizer: Optimizer
    name: str
    note: str = "run by the lanes of the suite"

    @property
    def settings(self) -> str:
        """The optimizer with its hyperparameters and its variant."""
        shown = str(self.optimizer.replace(lr=1.0, schedule=constant()))
        return re.sub(r"lr=1, |(lr=1)?(, )?(schedule=)?constant\(\)", "", shown)

    @property
    def hyper(self) -> Mapping[str, Any]:
        """Hyperparameters and variant by name."""
        return {**self.optimizer.hyper, **self.optimizer.variant}

    def rate(self, bout: Bout, lr: float, held: bool = True) -> float:
        """Return the mean |step| of `PROBED` steps at a constant step size and the gradients of x_1.

        It is that of steps which a schedule makes tiny, which stay at x_1 and see no other gradients, over that of
        the schedule.  A tiny lr would not do: bounds on the rates, AdaBound's, do not shrink with it.
        """
        near = bout.near()

        def path(share: float) -> Array:
            run = Sweep(
                near.problem, self.optimizer.replace(lr=lr, schedule=Schedule("tiny", _share, {"share": share})),
                steps=PROBED, order=near.order, checkpoints=range(1, PROBED + 1), workers=near.stream.workers,
            ).run()  # fmt: skip
            return np.concatenate([near.stream.start, run.x.values.reshape(PROBED, -1)])

        share, x = _TINY, path(_TINY)
        gone = float(np.abs(x - x[0]).max())
        if math.isfinite(gone) and gone > _STAYED:  # a wall so steep that even these steps change its slope
            share *= 0.1 * _STAYED / gone
            x = path(share)
        return float(np.abs(np.diff(x, axis=0)).mean()) / share

    def run(self, bouts: Sequence[Bout], report: Report | None = None) -> list[Ends]:
        """Run every bout as a sweep."""
        ended: list[Ends] = []

        def told(share: float) -> None:
            if report is not None:
                report((len(ended) + share) / len(bouts))

        for axis in {axis for bout in bouts for axis in bout.axes}:
            checks.known(f"hyperparameter of {self.name}", axis, self.optimizer.hyper)
        for bout in bouts:
            try:
                ended.append(Ends(bout.sweep(self.optimizer).run(progress=told)))
            except ValueError as error:  # it keeps its iterate where the box cannot hold it, for instance
                ended.append(Ends(None, str(error)))
        return ended
