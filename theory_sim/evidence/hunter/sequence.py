"""Periodic gradient sequences as a problem: linear losses on the box [-1, 1]."""

from __future__ import annotations

import math
from typing import Any

from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks


def component_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Row k of theta is the gradient of component k."""
    workers, _, lanes = out.shape
    for j in range(workers):
        for lane in range(lanes):
            out[j, 0, lane] = theta[idx[j, lane], lane]


def distance_to_corner(x: float, optimum: float) -> float:
    """|x - x*|."""
    return abs(x - optimum)


@family
def periodic(gradients: tuple[float, ...] = (3.0, -1.0, -1.0), *, x0: float = 0.0) -> Problem:
    """f_t(x) = g_t x on [-1, 1] with a periodic sequence g, for instance gradients=(3,-1,-1).

    Parameters
    ----------
    gradients : tuple of float
        One period; their sum is not 0.  Default: the sequence of Reddi et al. 2018, Theorem 1, with C = 3.
    x0 : float
        Start x_1.
    """
    if not isinstance(gradients, tuple | list) or not gradients:
        raise ValueError(f"gradients = {gradients!r} must be a tuple of numbers, such as (3,-1,-1).")
    values = [checks.number("gradients", one) for one in gradients]
    total = math.fsum(values)
    if total == 0.0:
        raise ValueError("The gradients sum to 0, so every point is optimal; change one of them.")
    optimum = -math.copysign(1.0, total)
    n = len(values)
    return Problem(
        name="sequences.periodic",
        gradient=component_gradient,
        constants={**{f"g{k}": value for k, value in enumerate(values)}, "optimum": optimum},
        components=n,
        measure=distance_to_corner,
        measures=("distance",),
        domain=(-1.0, 1.0),
        start=checks.number("x0", x0, -1.0, 1.0),
        optimum=optimum,
        rule=Rule("distance", converged=0.05, diverged=1.0),
        facts={"slope": total / n, "G": max(map(abs, values)), "D_inf": 2.0, "n": n},
    )
