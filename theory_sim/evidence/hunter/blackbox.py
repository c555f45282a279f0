"""The black box: any optimizer on every integer sequence of a period and height, ours as lanes of one sweep.

Gradients do not depend on x and nothing is clamped, so a step size of 1 shows the drift that vanishing steps
have.  A burn-in stands for the limit; a hit is confirmed after twice the burn-in, and is no proof.
Optimizers of other libraries meet the same sequences through the stream of the audit.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from theory_sim.engine.stream import Stream
from theory_sim.engine.tiles import run_tile
from theory_sim.evidence.bout import Bout, Contender
from theory_sim.evidence.hunter.sequence import periodic
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.schedule import constant
from theory_sim.nouns.sweep import Sweep

SHAPES = (
    (2, 8),
    (3, 8),
    (4, 4),
    (5, 2),
)  # periods and heights that are looked at, within a second or so each
ELSEWHERE = ((2, 8), (3, 4), (4, 2))  # of other libraries, whose lanes are tried one by one first
_AWAY = 1024.0  # a start from which the same moves are expected
_PERIODS = 40  # over which the drift is a mean
_SHARE = 1e-7  # of the largest drift: what is smaller is rounding, or the rest of the burn-in

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Hit:
    """A sequence that an optimizer drifts on the wrong way, as far as a run tells.

    Parameters
    ----------
    gradients : tuple of int
    drift : float
        Sum of the updates over a period, the mean over some periods after the burn-in.
    """

    gradients: tuple[int, ...]
    drift: float


def shifted(index: int, height: float) -> float:
    """Return the gradient that a component between 0 and 2 height stands for."""
    return index - height


class Sequences(Stream):
    """A sequence of its own for each seed; the component of a step is its gradient plus the height.

    Parameters
    ----------
    problem : Problem
        With `shifted` for its gradient.
    many : ndarray, shape (seeds, n)
    """

    def __init__(self, problem: Problem, many: Array) -> None:
        super().__init__(problem, seeds=len(many))
        self.many = many

    def write(self, x: Array, t: int, out: Array) -> None:
        """Write the gradients of step t, which do not depend on x."""
        out[...] = self.many[:, (t - 1) % self.many.shape[1]]

    def block(self, first: int, count: int) -> tuple[Array, Array]:
        """Return the components (count, 1, seeds) of the steps from `first` on, and no uniforms."""
        seen = self.many[:, np.arange(first - 1, first - 1 + count) % self.many.shape[1]]
        components = (seen + self.problem.constants["height"]).T[:, None, :]
        return components.astype(np.int64), np.empty((count, 0, self.lanes))


@dataclass(frozen=True, eq=False)
class Course(Bout):
    """A bout in which each seed has a sequence of its own, a row of `many`."""

    many: Array = field(default_factory=lambda: np.empty((0, 0)))

    @cached_property
    def stream(self) -> Stream:
        """The sequences."""
        return Sequences(self.problem, self.many)


def sequences(n: int, height: int) -> Array:
    """Return every primitive integer sequence of a period with this height and a positive sum, up to rotation."""
    every = itertools.product(range(-height, height + 1), repeat=n)
    found = [
        g
        for g in every
        if sum(g) > 0
        and max(map(abs, g)) == height
        and math.gcd(*g) == 1
        and g == max(g[k:] + g[:k] for k in range(n))
    ]
    return np.array(found, dtype=float).reshape(-1, n)


def drifts(optimizer: Optimizer | Contender, many: Array, burn_in: int) -> Array:
    """Return the drift of each sequence (N, n) after a burn-in of so many periods, NaN where a run is not finite.

    Raises
    ------
    ValueError
        If x moves without a gradient, or a step fails.
    """
    return (_of_lanes if isinstance(optimizer, Optimizer) else _of_stream)(optimizer, many, burn_in)


def _plain(n: int) -> Problem:
    return replace(periodic((1.0,) * n), domain=None, rule=None, unjudged="A drift is measured.")


def _require_same(away: Array, here: Array, name: str) -> None:
    if not np.allclose(away - here, _AWAY, rtol=1e-9, atol=0.0):
        raise ValueError(
            f"{name} moves x by itself, without a gradient; set what does so, such as weight_decay, to 0."
        )


def _of_lanes(optimizer: Any, many: Array, burn_in: int) -> Array:
    count, n = many.shape
    first, last = burn_in * n, (burn_in + _PERIODS) * n
    plain = optimizer.replace(lr=1.0, schedule=constant())
    base = Sweep(_plain(n), plain, steps=last, checkpoints=[first, last])
    one = base.job.lanes
    away = run_tile(replace(one, x0=one.x0 + _AWAY), base.plan, np.arange(1))["x"]
    _require_same(away, run_tile(one, base.plan, np.arange(1))["x"], optimizer.name)
    each: dict[str, Any] = {
        name: np.repeat(value, count, axis=-1)
        for name, value in vars(one).items()
        if isinstance(value, np.ndarray)
    }
    theta = each["theta"]
    theta[:n] = many.T
    x = run_tile(replace(one, **each), base.plan, np.arange(count))["x"]
    return np.asarray((x[:, 0, 0] - x[:, 1, 0]) / _PERIODS)


def _of_stream(contender: Any, many: Array, burn_in: int) -> Array:
    n = many.shape[1]
    first, last = burn_in * n, (burn_in + _PERIODS) * n
    height = float(np.abs(many).max())
    problem = Problem(
        "drift",
        shifted,
        constants={"height": height},
        components=n,
        start=0.0,
        unjudged="A drift is measured.",
    )  # a rule, not a kernel: jax traces it
    course = Course(
        "drift", problem, steps=last, seeds=len(many), steady=True, checkpoints=(first, last), many=many
    )
    still = replace(course, steps=_PERIODS, seeds=1, checkpoints=(_PERIODS,), many=np.ones((1, n)))
    away = replace(still, problem=replace(still.problem, start=_AWAY))
    x, here, there = (_path(contender, one) for one in (course, still, away))
    _require_same(there, here, contender.name)
    return np.asarray((x[:, 0] - x[:, 1]) / _PERIODS)


def _path(contender: Contender, course: Course) -> Array:
    """Return x of every sequence at the checkpoints, shape (N, c)."""
    ended = contender.run([course])[0]
    if ended.grid is None:
        raise ValueError(f"{contender.name} cannot be hunted: {ended.note}.")
    return np.asarray(ended.grid.x.values, dtype=float).reshape(len(course.many), -1)


def hunt(
    optimizer: Optimizer | Contender, period: int, height: int, burn_in: int = 700, seconds: float = math.inf
) -> tuple[Hit | None, list[str]]:
    """Look at all short sequences; return the shortest, lowest hit and what was looked at, in words.

    Parameters
    ----------
    optimizer : Optimizer or Contender
    period, height : int
        Largest ones.
    burn_in : int
        Periods before the drift is measured.
    seconds : float
        After which no new period is begun.
    """
    said: list[str] = []
    began = time.monotonic()
    for n, highest in SHAPES if isinstance(optimizer, Optimizer) else ELSEWHERE:
        low = min(highest, height)
        if n > period:
            break
        if time.monotonic() - began > seconds:
            said.append(f"period {n}: out of time")
            break
        many = np.concatenate([sequences(n, top) for top in range(1, low + 1)])
        found = drifts(optimizer, many, burn_in)
        wrong = _wrong(found, found)
        if len(wrong):
            again = drifts(optimizer, many[wrong], 2 * burn_in)
            sure = wrong[_wrong(again, found)]
            if len(sure):
                best = min(sure, key=lambda k: (*_size(many[k]), found[k]))
                return Hit(tuple(int(g) for g in many[best]), float(found[best])), said
        said.append(f"period {n}: no drift < 0 for heights <= {low} in runs of {burn_in} periods")
    return None, said


def _size(g: Array) -> tuple[float, float]:
    return float(np.abs(g).max()), float(np.abs(g).sum())


def _wrong(found: Array, every: Array) -> Any:
    """Return where a drift is negative by more than a share of the largest one."""
    return np.flatnonzero(found < -_SHARE * np.nanmax(np.abs(every), initial=0.0))


def fails(optimizer: Optimizer | Contender, gradients: Sequence[int], burn_in: int = 700) -> bool:
    """Whether runs of one and two burn-ins both drift the wrong way."""
    one = np.array([gradients], dtype=float)
    found = [drifts(optimizer, one, periods)[0] for periods in (burn_in, 2 * burn_in)]
    return bool(max(found) < -_SHARE * np.abs(one).max())
