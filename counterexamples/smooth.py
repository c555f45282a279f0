"""Smooth objectives with bounded noise, on which rate bounds are tested."""

from __future__ import annotations

import math

from counterexamples.objectives import bowl, bowl_slope
from theory_sim.nouns import noise
from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import total

PAPER = ""

_AVERAGE = "Its theorems bound averages over the path, which no single level decides."


def quadratic_gradient(x: float, noise: float) -> float:
    """Return x + noise."""
    return x + noise


def quadratic_measure(square: float) -> tuple[float, float, float]:
    """Return ||x||, ||grad f||^2 = ||x||^2 and f - f* = ||x||^2/2."""
    return math.sqrt(square), square, 0.5 * square


def _square(x: float) -> float:
    return x * x


def bounded_gradient(x: float, noise: float) -> float:
    """Return 2 x/(1 + x^2)^2 + noise."""
    return bowl_slope(x) + noise


def bounded_measure(gap: float, square: float) -> tuple[float, float, float]:
    """Return ||grad f||^2, ||grad f||^(4/3) and f - f*."""
    return square, square ** (2.0 / 3.0), gap


def _of_bounded(x: float) -> tuple[float, float]:
    value, slope = bowl(x)
    return value, slope * slope


def logcosh_gradient(x: float, noise: float) -> float:
    """Return tanh(x) + noise."""
    return math.tanh(x) + noise


def logcosh_measure(gap: float, square: float) -> tuple[float, float]:
    """Return ||grad F||^2 and F - F*."""
    return square, gap


def _of_logcosh(x: float) -> tuple[float, float]:
    """log cosh x and its squared derivative."""
    size, slope = abs(x), math.tanh(x)
    return size + math.log1p(math.exp(-2.0 * size)) - 0.6931471805599453, slope * slope


@family
def quadratic(d: int = 1, sigma: float = 0.0, *, x0: float = 1.0) -> Problem:
    """f = ||x||^2/2 with uniform noise of standard deviation sigma in each coordinate.

    Parameters
    ----------
    d : int
    sigma : float
        >= 0; 0 is the full-batch case.  A mini-batch of B is ``workers=B``.
    x0 : float
        Start.

    Returns
    -------
    Problem
        Measures: distance ||x||, gradient_square ||grad f||^2, gap.
    """
    return Problem(
        name="smooth.quadratic",
        gradient=quadratic_gradient,
        constants={"sigma": checks.number("sigma", sigma, 0.0)},
        dim=checks.count("d", d),
        noise=noise.UNIFORM,
        reductions={"square": total(_square)},
        measure=quadratic_measure,
        measures=("distance", "gradient_square", "gap"),
        start=x0,
        optimum=0.0,
        rule=Rule("distance", converged=0.1, diverged=2.0, relative=True, unbounded=True),
        facts={"L": 1.0, "sigma": sigma, "mu": 1.0},
    )


@family
def bounded(d: int = 5, width: float = 1.0, *, x0: float = 1.0) -> Problem:
    """f = sum x_i^2/(1 + x_i^2), non-convex with bounded gradients, plus uniform noise on [-width, width].

    Parameters
    ----------
    d : int
    width : float
        >= 0.
    x0 : float
        Start.

    Returns
    -------
    Problem
        Measures: gradient_square, gradient_43 = ||grad f||^(4/3), gap.  |f_i'| <= 3 sqrt(3)/8, L = 2.
    """
    return Problem(
        name="smooth.bounded",
        unjudged=_AVERAGE,
        gradient=bounded_gradient,
        constants={"width": checks.number("width", width, 0.0)},
        dim=checks.count("d", d),
        noise=noise.WITHIN,
        reductions={("gap", "square"): total(_of_bounded)},
        measure=bounded_measure,
        measures=("gradient_square", "gradient_43", "gap"),
        start=x0,
        optimum=0.0,
        facts={"L": 2.0, "G": 3.0 * math.sqrt(3.0) / 8.0 + width},
    )


@family
def logcosh(d: int = 4, width: float = 1.0, *, x0: float = 1.0) -> Problem:
    """F = sum log cosh x_i plus uniform noise on [-width, width]; L = 1 and |g|_inf < 1 + width.

    Parameters
    ----------
    d : int
    width : float
        >= 0.
    x0 : float
        Start.

    Returns
    -------
    Problem
        Measures: gradient_square ||grad F||^2 and gap F - F*.
    """
    return Problem(
        name="smooth.logcosh",
        unjudged=_AVERAGE,
        gradient=logcosh_gradient,
        constants={"width": checks.number("width", width, 0.0)},
        dim=checks.count("d", d),
        noise=noise.WITHIN,
        reductions={("gap", "square"): total(_of_logcosh)},
        measure=logcosh_measure,
        measures=("gradient_square", "gap"),
        start=x0,
        optimum=0.0,
        facts={"L": 1.0, "G": 1.0 + width},
    )


PROBLEMS = [quadratic, bounded, logcosh]
