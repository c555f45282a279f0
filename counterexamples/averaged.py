"""Full-gradient versions of the component problems: the mean of all components, drawn without noise.

Wang and Klabjan (arXiv:2210.05607) hold the variance of the gradients responsible for Adam's
divergence; here it is 0.
"""

from __future__ import annotations

from counterexamples import zhang
from counterexamples.zhang import piecewise_shape
from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem

PAPER = "wang2022divergence"


def piecewise_gradient(x: float, n: float) -> float:
    """Return s(x)/n: (G - (n-1) a)/n = 1/n times s of `zhang.piecewise`."""
    return piecewise_shape(x) / n


@family
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
    )


PROBLEMS = [piecewise]
