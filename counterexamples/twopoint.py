"""The two-point problem of the Adam bias: quadratics (x - X)^2/2 with X in {0, k}.

Dereich and Jentzen, arXiv:2407.21078; Dereich, Jentzen, Kassing, arXiv:2511.04622: Adam converges to a zero
of the Adam vector field E[m/sqrt(v)], which differs from E X unless X is symmetric.
"""

from __future__ import annotations

from theory_sim.nouns.family import family
from theory_sim.nouns.noise import Noise
from theory_sim.nouns.problem import Problem
from theory_sim.rules import checks

PAPER = "dereich2024"


def _drawn(u: float, k: float, p: float) -> float:
    return k if u < p else 0.0


def _mean(k: float, p: float) -> float:
    return k * p


X = Noise("two values", _drawn, each="worker", mean=_mean)
"""X = ``k`` with probability ``p``, else 0."""


def two_point_gradient(x: float, noise: float) -> float:
    """Return x - X."""
    return x - noise


def two_point_measure(x: float, k: float, p: float) -> float:
    """Return |x - E X|."""
    return abs(x - k * p)


def frozen_gradient(point: float, noise: float) -> float:
    """Return point - X, whatever x is."""
    return point - noise


@family
def two_point(k: float = 10.0, p: float = 0.1) -> Problem:
    """Stochastic gradient x - X, X = k with probability p and 0 otherwise; the minimiser is E X = k p.

    Parameters
    ----------
    k : float
        != 0.
    p : float
        In (0, 1); p = 1/2 is the symmetric case.  A batch of M is ``workers=M``.
    """
    checks.number("k", k)
    checks.number("p", p, 0.0, 1.0, open_low=True, open_high=True)
    if k == 0.0:
        raise ValueError("k = 0 makes X constant; give k != 0.")
    return Problem(
        name="twopoint.two_point",
        unjudged="Every method settles beside the minimiser; its claims compare by how much.",
        gradient=two_point_gradient,
        constants={"k": k, "p": p},
        noise=X,
        measure=two_point_measure,
        measures=("distance",),
        start=k * p,
        optimum=k * p,
        facts={
            "mean": k * p,
            "sigma2": k * k * p * (1 - p),
            "third": k**3 * p * (1 - p) * (1 - 2 * p),
            "L": 1.0,
        },
        paper=PAPER,
    )


@family
def frozen(k: float, p: float, point: float) -> Problem:
    """The gradients of `two_point` at one fixed point: runs move by minus the Adam vector field there."""
    base = two_point(k, p)
    return Problem(
        name="twopoint.frozen",
        unjudged="It only serves to observe moments at a fixed point.",
        gradient=frozen_gradient,
        constants={"k": k, "p": p, "point": checks.number("point", point)},
        noise=X,
        facts=base.facts,
        paper=PAPER,
    )


PROBLEMS = [two_point]
