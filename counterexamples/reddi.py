"""The counterexamples of Reddi, Kale, Kumar: On the Convergence of Adam and Beyond (ICLR 2018, 1904.09237).

One rare, large slope against many small ones of the other sign, on the box [-1, 1].  Adam divides the large
one by its own size and follows the crowd to the wrong corner.
"""

from __future__ import annotations

import math
from dataclasses import replace

from theory_sim.nouns import noise
from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import total

PAPER = "reddi2018"

RULE = Rule("distance", converged=0.05, diverged=1.0)


def periodic_gradient(index: int, C: float, small: float) -> float:
    """Return C for component 0, -small for the others."""
    return C if index == 0 else -small


def stochastic_gradient(noise: float) -> float:
    """Return the slope drawn."""
    return noise


def _regret(index: int, C: float, small: float, x: float, optimum: float, workers: int) -> float:
    """f_t(x) - f_t(x*) of one worker."""
    return periodic_gradient(index, C, small) * (x - optimum) / workers


def periodic_measure(x: float, optimum: float, slope: float, regret: float) -> tuple[float, float, float]:
    """Return |x - x*|, mean slope times (x - x*), and f_t(x) - f_t(x*), the mean over workers."""
    away = x - optimum
    return abs(away), slope * away, regret


def stochastic_measure(x: float, optimum: float, slope: float) -> tuple[float, float]:
    """Return |x - x*| and F(x) - F(x*)."""
    away = x - optimum
    return abs(away), slope * away


def _optimum(name: str, slope: float) -> float:
    if slope == 0.0:
        raise ValueError(
            f"{name} has mean slope 0, so every point is optimal; change C, small, the period or p."
        )
    return -math.copysign(1.0, slope)


@family
def periodic(C: float, small: float = 1.0, period: int | None = None, *, x0: float = 0.0) -> Problem:
    """f_t(x) = C x if t mod period = 1, else -small x, on [-1, 1] (Theorems 1, 2; section 3 with 1010/-10).

    Parameters
    ----------
    C : float
        Large slope, > 0.
    small : float
        Size of the other slopes, > 0.
    period : int, optional
        Length of the cycle, >= 2.  Default: C, which must then be an integer (Theorem 2); Theorem 1 has 3.
    x0 : float
        Start x_1.

    Returns
    -------
    Problem
        Measures: distance |x - x*|, gap (mean slope times distance), regret f_t(x_t) - f_t(x*) of a step.
    """
    checks.number("C", C, 0.0, open_low=True)
    checks.number("small", small, 0.0, open_low=True)
    if period is None and not float(C).is_integer():
        raise ValueError(f"C = {C} is not an integer, so the period cannot default to it; give period=...")
    n = checks.count("period", int(C) if period is None else period, 2)
    slope = (C - (n - 1) * small) / n
    optimum = _optimum(f"reddi.periodic(C={C}, small={small}, period={n})", slope)
    return Problem(
        name="reddi.periodic",
        gradient=periodic_gradient,
        constants={"C": C, "small": small, "optimum": optimum, "slope": slope},
        components=n,
        reductions={"regret": total(_regret, over="workers")},
        measure=periodic_measure,
        measures=("distance", "gap", "regret"),
        online=("regret",),
        domain=(-1.0, 1.0),
        start=x0,
        optimum=optimum,
        rule=RULE,
        facts={"slope": slope, "small": small, "G": max(C, small), "D_inf": 2.0, "n": n, "ratio": C / small},
        paper=PAPER,
    )


@family
def stochastic(
    C: float,
    delta: float | None = None,
    small: float = 1.0,
    p: float | None = None,
    *,
    domain: bool = True,
) -> Problem:
    """f_t(x) = C x with probability p, else -small x (Theorem 3; section 3 with 1010, 10 and p = 0.01).

    Parameters
    ----------
    C : float
        Large slope, > 0.
    delta : float, optional
        Theorem 3's delta > 0: p = (small + delta)/(C + small), so that F(x) = delta x.  Give delta or p.
    small : float
        Size of the other slope, > 0.
    p : float, optional
        Probability of the large slope, in (0, 1).
    domain : bool
        Whether x is confined to [-1, 1].

    Returns
    -------
    Problem
        Measures: distance |x - x*| and gap F(x) - F(x*).
    """
    checks.number("C", C, 0.0, open_low=True)
    checks.number("small", small, 0.0, open_low=True)
    checks.flag("domain", domain)
    if (delta is None) == (p is None):
        raise ValueError(f"delta = {delta} and p = {p}: give exactly one of them.")
    if delta is not None:
        checks.number("delta", delta, 0.0, C, open_low=True, open_high=True)
        chance = (small + delta) / (C + small)
    else:
        chance = checks.number("p", float("nan") if p is None else p, 0.0, 1.0, open_low=True, open_high=True)
    slope = chance * C - (1.0 - chance) * small
    optimum = _optimum(f"reddi.stochastic(C={C}, small={small}, p={chance})", slope)
    return Problem(
        name="reddi.stochastic",
        gradient=stochastic_gradient,
        constants={"C": C, "small": small, "optimum": optimum, "slope": slope, "p": chance},
        noise=noise.TWO_POINT,
        measure=stochastic_measure,
        measures=("distance", "gap"),
        domain=(-1.0, 1.0) if domain else None,
        optimum=optimum,
        rule=RULE,
        facts={"slope": slope, "G": max(C, small), "p": chance, **({"D_inf": 2.0} if domain else {})},
        paper=PAPER,
    )


@family
def rescaled(eps: float, scale: float | None = None) -> Problem:
    """The period-3 problem scale * (3, -1, -1) of Theorem 6: no eps > 0 repairs Adam.

    Parameters
    ----------
    eps : float
        The one to defeat, added to v inside the root, > 0.
    scale : float, optional
        Default 10 sqrt(eps), which defeats this eps; a fixed scale is the control.
    """
    checks.number("eps", eps, 0.0, open_low=True)
    s = 10.0 * math.sqrt(eps) if scale is None else checks.number("scale", scale, 0.0, open_low=True)
    return replace(periodic(3.0 * s, small=s, period=3, x0=1.0), name="reddi.rescaled")


PROBLEMS = [periodic, stochastic, rescaled]
