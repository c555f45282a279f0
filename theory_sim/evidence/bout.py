"""Runs of anybody's optimizer on a stream, judged as the lanes are; and of ours, by the lanes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from theory_sim import checks
from theory_sim.nouns.schedule import constant, power
from theory_sim.nouns.sweep import Sweep
from theory_sim.nouns.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from theory_sim.engine.stream import Stream
    from theory_sim.nouns.optimizer import Optimizer
    from theory_sim.nouns.problem import Problem

Array = np.ndarray[Any, Any]
PROBED = 1000
_TINY = 1e-9  # a share of a step size with which so many steps stay where they began, to every gradient
_PERIODS = 2


@contextmanager
def blamed(name: str, what: str) -> Iterator[None]:
    """Turn whatever the optimizer of this name raises into one sentence."""
    try:
        yield
    except (KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:
        raise ValueError(
            f"{name} cannot be put on trial: {what} raised {type(error).__name__}: {checks.sentence(error)}"
        ) from error


@dataclass(frozen=True, eq=False)
class Bout:
    """One run with step sizes lr / sqrt(t).

    Parameters
    ----------
    name : str
    problem : Problem
    order : str
    steps, seeds, entropy : int
    lr : float
        Step size of step 1.
    """

    name: str
    problem: Problem
    order: str = "cyclic"
    steps: int = 100_000
    seeds: int = 1
    entropy: int = 0
    lr: float = 1.0

    @cached_property
    def stream(self) -> Stream:
        """What the run meets: one stream only where seeds cannot differ."""
        one = self.problem.stream(self.order, 1, self.entropy)
        return self.problem.stream(self.order, self.seeds, self.entropy) if one.random else one

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
        return replace(self, problem=problem, steps=PROBED, seeds=1)


class Ends(NamedTuple):
    """Of N lanes: their judgement, x (N, d), the step after which one was not finite or -1, and a remark."""

    judgement: Judgement
    x: Array
    stopped: Array
    note: str = ""


def unjudged(bout: Bout, note: str, verdict: str = Verdict.UNJUDGED.value) -> Ends:
    """Return the ends of a bout that did not happen, or of which nothing can be said."""
    many, nothing = bout.stream.seeds, np.full(bout.stream.seeds, np.nan)
    judgement = Judgement(np.full(many, verdict, dtype="<U9"), np.full((many, 3), np.nan), nothing)
    return Ends(judgement, np.full((many, bout.problem.dim), np.nan), np.full(many, -1), note)


def judged(bout: Bout, parts: Any, first: Any, x: Any, stopped: Any, escaped: Any) -> Ends:
    """Return the ends of a bout from what was recorded of its lanes.

    Parameters
    ----------
    bout : Bout
    parts : ndarray, shape (N, windows)
        Means of the rule's measure over the parts of its windows.
    first : ndarray, shape (N,)
        That measure at x_1.
    x : ndarray, shape (N, d)
        The last iterate.
    stopped : ndarray of int, shape (N,)
        The step after which a lane was not finite, 0 if it stayed finite.
    escaped : ndarray of bool, shape (N,)
        Whether an unconstrained coordinate was infinite then.
    """
    rule, stopped = bout.problem.rule, np.asarray(stopped)
    if rule is None:
        reason = bout.problem.unjudged or f"{bout.problem.name} has no verdict rule."
        ends = unjudged(bout, reason)
        judgement = ends.judgement
    else:
        reason, parts = "", np.array(parts, dtype=float)
        for k, (a, b) in enumerate(rule.windows(bout.steps)):
            parts[(stopped > 0) & (stopped <= b) | (a == b), k] = np.nan
        judgement = rule.judge(parts, bout.steps, first, stopped == 0, np.asarray(escaped, dtype=bool))
    x = np.where(stopped[:, None] > 0, np.nan, x)
    return Ends(judgement, x, np.where(stopped > 0, stopped, -1), reason)


class Contender(Protocol):
    """An optimizer on trial."""

    @property
    def name(self) -> str:
        """What the card calls it."""

    @property
    def settings(self) -> str:
        """Hyperparameters and variant, as found."""

    @property
    def note(self) -> str:
        """How its lanes were run."""

    def rate(self, bout: Bout, lr: float) -> float:
        """Return the mean |step| of `PROBED` steps at a constant step size and the gradients of x_1."""

    def run(self, bouts: Sequence[Bout]) -> list[Ends]:
        """Run every bout."""


class Record:
    """What a loop in Python keeps of the lanes of a bout, in arrays of the engine's layout."""

    def __init__(self, bout: Bout) -> None:
        self.bout, self.stream, rule = bout, bout.stream, bout.problem.rule
        many = self.stream.seeds
        self._edges = [] if rule is None else list(rule.windows(bout.steps))
        self._row = 0 if rule is None else bout.problem.measures.index(rule.measure)
        self._sums = np.zeros((len(self._edges), many))
        self._out = np.empty((len(bout.problem.measures), many))
        self._part = 0
        self.first = np.zeros(many)
        self.stopped, self.escaped = np.zeros(many, np.int64), np.zeros(many, bool)

    def see(self, x: Array, t: int) -> None:
        """Note the measure at x_t, shape (d, N)."""
        edges = self._edges
        while self._part < len(edges) and t > edges[self._part][1]:
            self._part += 1
        inside = self._part < len(edges) and t > edges[self._part][0]
        if inside or (t == 1 and edges):
            self.stream.write_measures(x, t, self._out)
            if t == 1:
                self.first = self._out[self._row].copy()
            if inside:
                self._sums[self._part] += self._out[self._row]

    def stop(self, x: Array, t: int) -> Array:
        """Note which lanes are not finite after step t, and return them; a box makes infinity NaN."""
        bad: Array = ~np.isfinite(x).all(axis=0) & (self.stopped == 0)
        if self.bout.problem.domain is None:
            self.escaped |= bad & np.isinf(x).any(axis=0)
        self.stopped[bad] = t
        return bad

    def ends(self, x: Array) -> Ends:
        """Judge the lanes, which end at x (d, N)."""
        lengths = np.array([b - a for a, b in self._edges])
        parts = self._sums.T / np.maximum(lengths, 1) if len(lengths) else None
        return judged(self.bout, parts, self.first, x.T, self.stopped, self.escaped)


@dataclass(frozen=True, eq=False)
class Native:
    """An optimizer of this suite."""

    optimizer: Optimizer
    name: str
    note: str = "run by the lanes of the suite"

    @property
    def settings(self) -> str:
        """The optimizer with its hyperparameters and its variant."""
        return (
            str(self.optimizer.replace(lr=1.0, schedule=constant()))
            .replace("lr=1, ", "")
            .replace(", constant()", "")
        )

    def rate(self, bout: Bout, lr: float) -> float:
        """Return the mean |step| of `PROBED` steps at a constant step size and the gradients of x_1.

        It is that of tiny steps, which see no other gradients, times what lr is to them.
        """
        near = bout.near()
        run = Sweep(
            near.problem, self.optimizer.replace(lr=_TINY * lr), steps=PROBED, order=near.order,
            checkpoints=range(1, PROBED + 1), workers=near.stream.workers,
        ).run()  # fmt: skip
        path = np.concatenate([near.stream.start, run.x.values.reshape(PROBED, -1)])
        return float(np.abs(np.diff(path, axis=0)).mean()) / _TINY

    def run(self, bouts: Sequence[Bout]) -> list[Ends]:
        """Run every bout as a sweep."""
        ended = []
        for bout in bouts:
            try:
                ended.append(self._ends(bout))
            except ValueError as error:  # it keeps its iterate where the box cannot hold it, for instance
                ended.append(unjudged(bout, str(error)))
        return ended

    def _ends(self, bout: Bout) -> Ends:
        made = self.optimizer.replace(lr=bout.lr, schedule=power(0.5))
        many, rule, problem = bout.stream.seeds, bout.problem.rule, bout.problem
        run = Sweep(
            problem, made, steps=bout.steps, seeds=many, entropy=bout.entropy, order=bout.order,
            workers=bout.stream.workers,
        ).run()  # fmt: skip
        x, stopped = run.x_final.values.reshape(many, -1), run.nonfinite_step.values
        if rule is None:
            return judged(bout, None, None, x, np.maximum(stopped, 0), None)
        means = run[f"{rule.measure}_window"].values
        return Ends(Judgement(run.verdict.values, means, run.decides_at.values), x, stopped)
