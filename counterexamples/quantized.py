"""Problems on which quantized and distributed methods show what compression costs, and where it breaks.

A smooth non-convex bowl with bounded gradients (every constant of a theorem is known), diagonal quadratics
with normal or skewed noise, workers whose objectives differ, three quadratics on which compressed descent
without feedback explodes, and a consensus problem.  Definitions here are ours unless a paper is named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from counterexamples.objectives import bowl as bowl_value
from counterexamples.objectives import bowl_slope
from theory_sim.compressors import spacing
from theory_sim.nouns import noise
from theory_sim.nouns.family import family
from theory_sim.nouns.noise import Noise
from theory_sim.nouns.problem import Problem
from theory_sim.rules import checks
from theory_sim.rules.language import total

PAPER = "qadam2021"

MEASURES = ("gap", "gradient_square", "offset")

_FLOOR = "Noise and quantized weights leave a floor that depends on the optimizer; its claims compare floors."


def _bowl_slope(x: float, noise: float) -> float:
    return bowl_slope(x) + noise


def _bowl_term(x: float, d: int) -> tuple[float, float, float]:
    value, slope = bowl_value(x)
    return value, slope * slope, x / d


def _quadratic_slope(x: float, curvature: float, center: float, noise: float = 0.0) -> float:
    return curvature * (x - center) + noise


def _quadratic_term(x: float, d: int, curvature: float, center: float) -> tuple[float, float, float]:
    away = x - center
    slope = curvature * away
    return 0.5 * slope * away, slope * slope, away / d


def _measures(gap: float, gradient_square: float, offset: float) -> tuple[float, float, float]:
    return gap, gradient_square, offset


def _normal(u: float, v: float, i: int, sigma: float, size: float) -> float:
    """sigma s_i z_i, two normals from two uniforms by Box and Muller."""
    angle = 6.283185307179586 * v
    wave = math.cos(angle) if i % 2 == 0 else math.sin(angle)
    return sigma * math.sqrt(-2.0 * math.log(1.0 - u)) * size * wave


def _skewed(u: float, sigma: float, size: float, p: float) -> float:
    """sigma s_i with probability p, else - sigma s_i p/(1 - p)."""
    return sigma * size * (1.0 if u < p else -p / (1.0 - p))


NORMAL = Noise("normal", _normal, draws=2, each="pair")
SKEWED = Noise("skewed", _skewed)


@family
def bowl(sigma: float = 0.5, *, d: int = 16) -> Problem:
    """f(x) = sum x_i^2/(1 + x_i^2) with noise +-sigma per coordinate, from x_i = 1.5; f* = 0 at 0.

    Smooth, non-convex, and the gradients are bounded, so that every assumption of the theorems for quantized
    Adam holds with constants that are known.  All workers share f.

    Parameters
    ----------
    sigma : float
        Size of the noise per coordinate, >= 0.
    d : int
        Number of coordinates.

    Returns
    -------
    Problem
        facts: L = 2; G = 3 sqrt(3)/8 + sigma bounds every |g_i|; G_norm = sqrt(d) G; sigma2 = d sigma^2
        = E ||g - grad f||^2; gap = f(x_1).
    """
    sigma, d = checks.number("sigma", sigma, 0.0), checks.count("d", d)
    bound = 3.0 * math.sqrt(3.0) / 8.0 + sigma
    return Problem(
        name="quantized.bowl",
        unjudged=_FLOOR,
        gradient=_bowl_slope,
        constants={"sigma": sigma},
        dim=d,
        noise=noise.SIGN,
        reductions={MEASURES: total(_bowl_term)},
        measure=_measures,
        measures=MEASURES,
        start=1.5,
        optimum=0.0,
        facts={
            "L": 2.0,
            "G": bound,
            "G_norm": math.sqrt(d) * bound,
            "sigma2": d * sigma * sigma,
            "gap": d * 2.25 / 3.25,
        },
        paper=PAPER,
    )


@family
def quadratic(
    sigma: float = 0.0,
    *,
    d: int = 16,
    decades: float = 0.0,
    power: float = 0.0,
    p: float = 0.0,
    spread: float = 0.0,
    instance: int = 0,
    x0: float = 1.0,
) -> Problem:
    """f = sum lambda_i (x_i - c_i)^2/2 lambda from 1 to 10^-decades, in equal ratios; all workers share f.

    Parameters
    ----------
    sigma : float
        Size of the noise: coordinate i has sigma lambda_i^power.
    d : int
        Number of coordinates.
    decades : float
        Decades that lambda spans, >= 0.
    power : float
        How the noise scales with lambda.
    p : float
        0: normal noise with that standard deviation.  In (0, 1): skewed noise of mean 0, +size with
        probability p, else -size p/(1 - p).
    spread : float
        c_i uniform in [-spread, spread], from `numpy.random.default_rng(instance)`.
    instance : int
    x0 : float
        x_1 in every coordinate.

    Returns
    -------
    Problem
        facts: L = 1, mu = 10^-decades, gap = f(x_1), sigma2 = E ||noise||^2.
    """
    d, sigma = checks.count("d", d), checks.number("sigma", sigma, 0.0)
    decades = checks.number("decades", decades, 0.0)
    p = checks.number("p", p, 0.0, 1.0, open_high=True)
    spread, power = checks.number("spread", spread, 0.0), checks.number("power", power)
    x0 = checks.number("x0", x0)
    rng = np.random.default_rng(checks.count("instance", instance, 0))
    curvature = np.logspace(0.0, -decades, d)
    center = rng.uniform(-spread, spread, d) if spread else np.zeros(d)
    size = curvature**power
    variance = p / (1.0 - p) if p else 1.0
    return Problem(
        name="quantized.quadratic",
        unjudged=_FLOOR,
        gradient=_quadratic_slope,
        constants={
            "sigma": sigma,
            "p": p,
            "curvature": tuple(curvature.tolist()),
            "center": tuple(center.tolist()),
            "size": tuple(size.tolist()),
        },
        dim=d,
        noise=None if sigma == 0.0 else SKEWED if p else NORMAL,
        reductions={MEASURES: total(_quadratic_term)},
        measure=_measures,
        measures=MEASURES,
        start=x0,
        facts={
            "L": 1.0,
            "mu": float(curvature[-1]),
            "gap": float((curvature * (x0 - center) ** 2).sum() / 2.0),
            "sigma2": float((sigma * size) @ (sigma * size) * variance),
        },
        paper=PAPER,
    )


def _different_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Worker j: lambda_j (x_i - c_j) + sigma_j z."""
    workers, d, lanes = out.shape
    for j in range(workers):
        row = 3 * j
        for i in range(d):
            for lane in range(lanes):
                u = 2 * (j * d + i)
                radius = math.sqrt(-2.0 * math.log(1.0 - noise[u, lane]))
                z = radius * math.cos(6.283185307179586 * noise[u + 1, lane])
                slope = theta[row, lane] * (x[i, lane] - theta[row + 1, lane])
                out[j, i, lane] = slope + theta[row + 2, lane] * z


def _different_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """||grad f||^2 of the mean objective, and the mean of x."""
    d, lanes = x.shape
    workers = theta.shape[0] // 3
    for lane in range(lanes):
        square = 0.0
        mean = 0.0
        for i in range(d):
            slope = 0.0
            for j in range(workers):
                slope += theta[3 * j, lane] * (x[i, lane] - theta[3 * j + 1, lane]) / workers
            square += slope * slope
            mean += x[i, lane] / d
        out[0, lane] = square
        out[1, lane] = mean


@family
def different_workers(
    curvatures: Sequence[float] = (10.0, 1.0),
    centers: Sequence[float] = (1.0, -1.0),
    sigma: float = 1.0,
    ratio: float = 1.0,
    *,
    d: int = 8,
) -> Problem:
    """Worker j owns f_j = lambda_j ||x - c_j||^2/2 with normal noise; run it with as many workers.

    The minimiser of the mean is sum lambda_j c_j / sum lambda_j in every coordinate, here 9/11.

    Parameters
    ----------
    curvatures, centers : sequence of float
        lambda_j > 0 and c_j.
    sigma : float
        Noise of every worker but the last, per coordinate.
    ratio : float
        Noise of the last worker, as a multiple of sigma.
    d : int
        Number of coordinates.
    """
    if len(curvatures) != len(centers) or not len(curvatures):
        raise ValueError(
            f"{len(curvatures)} curvatures and {len(centers)} centers; give one of each per worker."
        )
    for j, (curvature, center) in enumerate(zip(curvatures, centers, strict=True)):
        checks.number(f"curvatures[{j}]", curvature, 0.0, open_low=True)
        checks.number(f"centers[{j}]", center)
    sigma, ratio = checks.number("sigma", sigma, 0.0), checks.number("ratio", ratio, 0.0)
    sizes = [sigma] * (len(centers) - 1) + [sigma * ratio]
    rows = zip(curvatures, centers, sizes, strict=True)
    optimum = float(np.dot(curvatures, centers) / np.sum(curvatures))
    return Problem(
        name="quantized.different_workers",
        unjudged="Local moments settle beside the minimiser; its claims compare by how much.",
        gradient=_different_gradient,
        constants={
            f"{name}_{j}": float(value)
            for j, row in enumerate(rows)
            for name, value in zip(("lambda", "c", "sigma"), row, strict=True)
        },
        dim=checks.count("d", d),
        draws=2 * d,
        measure=_different_measure,
        measures=("gradient_square", "mean_x"),
        start=0.0,
        optimum=optimum,
        facts={"L": float(np.mean(curvatures)), "workers": float(len(centers))},
        paper=PAPER,
    )


def local_moment_point(problem: Problem) -> float:
    """Return where local moments lead on `different_workers`: sum f_j'(x)/sqrt(f_j'(x)^2 + sigma_j^2) = 0.

    Adam's stationary step is the mean of m_j/sqrt(v_j), and v_j settles at the second moment of worker j's
    gradient.  The sum is increasing in x, so the root is unique.

    Raises
    ------
    ValueError
        If a worker has no noise: then any point between the centers balances signs.
    """
    from scipy.optimize import brentq

    rows = np.array([*problem.theta.values()]).reshape(-1, 3)
    if (rows[:, 2] == 0.0).any():
        raise ValueError("A worker without noise has sigma = 0; the fixed point is unique only with noise.")

    def balance(x: float) -> float:
        slopes = rows[:, 0] * (x - rows[:, 1])
        return float((slopes / np.sqrt(slopes**2 + rows[:, 2] ** 2)).sum())

    root: float = brentq(balance, rows[:, 1].min(), rows[:, 1].max(), xtol=1e-14)
    return root


VECTORS = ((-3.0, 2.0, 2.0), (2.0, -3.0, 2.0), (2.0, 2.0, -3.0))
"""The vectors a_j of `three_quadratics`."""


def _inner(x0: float, x1: float, x2: float, j: int) -> float:
    a0, a1, a2 = VECTORS[j % 3]
    return a0 * x0 + a1 * x1 + a2 * x2


def _three_slope(x0: float, x1: float, x2: float, j: int) -> tuple[float, float, float]:
    """Worker j: 2 <a_j, x> a_j + x/2."""
    a0, a1, a2 = VECTORS[j % 3]
    twice = 2.0 * _inner(x0, x1, x2, j)
    return twice * a0 + 0.5 * x0, twice * a1 + 0.5 * x1, twice * a2 + 0.5 * x2


def _three_measures(x0: float, x1: float, x2: float) -> tuple[float, float, float]:
    """f and ||grad f||^2 of the mean objective, and G = mean ||grad f_j||^2."""
    quarter = 0.25 * (x0 * x0 + x1 * x1 + x2 * x2)
    value = spread = mean0 = mean1 = mean2 = 0.0
    for j in range(3):
        inner = _inner(x0, x1, x2, j)
        g0, g1, g2 = _three_slope(x0, x1, x2, j)
        value += (inner * inner + quarter) / 3.0
        spread += (g0 * g0 + g1 * g1 + g2 * g2) / 3.0
        mean0 += g0 / 3.0
        mean1 += g1 / 3.0
        mean2 += g2 / 3.0
    return value, mean0 * mean0 + mean1 * mean1 + mean2 * mean2, spread


@family
def three_quadratics() -> Problem:
    """f_j = <a_j, x>^2 + ||x||^2/4 for three workers (Beznosikov et al. 2020, arXiv:2002.12410, Example 1).

    With top-1 messages and no feedback gradient descent from (1, 1, 1) grows as (1 + 11 lr/6)^t.

    Returns
    -------
    Problem
        facts: L = 103/6 of the mean, L_tilde = sqrt(mean L_j^2) = 34.5, mu = 7/6.
    """
    return Problem(
        name="quantized.three_quadratics",
        unjudged="Its claims compare rates of methods, of which some diverge and none has a threshold in the paper.",
        gradient=_three_slope,
        dim=3,
        measure=_three_measures,
        measures=("gap", "gradient_square", "spread"),
        start=1.0,
        optimum=0.0,
        facts={"L": 103.0 / 6.0, "L_tilde": 34.5, "mu": 7.0 / 6.0, "workers": 3.0},
        paper="ef21",
    )


KICKS = ((-4.0, -4.0), (-4.0, -3.0), (8.0, 7.0))
"""The noise of `three_kicks`, each with probability 1/3, up to a factor; the mean of its squared norm is 170/3."""


def _which(u: float) -> float:
    return 3.0 * u


def _kicked_slope(x0: float, x1: float, noise: float, sigma: float) -> tuple[float, float]:
    """x + sigma sqrt(3/170) times one of `KICKS`."""
    s = sigma * 0.13284223283101428
    a = -4.0 * s if noise < 2.0 else 8.0 * s
    b = -4.0 * s if noise < 1.0 else (-3.0 * s if noise < 2.0 else 7.0 * s)
    return x0 + a, x1 + b


def _kicked_measures(x0: float, x1: float) -> tuple[float, float]:
    square = x0 * x0 + x1 * x1
    return 0.5 * square, square


@family
def three_kicks(sigma: float = 1.0) -> Problem:
    """f = ||x||^2/2 in the plane with one of three kicks as noise, of mean 0 and variance sigma^2.

    What top-1 of EF21 keeps of these kicks is biased: with a still iterate the estimate has 6 states, whose stationary
    mean is off by sigma sqrt(3/170) in the second coordinate.

    Parameters
    ----------
    sigma : float
        Root of the variance, summed over the coordinates, >= 0.

    Returns
    -------
    Problem
        Measures: gap, gradient_square.  Facts: L, mu, sigma2.
    """
    sigma = checks.number("sigma", sigma, 0.0)
    return Problem(
        name="quantized.three_kicks",
        unjudged=_FLOOR,
        gradient=_kicked_slope,
        constants={"sigma": sigma},
        dim=2,
        noise=Noise("one of three", _which, each="worker"),
        measure=_kicked_measures,
        measures=("gap", "gradient_square"),
        start=0.0,
        optimum=0.0,
        facts={"L": 1.0, "mu": 1.0, "sigma2": sigma * sigma},
        paper="fatkhullin2023",
    )


def _still() -> float:
    """Only the exchange moves the nodes."""
    return 0.0


@family
def consensus(nodes: int = 9, *, d: int = 50, instance: int = 0) -> Problem:
    """Agree on the mean: n nodes with d coordinates each, node i started at i times a standard normal vector.

    Parameters
    ----------
    nodes, d : int
    instance : int
        Seed of the start (`numpy.random.default_rng`).
    """
    nodes, d = checks.count("nodes", nodes), checks.count("d", d)
    rng = np.random.default_rng(checks.count("instance", instance, 0))
    start = np.arange(nodes)[:, None] * rng.normal(size=(nodes, d))
    return Problem(
        name="quantized.consensus",
        unjudged="It has no objective; its claims measure how far the nodes disagree.",
        gradient=_still,
        dim=nodes * d,
        start=tuple(start.ravel().tolist()),
        facts={"nodes": float(nodes)},
        paper="choco2019",
    )


def weight_floor(problem: Problem, k: int) -> float:
    """Return sum (c_i - a_i)(a_i + h - c_i), a_i the point below c_i on ``weights(k)``, spacing h.

    This is the mean ||grad f||^2 at quantized weights on ``quantized.quadratic`` with L = 1: coordinate i
    visits its two neighbours on the grid so often that the mean gradient is 0, which is a law on two points
    with mean c_i.
    """
    c, h = np.array(problem.constants["center"]), spacing(k)
    below = np.floor(c / h) * h
    return float(((c - below) * (below + h - c)).sum())


PROBLEMS = [bowl, quadratic, different_workers, three_quadratics, three_kicks, consensus]
