"""Smooth strongly convex functions on which a method cycles, as problems: of one variable, and of any number.

`piecewise` interpolates points and gradients on the line.  `hull` interpolates a cycle whose Gram matrix is
circulant, so that f has one value at all of its points: mu ||x||^2/2 plus the Moreau envelope, with parameter
1/(L - mu), of the support function of the points g_t - mu x_t (as Goujaud, Taylor, Dieuleveut 2023,
arXiv:2307.11291, have it for the roots of unity).
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import total

_RULE = Rule("distance", converged=0.02, diverged=0.2, relative=True)  # a cycle stays at its size for ever


def piecewise_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Interpolate linearly; the rows of theta are n points, n gradients, and the minimiser."""
    workers, _, lanes = out.shape
    n = (theta.shape[0] - 1) // 2
    for j in range(workers):
        for lane in range(lanes):
            z, k = x[0, lane], 0
            while k < n - 2 and z > theta[k + 1, lane]:
                k += 1
            g, p = theta[n + k, lane], theta[k, lane]
            slope = (theta[n + k + 1, lane] - g) / (theta[k + 1, lane] - p)
            out[j, 0, lane] = g + slope * (z - p)


def distance_on_the_line(x: float, minimiser: float) -> float:
    """|x - x*|."""
    return abs(x - minimiser)


@family
def piecewise(
    points: tuple[float, ...] = (-1.0, 1.0), gradients: tuple[float, ...] = (-1.0, 1.0), *, x0: float = 1.0
) -> Problem:
    """A function of one variable whose derivative is linear between points, and beyond the last as before them.

    Parameters
    ----------
    points : tuple of float
        Increasing, at least two.
    gradients : tuple of float
        The derivative there: increasing, so that the function is strongly convex, and 0 somewhere on the line.
    x0 : float
        Start.

    Returns
    -------
    Problem
        Measure: distance to the minimiser.  facts: mu and L, the least and the largest slope of the derivative.
    """
    p, g = (
        [checks.number(name, one) for one in given]
        for name, given in (("points", points), ("gradients", gradients))
    )
    if len(p) < 2 or len(p) != len(g):
        raise ValueError(
            f"points and gradients have {len(p)} and {len(g)} values; give as many of both, at least two."
        )
    slopes = []
    for (a, f), (b, h) in itertools.pairwise(zip(p, g, strict=True)):
        if not (a < b and f < h):
            raise ValueError(
                f"points and gradients must increase, and ({a:g}, {f:g}) stands before ({b:g}, {h:g})."
            )
        slopes.append((h - f) / (b - a))
    k = max(0, min(sum(one < 0.0 for one in g) - 1, len(p) - 2))
    minimiser = p[k] - g[k] / slopes[k]
    return Problem(
        name="cycles.piecewise",
        gradient=piecewise_gradient,
        constants={
            **{f"p{i}": one for i, one in enumerate(p)},
            **{f"g{i}": one for i, one in enumerate(g)},
            "minimiser": minimiser,
        },
        measure=distance_on_the_line,
        measures=("distance",),
        start=checks.number("x0", x0),
        optimum=minimiser,
        rule=_RULE,
        facts={"mu": min(slopes), "L": max(slopes)},
        paper="goujaud2023",
    )


def hull_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """mu x plus the projection of (L - mu) x onto the hull, by pairwise Frank-Wolfe steps.

    The rows of theta are mu, L, and the n vertices, one after the other.  The steps begin at the nearest vertex, so at the
    points of the cycle, whose projections are vertices, none is taken.  On a polytope they converge linearly.
    """
    workers, d, lanes = out.shape
    n = (theta.shape[0] - 2) // d
    weight, gap = np.empty(n), np.empty(d)
    for lane in range(lanes):
        scale = theta[1, lane] - theta[0, lane]
        nearest, least, size = 0, np.inf, 1e-300
        for k in range(n):
            weight[k] = 0.0
            far = 0.0
            for i in range(d):
                v = theta[2 + k * d + i, lane]
                far += (v - scale * x[i, lane]) ** 2
                size = max(size, v * v)
            if far < least:
                nearest, least = k, far
        weight[nearest] = 1.0
        for i in range(d):
            gap[i] = theta[2 + nearest * d + i, lane] - scale * x[i, lane]
        for _ in range(2000):
            best, worst, low, high = 0, 0, np.inf, -np.inf
            for k in range(n):
                inner = 0.0
                for i in range(d):
                    inner += gap[i] * theta[2 + k * d + i, lane]
                if inner < low:
                    best, low = k, inner
                if weight[k] > 0.0 and inner > high:
                    worst, high = k, inner
            if not high - low > 1e-15 * size:
                break
            length = 0.0
            for i in range(d):
                length += (theta[2 + best * d + i, lane] - theta[2 + worst * d + i, lane]) ** 2
            move = min(weight[worst], (high - low) / length)
            weight[best] += move
            weight[worst] -= move
            for i in range(d):
                gap[i] += move * (theta[2 + best * d + i, lane] - theta[2 + worst * d + i, lane])
        for i in range(d):
            for j in range(workers):
                out[j, i, lane] = theta[1, lane] * x[i, lane] + gap[i]


def distance_to_zero(square: float) -> float:
    """||x||."""
    return math.sqrt(square)


def _square(x: float) -> float:
    return x * x


@family
def hull(
    vertices: tuple[float, ...] = (2.0, 0.0, -1.0, 1.7, -1.0, -1.7),
    d: int = 2,
    mu: float = 1.0,
    L: float = 25.0,
    *,
    x0: tuple[float, ...] | float = 1.0,
) -> Problem:
    """mu ||x||^2/2 plus the Moreau envelope, with parameter 1/(L - mu), of max_v <v, x> over vertices v.

    The gradient is mu x plus the projection of (L - mu) x onto the convex hull of the vertices; the minimiser is 0.

    Parameters
    ----------
    vertices : tuple of float
        The coordinates of at least two vertices, one vertex after the other; their mean is 0.
    d : int
        Number of coordinates.
    mu, L : float
        0 < mu < L.
    x0 : tuple of d floats, or float
        Start.

    Returns
    -------
    Problem
        Measure: distance ||x||.
    """
    dim = checks.count("d", d)
    flat = [checks.number("vertices", one) for one in vertices]
    if len(flat) % dim or len(flat) < 2 * dim:
        raise ValueError(
            f"vertices has {len(flat)} numbers, which are not the d = {dim} coordinates of two or more vertices."
        )
    low = checks.number("mu", mu, 0.0, open_low=True)
    high = checks.number("L", L, low, open_low=True)
    off = max(abs(math.fsum(flat[i::dim])) for i in range(dim))
    if off > 1e-9 * max(map(abs, flat)) * len(flat):
        raise ValueError(
            "The mean of the vertices must be 0, so that the minimiser is 0; subtract it from each of them."
        )
    return Problem(
        name="cycles.hull",
        gradient=hull_gradient,
        constants={"mu": low, "L": high, **{f"v{k}": v for k, v in enumerate(flat)}},
        dim=dim,
        reductions={"square": total(_square)},
        measure=distance_to_zero,
        measures=("distance",),
        start=x0,
        optimum=0.0,
        rule=_RULE,
        facts={"mu": low, "L": high},
        paper="goujaud2023",
    )
