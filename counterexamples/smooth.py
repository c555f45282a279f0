"""Smooth objectives with bounded noise, on which rate bounds are tested."""

from __future__ import annotations

import math
from typing import Any

from theory_sim import checks
from theory_sim.problem import Problem
from theory_sim.verdict import Rule

PAPER = ""


def quadratic_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """x + sigma sqrt(12) (u - 1/2)."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                spread = theta[0, lane] * 3.4641016151377544
                out[j, i, lane] = x[i, lane] + spread * (noise[j * d + i, lane] - 0.5)


def quadratic_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """||x||, ||grad f||^2 = ||x||^2 and f - f* = ||x||^2/2."""
    d, lanes = x.shape
    for lane in range(lanes):
        square = 0.0
        for i in range(d):
            square += x[i, lane] * x[i, lane]
        out[0, lane] = math.sqrt(square)
        out[1, lane] = square
        out[2, lane] = 0.5 * square


def bounded_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """2 x/(1 + x^2)^2 + width (2u - 1)."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                point = x[i, lane]
                weight = 1.0 + point * point
                error = theta[0, lane] * (2.0 * noise[j * d + i, lane] - 1.0)
                out[j, i, lane] = 2.0 * point / (weight * weight) + error


def bounded_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """||grad f||^2, ||grad f||^(4/3) and f - f*."""
    d, lanes = x.shape
    for lane in range(lanes):
        square = 0.0
        gap = 0.0
        for i in range(d):
            point = x[i, lane]
            weight = 1.0 + point * point
            partial = 2.0 * point / (weight * weight)
            square += partial * partial
            gap += point * point / weight
        out[0, lane] = square
        out[1, lane] = square ** (2.0 / 3.0)
        out[2, lane] = gap


def logcosh_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """tanh(x) + width (2u - 1)."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                error = theta[0, lane] * (2.0 * noise[j * d + i, lane] - 1.0)
                out[j, i, lane] = math.tanh(x[i, lane]) + error


def logcosh_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """||grad F||^2 and F - F* = sum log cosh x."""
    d, lanes = x.shape
    for lane in range(lanes):
        square = 0.0
        gap = 0.0
        for i in range(d):
            partial = math.tanh(x[i, lane])
            size = abs(x[i, lane])
            square += partial * partial
            gap += size + math.log1p(math.exp(-2.0 * size)) - 0.6931471805599453
        out[0, lane] = square
        out[1, lane] = gap


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
        draws=d,
        measure=quadratic_measure,
        measures=("distance", "gradient_square", "gap"),
        start=x0,
        optimum=0.0,
        rule=Rule("distance", converged=0.1, diverged=2.0, relative=True),
        facts={"L": 1.0, "sigma": sigma, "mu": 1.0},
        family=quadratic,
        arguments={"d": d, "sigma": sigma},
    )


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
        gradient=bounded_gradient,
        constants={"width": checks.number("width", width, 0.0)},
        dim=checks.count("d", d),
        draws=d,
        measure=bounded_measure,
        measures=("gradient_square", "gradient_43", "gap"),
        start=x0,
        optimum=0.0,
        facts={"L": 2.0, "G": 3.0 * math.sqrt(3.0) / 8.0 + width},
        family=bounded,
        arguments={"d": d, "width": width},
    )


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
        gradient=logcosh_gradient,
        constants={"width": checks.number("width", width, 0.0)},
        dim=checks.count("d", d),
        draws=d,
        measure=logcosh_measure,
        measures=("gradient_square", "gap"),
        start=x0,
        optimum=0.0,
        facts={"L": 1.0, "G": 1.0 + width},
        family=logcosh,
        arguments={"d": d, "width": width},
    )


PROBLEMS = [quadratic, bounded, logcosh]
