"""Hard functions for (L0, L1)-smooth optimization: E, S and F = E + S, with arbitrary constants.

f is (L0, L1)-smooth if ||Hess f|| <= L0 + L1 ||grad f|| (Zhang et al. 2020, arXiv:1905.11881).  E grows like
an exponential, so gradient descent needs a small step; S is a long ramp of slope 2 eps, on which a small step
takes for ever; F = E(x) + S(y) asks for both at once.  With L0 = L1, E is the function of Zhang et al.; the
combination follows Wang et al. 2024 (arXiv:2403.15146) and Crawshaw et al. 2022 (arXiv:2208.11195).
"""

from __future__ import annotations

import math

from counterexamples.objectives import ramp, ramp_slope, well_slope
from counterexamples.objectives import well as well_terms
from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import total

PAPER = "wang2024separability"
RULE = Rule("gradient_norm", converged=0.5, diverged=2.0, relative=True)


def hard_gradient(x0: float, x1: float, L0: float, L1: float, eps: float) -> tuple[float, float]:
    """Return (E'(x), S'(y))."""
    return well_slope(x0, L0, L1), ramp_slope(x1, L0, eps)


def hard_measure(x0: float, x1: float, L0: float, L1: float, eps: float) -> tuple[float, float]:
    """Return F - F* and ||grad F||."""
    of_x, slope_x = well_terms(x0, L0, L1)
    of_y, slope_y = ramp(x1, L0, eps)
    return of_x + of_y, math.hypot(slope_x, slope_y)


def well_measure(gap: float, square: float) -> tuple[float, float]:
    """Return f - f* and ||grad f||."""
    return gap, math.sqrt(square)


def _of_well(x: float, L0: float, L1: float) -> tuple[float, float]:
    gap, slope = well_terms(x, L0, L1)
    return gap, slope * slope


def _constants(L0: float, L1: float) -> tuple[float, float]:
    return checks.number("L0", L0, 0.0, open_low=True), checks.number("L1", L1, 0.0, open_low=True)


def well_start(L0: float, L1: float, delta: float) -> float:
    """Return x0 > 0 with E(x0) - E* = delta.

    Outside the core, (L0/L1^2) e^(L1 x - 1) - L0/(2 L1^2) = delta; inside, L0 x^2/2 = delta.
    """
    if L1 * L1 * delta > 0.5 * L0:
        return (1.0 + math.log(L1 * L1 * delta / L0 + 0.5)) / L1
    return math.sqrt(2.0 * delta / L0)


def ramp_start(L0: float, eps: float, delta: float) -> float:
    """Return y0 > a = 3 eps/L0 with S(y0) = delta: S = 2 eps (y - a) + 5 eps a/4 on the ramp."""
    a = 3.0 * eps / L0
    return a + (delta - 1.25 * eps * a) / (2.0 * eps)


@family
def hard_function(
    L0: float = 1.0, L1: float = 1.0, eps: float = 0.1, delta: float = 64.0, split: float = 0.5
) -> Problem:
    """F(x, y) = E(x; L0, L1) + S(y; eps, L0) in two coordinates; the start splits the gap delta between them.

    Parameters
    ----------
    L0, L1 : float
        > 0; F is (L0, L1)-smooth with these constants.
    eps : float
        Target gradient norm, > 0: the ramp has slope 2 eps.
    delta : float
        F(x_1) - F*, large enough that both coordinates start outside their cores:
        split L1^2 delta > L0/2 and (1 - split) delta > 15 eps^2/(4 L0).
    split : float
        Share of delta in x, in (0, 1); the rest is in y.

    Returns
    -------
    Problem
        Measures: gap F - F*, gradient_norm.  Facts: L0, L1, target = eps, gap = delta, M = |E'(x0)|,
        critical_lr = 2 x0/M, the step above which gradient descent diverges, and lower_bound, the number of
        steps below which no constant step of gradient descent can reach eps.
    """
    L0, L1 = _constants(L0, L1)
    checks.number("eps", eps, 0.0, open_low=True)
    checks.number("split", split, 0.0, 1.0, open_low=True, open_high=True)
    least = max(0.5 * L0 / (L1 * L1) / split, 3.75 * eps * eps / L0 / (1.0 - split))
    checks.number("delta", delta, least, open_low=True)
    of_x, of_y = split * delta, (1.0 - split) * delta
    x0 = well_start(L0, L1, of_x)
    y0 = ramp_start(L0, eps, of_y)
    M = L1 * of_x + L0 / (2.0 * L1)
    bound = (of_y - 3.75 * eps * eps / L0) * M / (8.0 * eps * eps * x0)
    return Problem(
        name="generalized_smooth.hard_function",
        gradient=hard_gradient,
        constants={"L0": L0, "L1": L1, "eps": eps},
        dim=2,
        measure=hard_measure,
        measures=("gap", "gradient_norm"),
        start=(x0, y0),
        optimum=0.0,
        rule=RULE,
        facts={
            "L0": L0,
            "L1": L1,
            "target": eps,
            "gap": delta,
            "M": M,
            "critical_lr": 2.0 * x0 / M,
            "lower_bound": bound,
        },
        paper=PAPER,
    )


@family
def well(L0: float = 1.0, L1: float = 1.0, delta: float = 64.0, d: int = 1) -> Problem:
    """E(x; L0, L1): quadratic for |x| <= 1/L1, exponential beyond, summed over d coordinates.

    Parameters
    ----------
    L0, L1 : float
        > 0.
    delta : float
        E(x_1) - E* of each coordinate, > 0.
    d : int

    Returns
    -------
    Problem
        Measures: gap, gradient_norm.
    """
    L0, L1 = _constants(L0, L1)
    checks.number("delta", delta, 0.0, open_low=True)
    x0 = well_start(L0, L1, delta)
    slope = well_slope(x0, L0, L1)
    return Problem(
        name="generalized_smooth.well",
        gradient=well_slope,
        constants={"L0": L0, "L1": L1},
        dim=checks.count("d", d),
        reductions={("gap", "square"): total(_of_well)},
        measure=well_measure,
        measures=("gap", "gradient_norm"),
        start=x0,
        optimum=0.0,
        rule=RULE,
        facts={"L0": L0, "L1": L1, "gap": delta * d, "M": slope, "critical_lr": 2.0 * x0 / slope},
        paper=PAPER,
    )


PROBLEMS = [hard_function, well]
