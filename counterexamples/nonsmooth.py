"""Convex, Lipschitz and nowhere smooth: maxima of linear functions, on which the last iterate is at its
worst.

`chain` is a construction of Harvey, Liaw, Plan and Randhawa (2019, arXiv:1812.05217): at every step the
subgradient is the one that pushes up a coordinate that no step has touched yet, and all of them feed the next
pieces.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import norm

PAPER = "harvey2019"
_WHY = "What counts is how far above its minimum the last iterate ends, which no level decides."


def chain_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Return the first piece that is the largest: a_1 ... a_{i-1}, then -1, then 0; a_j = 1/(2 (d - j +
    1))."""
    workers, d, lanes = out.shape
    for lane in range(lanes):
        before, highest, first = 0.0, -np.inf, d
        for i in range(d + 1):
            value = before - x[i, lane] if i < d else before
            if value > highest:
                highest, first = value, i
            if i < d:
                before += x[i, lane] / (2.0 * (d - i))
        for j in range(workers):
            for i in range(d):
                out[j, i, lane] = 1.0 / (2.0 * (d - i)) if i < first else (-1.0 if i == first else 0.0)


def chain_measures(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Return f and ||x||; the minimum is 0, at 0."""
    d, lanes = x.shape
    for lane in range(lanes):
        before, highest, square = 0.0, -np.inf, 0.0
        for i in range(d):
            highest = max(highest, before - x[i, lane])
            before += x[i, lane] / (2.0 * (d - i))
            square += x[i, lane] * x[i, lane]
        out[0, lane] = max(highest, before)
        out[1, lane] = math.sqrt(square)


def chain_end(steps: Any) -> float:
    """Return f(x_{T+1}) on `chain` of length T after these T step sizes, if every step takes the next piece.

    Coordinate j is raised by eta_j at step j and lowered by a_j eta_i at every later step i, and the last
    piece is sum_j a_j x_j.  For constant steps that is eta (H_T + H_T^(2))/4, with H_T^(2) = sum 1/k^2; for
    eta_t = alpha (1 - t/(T + 1)) it is alpha (3 T + H_T)/(8 (T + 1)).
    """
    eta = np.asarray(steps, dtype=float)
    a = 0.5 / np.arange(len(eta), 0.0, -1.0)
    later = np.append(np.cumsum(eta[:0:-1])[::-1], 0.0)
    return float(a @ (eta - a * later))


@family
def chain(length: int = 100) -> Problem:
    """f(x) = max_i h_i x over T + 1 pieces in T dimensions, T = length, started at its minimiser 0.

    h_i = (a_1 ... a_{i-1}, -1, 0 ... 0), the last piece (a_1 ... a_T), a_j = 1/(2 (T - j + 1)).  If f(x) were
    negative, -x_1 < 0, so x_1 > 0, so x_2 > a_1 x_1 > 0, ..., and the last piece would be positive; so f >= 0
    = f(0). After T constant steps the last iterate is at eta (ln T)/4 and more, for the best point and the
    average are at 0: an oracle may answer so, and then the last iterate of constant steps loses a logarithm.
    It says nothing of data that do not conspire.

    Parameters
    ----------
    length : int
        T >= 1: run as many steps.

    Returns
    -------
    Problem
        Measures: gap f - f*, distance ||x||.  facts: G_norm, the norm of the longest piece.
    """
    d = checks.count("length", length)
    a = [0.5 / (d - j) for j in range(d)]
    before = [math.fsum(one * one for one in a[:i]) for i in (d - 1, d)]
    return Problem(
        name="nonsmooth.chain",
        unjudged=_WHY,
        gradient=chain_gradient,
        dim=d,
        measure=chain_measures,
        measures=("gap", "distance"),
        start=0.0,
        optimum=0.0,
        facts={"mu": 0.0, "G_norm": math.sqrt(max(1.0 + before[0], before[1]))},
        paper=PAPER,
    )


def pieces_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Return the first piece a_k with the largest a_k x + b_k; the rows of theta are the b_k, then the
    a_k."""
    workers, d, lanes = out.shape
    n = theta.shape[0] // (d + 1)
    for lane in range(lanes):
        highest, first = -np.inf, 0
        for k in range(n):
            value = theta[k, lane]
            for i in range(d):
                value += theta[n + k * d + i, lane] * x[i, lane]
            if value > highest:
                highest, first = value, k
        for j in range(workers):
            for i in range(d):
                out[j, i, lane] = theta[n + first * d + i, lane]


def pieces_measures(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Return f and ||x||; the minimum is 0, at 0."""
    d, lanes = x.shape
    n = theta.shape[0] // (d + 1)
    for lane in range(lanes):
        highest, square = -np.inf, 0.0
        for k in range(n):
            value = theta[k, lane]
            for i in range(d):
                value += theta[n + k * d + i, lane] * x[i, lane]
            highest = max(highest, value)
        for i in range(d):
            square += x[i, lane] * x[i, lane]
        out[0, lane] = highest
        out[1, lane] = math.sqrt(square)


@family
def pieces(instance: int = 0, d: int = 6, n: int = 12) -> Problem:
    """f(x) = max_k (a_k x + b_k): a random maximum of n linear functions with its minimum f = 0 at x = 0.

    Normal a_k, scaled to norms in [1/2, 1]; the first d + 1 with b = 0 are shifted so that a positive
    combination of them is 0, which makes 0 a minimiser, and the others have b < 0.  x_1 has norm 1 in a
    random direction.

    Parameters
    ----------
    instance : int
        Seed of the instance.
    d, n : int
        Dimensions >= 1 and pieces >= d + 1.

    Returns
    -------
    Problem
        Measures: gap f - f*, distance ||x||.  facts: G_norm, the norm of the longest piece.
    """
    checks.count("d", d)
    checks.count("n", n, d + 1)
    generator = np.random.default_rng([checks.count("instance", instance, 0), d, n])
    a = generator.standard_normal((n, d))
    mix = generator.dirichlet(np.ones(d + 1))
    a[: d + 1] -= mix @ a[: d + 1]
    a *= generator.uniform(0.5, 1.0) / np.max(np.linalg.norm(a, axis=1))
    b = np.concatenate([np.zeros(d + 1), -generator.exponential(0.3, n - d - 1)])
    start = generator.standard_normal(d)
    start /= np.linalg.norm(start)
    return Problem(
        name="nonsmooth.pieces",
        unjudged=_WHY,
        gradient=pieces_gradient,
        constants={
            **{f"b{k}": float(one) for k, one in enumerate(b)},
            **{f"a{k}": tuple(row) for k, row in enumerate(a.tolist())},
        },
        dim=d,
        measure=pieces_measures,
        measures=("gap", "distance"),
        start=tuple(start.tolist()),
        optimum=0.0,
        facts={"mu": 0.0, "G_norm": float(np.max(np.linalg.norm(a, axis=1)))},
    )


def cone_slope(x: float, radius: float) -> float:
    """Return x/||x||, and 0 at 0."""
    return x / radius if radius > 0.0 else 0.0


def cone_measures(radius: float) -> tuple[float, float]:
    """Return f and the distance to the minimiser, which are one."""
    return radius, radius


def _coordinate(x: float) -> float:
    return x


@family
def cone(d: int = 1, *, x0: float = 1.0) -> Problem:
    """f(x) = ||x||: as long as the steps do not reach 0 they all add up, and the first term of the bounds is
    attained.

    Parameters
    ----------
    d : int
    x0 : float
        Start, in every coordinate.

    Returns
    -------
    Problem
        Measures: gap f - f*, distance ||x||.
    """
    return Problem(
        name="nonsmooth.cone",
        gradient=cone_slope,
        dim=checks.count("d", d),
        reductions={"radius": norm(_coordinate)},
        measure=cone_measures,
        measures=("gap", "distance"),
        start=checks.number("x0", x0),
        optimum=0.0,
        rule=Rule("distance", converged=0.1, diverged=2.0, relative=True),
        facts={"mu": 0.0, "G_norm": 1.0},
    )


PROBLEMS = [chain, pieces, cone]
