"""What the steps of an optimizer tell of its conventions: correction, dampening, eps, clipping, its twin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.evidence.bout import Bout, Contender, Native
from theory_sim.nouns.problem import Problem

if TYPE_CHECKING:
    from theory_sim.nouns.optimizer import Optimizer

Array = np.ndarray[Any, Any]
STEPS = 300
TINY, SPIKE = 1e-8, 1e6
_AT = 200  # the step of the spike
_LR, _SETTLED = 1e-3, 10
_AGREE = 1e-9  # 300 steps of two programs that round differently


def _slope(size: float) -> float:
    return size


def _spiked(t: int, at: float, height: float) -> float:
    return height if t == at else 1.0


def _varied(t: int, x: float) -> float:
    """Gradients of both signs and of all sizes, which depend on x."""
    return (1.0 + x) * (float(t % 7) - 2.5) / (1.0 + float(t % 3))


_PROBLEMS = (
    Problem("constant gradient", _slope, {"size": 1.0}),
    Problem("tiny gradient", _slope, {"size": TINY}),
    Problem("one spike", _spiked, {"at": float(_AT), "height": SPIKE}),
    Problem("varied gradients", _varied, start=0.5),
)


@dataclass(frozen=True)
class Probe:
    """The moves of an optimizer under four sequences of gradients, at a constant step size.

    Parameters
    ----------
    first : float
        Step 1 over the mean of the last ten, at a constant gradient: bias correction and dampening.
    tiny : float
        The last ten steps at a gradient of 1e-8 over those at 1: where eps takes over; 1e-8 where steps are
        proportional to gradients.
    spike : float
        The longest step after one gradient of 1e6 among gradients of 1, over the mean before: clipping.
    path : ndarray, shape (300,)
        The iterates under varied gradients, which tell twins.
    """

    first: float
    tiny: float
    spike: float
    path: Array

    def said(self) -> str:
        """Return the three numbers in words."""
        return (
            f"at a constant gradient step 1 is {self.first:.3g} times the settled step (correction, dampening); a "
            f"gradient of {TINY:g} makes {self.tiny:.3g} of the step of a gradient of 1 (eps); one gradient of "
            f"{SPIKE:g} among gradients of 1 makes a step {self.spike:.3g} times as long (clipping)"
        )

    def record(self) -> dict[str, float]:
        """Return the numbers by name."""
        return {"first": self.first, "tiny": self.tiny, "spike": self.spike}


def _bouts() -> list[Bout]:
    every = tuple(range(1, STEPS + 1))
    return [Bout(one.name, one, steps=STEPS, lr=_LR, steady=True, checkpoints=every) for one in _PROBLEMS]


def probe(tried: Contender) -> Probe | None:
    """Measure the conventions of an optimizer; None where it does not reach the end of all sequences."""
    ended = tried.run(_bouts())
    paths = []
    for one, problem in zip(ended, _PROBLEMS, strict=True):
        if one.grid is None:
            return None
        paths.append(np.concatenate([[np.ravel(problem.start)[0]], one.grid.x.values[0]]))
    moves = [np.abs(np.diff(path)) for path in paths]
    with np.errstate(all="ignore"):
        settled = float(moves[0][-_SETTLED:].mean())
        calm, after = moves[2][_AT - 1 - _SETTLED : _AT - 1].mean(), moves[2][_AT - 1 :].max()
        return Probe(
            float(np.divide(moves[0][0], settled)),
            float(np.divide(moves[1][-_SETTLED:].mean(), settled)),
            float(np.divide(after, calm)),
            paths[3][1:],
        )


def is_twin(found: Probe, optimizer: Optimizer) -> bool:
    """Whether an optimizer of this suite takes the same 300 steps under varied gradients."""
    (ended,) = Native(optimizer, optimizer.name).run(_bouts()[3:])
    return ended.grid is not None and np.allclose(
        ended.grid.x.values[0], found.path, rtol=_AGREE, atol=_AGREE * _LR
    )
