"""Full-gradient versions of the component problems: the mean of all components, drawn without noise.

Wang and Klabjan (arXiv:2210.05607) hold the variance of the gradients responsible for Adam's divergence; here it is 0.
"""

from __future__ import annotations

from typing import Any

from counterexamples import zhang
from theory_sim.problem import Problem

PAPER = "wang2022divergence"


def piecewise_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """s(x)/n with s(x) = 1 for x >= -1 and x + 2 below: (G - (n-1) a)/n = 1/n times s."""
    workers, _, lanes = out.shape
    for j in range(workers):
        for lane in range(lanes):
            point = x[0, lane]
            slope = point + 2.0 if point < -1.0 else 1.0
            out[j, 0, lane] = slope / theta[2, lane]


def piecewise(n: int = 10, a: float = 1.0, *, x0: float = 0.0) -> Problem:
    """The mean of the components of `zhang.piecewise`: x/n, then ((x+2)^2/2 - 3/2)/n left of -1; x* = -2.

    Parameters
    ----------
    n : int
        Number of components averaged, >= 2.  With eps = 0 Adam's iterates do not depend on it.
    a : float
        > 0; has no influence on the mean.
    x0 : float
        Start.

    Returns
    -------
    Problem
        Measures as in `zhang.piecewise`.
    """
    base = zhang.piecewise(n, a, x0=x0)
    return Problem(
        name="averaged.piecewise",
        gradient=piecewise_gradient,
        constants=base.constants,
        measure=base.measure,
        measures=base.measures,
        start=x0,
        optimum=base.optimum,
        rule=base.rule,
        facts={"n": n, "L": 1.0 / n, "D0": 0.0, "D1": 1.0},
        paper=PAPER,
        family=piecewise,
        arguments={"n": n, "a": a},
    )


PROBLEMS = [piecewise]
