"""The black box: any optimizer of the suite on every integer sequence of a period and height, as lanes of one sweep.

Gradients do not depend on x and nothing is clamped, so a step size of 1 shows the drift that vanishing steps
have.  A burn-in stands for the limit; a hit is confirmed after twice the burn-in, and is no proof.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from theory_sim.engine.tiles import run_tile
from theory_sim.evidence.hunter.sequence import periodic
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import constant
from theory_sim.nouns.sweep import Sweep

SHAPES = (
    (2, 8),
    (3, 8),
    (4, 4),
    (5, 2),
)  # periods and heights that are looked at, within a second or so each
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


def drifts(optimizer: Optimizer, many: Array, burn_in: int) -> Array:
    """Return the drift of each sequence (N, n) after a burn-in of so many periods, NaN where a run is not finite."""
    count, n = many.shape
    problem = replace(periodic((1.0,) * n), domain=None, rule=None, unjudged="A drift is measured.")
    first, last = burn_in * n, (burn_in + _PERIODS) * n
    plain = optimizer.replace(lr=1.0, schedule=constant())
    base = Sweep(problem, plain, steps=last, checkpoints=[first, last])
    one = base.job.lanes
    away = run_tile(replace(one, x0=one.x0 + _AWAY), base.plan, np.arange(1))["x"]
    here = run_tile(one, base.plan, np.arange(1))["x"]
    if not np.allclose(away - here, _AWAY, rtol=1e-9, atol=0.0):
        raise ValueError(
            f"{optimizer.name} moves x by itself, without a gradient; set what does so, such as weight_decay, to 0."
        )
    each: dict[str, Any] = {
        name: np.repeat(value, count, axis=-1)
        for name, value in vars(one).items()
        if isinstance(value, np.ndarray)
    }
    theta = each["theta"]
    theta[:n] = many.T
    x = run_tile(replace(one, **each), base.plan, np.arange(count))["x"]
    return np.asarray((x[:, 0, 0] - x[:, 1, 0]) / _PERIODS)


def hunt(optimizer: Optimizer, period: int, height: int, burn_in: int = 700) -> tuple[Hit | None, list[str]]:
    """Look at short sequences, low ones first; return the first hit and what was looked at, in words."""
    said: list[str] = []
    for n, highest in SHAPES:
        for top in range(1, min(highest, height) + 1):
            if n > period:
                break
            many = sequences(n, top)
            if not len(many):
                continue
            found = drifts(optimizer, many, burn_in)
            size = np.nanmax(np.abs(found), initial=0.0)
            wrong = np.flatnonzero(found < -_SHARE * size)
            if len(wrong):
                again = drifts(optimizer, many[wrong], 2 * burn_in)
                sure = wrong[again < -_SHARE * size]
                if len(sure):
                    best = sure[np.argmin(found[sure])]
                    return Hit(tuple(int(g) for g in many[best]), float(found[best])), said
        if n <= period:
            said.append(
                f"period {n}: no drift < 0 for heights <= {min(highest, height)} in runs of {burn_in} periods"
            )
    return None, said


def fails(optimizer: Optimizer, gradients: Sequence[int], burn_in: int = 700) -> bool:
    """Whether runs of one and two burn-ins both drift the wrong way."""
    one = np.array([gradients], dtype=float)
    found = [drifts(optimizer, one, periods)[0] for periods in (burn_in, 2 * burn_in)]
    return bool(max(found) < -_SHARE * np.abs(one).max())
