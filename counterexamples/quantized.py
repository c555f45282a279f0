"""Problems on which quantized and distributed methods show what compression costs, and where it breaks.

A smooth non-convex bowl with bounded gradients (every constant of a theorem is known), diagonal quadratics with
normal or skewed noise, workers whose objectives differ, three quadratics on which compressed descent without feedback
explodes, and a consensus problem.  Definitions here are ours unless a paper is named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from theory_sim import checks
from theory_sim.nouns.problem import Problem

PAPER = "qadam2021"

MEASURES = ("gap", "gradient_square", "offset")


def bowl_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """2 x_i/(1 + x_i^2)^2 +- sigma."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                point = x[i, lane]
                under = 1.0 + point * point
                kick = theta[0, lane] if noise[j * d + i, lane] < 0.5 else -theta[0, lane]
                out[j, i, lane] = 2.0 * point / (under * under) + kick


def bowl_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f, ||grad f||^2, and the mean of x."""
    d, lanes = x.shape
    for lane in range(lanes):
        value = 0.0
        square = 0.0
        offset = 0.0
        for i in range(d):
            point = x[i, lane]
            under = 1.0 + point * point
            value += point * point / under
            square += (2.0 * point / (under * under)) ** 2
            offset += point / d
        out[0, lane] = value
        out[1, lane] = square
        out[2, lane] = offset


def bowl(sigma: float = 0.5, *, d: int = 16) -> Problem:
    """f(x) = sum x_i^2/(1 + x_i^2) with noise +-sigma per coordinate, from x_i = 1.5; f* = 0 at 0.

    Smooth, non-convex, and the gradients are bounded, so that every assumption of the theorems for quantized Adam
    holds with constants that are known.  All workers share f.

    Parameters
    ----------
    sigma : float
        Size of the noise per coordinate, >= 0.
    d : int
        Number of coordinates.

    Returns
    -------
    Problem
        facts: L = 2; G_inf = 3 sqrt(3)/8 + sigma bounds every |g_i|; G = sqrt(d) G_inf; sigma2 = d sigma^2
        = E ||g - grad f||^2; gap = f(x_1).
    """
    sigma, d = checks.number("sigma", sigma, 0.0), checks.count("d", d)
    bound = 3.0 * math.sqrt(3.0) / 8.0 + sigma
    return Problem(
        name="quantized.bowl",
        gradient=bowl_gradient,
        constants={"sigma": sigma},
        dim=d,
        draws=d,
        measure=bowl_measure,
        measures=MEASURES,
        start=1.5,
        optimum=0.0,
        facts={
            "L": 2.0,
            "G_inf": bound,
            "G": math.sqrt(d) * bound,
            "sigma2": d * sigma * sigma,
            "gap": d * 2.25 / 3.25,
        },
        paper=PAPER,
        family=bowl,
        arguments={"sigma": sigma, "d": d},
    )


def quadratic_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """lambda_i (x_i - c_i)."""
    workers, d, lanes = out.shape
    for i in range(d):
        for lane in range(lanes):
            out[0, i, lane] = theta[2 + i, lane] * (x[i, lane] - theta[2 + d + i, lane])
        for j in range(1, workers):
            for lane in range(lanes):
                out[j, i, lane] = out[0, i, lane]


def quadratic_normal_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """lambda_i (x_i - c_i) + sigma s_i z_i, two normals from two uniforms by Box and Muller."""
    workers, d, lanes = out.shape
    pairs = (d + 1) // 2
    for j in range(workers):
        for pair in range(pairs):
            row = 2 * (j * pairs + pair)
            one = 2 * pair
            two = min(one + 1, d - 1)
            for lane in range(lanes):
                radius = theta[0, lane] * math.sqrt(-2.0 * math.log(1.0 - noise[row, lane]))
                angle = 6.283185307179586 * noise[row + 1, lane]
                z = radius * theta[2 + 2 * d + two, lane] * math.sin(angle)
                out[j, two, lane] = theta[2 + two, lane] * (x[two, lane] - theta[2 + d + two, lane]) + z
                z = radius * theta[2 + 2 * d + one, lane] * math.cos(angle)
                out[j, one, lane] = theta[2 + one, lane] * (x[one, lane] - theta[2 + d + one, lane]) + z


def quadratic_skewed_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """lambda_i (x_i - c_i) + sigma s_i with probability p, else - sigma s_i p/(1 - p)."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                p = theta[1, lane]
                kick = 1.0 if noise[j * d + i, lane] < p else -p / (1.0 - p)
                slope = theta[2 + i, lane] * (x[i, lane] - theta[2 + d + i, lane])
                out[j, i, lane] = slope + theta[0, lane] * theta[2 + 2 * d + i, lane] * kick


def quadratic_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f, ||grad f||^2, and the mean of x - c."""
    d, lanes = x.shape
    for k in range(3):
        for lane in range(lanes):
            out[k, lane] = 0.0
    for i in range(d):
        for lane in range(lanes):
            away = x[i, lane] - theta[2 + d + i, lane]
            slope = theta[2 + i, lane] * away
            out[0, lane] += 0.5 * slope * away
            out[1, lane] += slope * slope
            out[2, lane] += away / d


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
    """f = sum lambda_i (x_i - c_i)^2/2 with lambda from 1 down to 10^-decades, in equal ratios; all workers share f.

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
        0: normal noise with that standard deviation.  In (0, 1): skewed noise of mean 0, +size with probability p, else
        -size p/(1 - p).
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
    kernel, draws = quadratic_gradient, 0
    if sigma:
        kernel, draws = (
            (quadratic_skewed_gradient, d) if p else (quadratic_normal_gradient, 2 * ((d + 1) // 2))
        )
    variance = p / (1.0 - p) if p else 1.0
    return Problem(
        name="quantized.quadratic",
        gradient=kernel,
        constants={
            "sigma": sigma,
            "p": p,
            **{f"lambda_{i}": float(value) for i, value in enumerate(curvature)},
            **{f"c_{i}": float(value) for i, value in enumerate(center)},
            **{f"s_{i}": float(value) for i, value in enumerate(size)},
        },
        dim=d,
        draws=draws,
        measure=quadratic_measure,
        measures=MEASURES,
        start=x0,
        facts={
            "L": 1.0,
            "mu": float(curvature[-1]),
            "gap": float((curvature * (x0 - center) ** 2).sum() / 2.0),
            "sigma2": float((sigma * size) @ (sigma * size) * variance),
        },
        paper=PAPER,
        family=quadratic,
        arguments={
            "sigma": sigma,
            "d": d,
            "decades": decades,
            "power": power,
            "p": p,
            "spread": spread,
            "instance": instance,
            "x0": x0,
        },
    )


def different_workers_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
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


def different_workers_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
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
        gradient=different_workers_gradient,
        constants={
            f"{name}_{j}": float(value)
            for j, row in enumerate(rows)
            for name, value in zip(("lambda", "c", "sigma"), row, strict=True)
        },
        dim=checks.count("d", d),
        draws=2 * d,
        measure=different_workers_measure,
        measures=("gradient_square", "mean_x"),
        start=0.0,
        optimum=optimum,
        facts={"L": float(np.mean(curvatures)), "workers": float(len(centers))},
        paper=PAPER,
        family=different_workers,
        arguments={
            "curvatures": tuple(curvatures),
            "centers": tuple(centers),
            "sigma": sigma,
            "ratio": ratio,
            "d": d,
        },
    )


def local_moment_point(problem: Problem) -> float:
    """Return where local moments lead on `different_workers`: sum f_j'(x)/sqrt(f_j'(x)^2 + sigma_j^2) = 0.

    Adam's stationary step is the mean of m_j/sqrt(v_j), and v_j settles at the second moment of worker j's gradient.
    The sum is increasing in x, so the root is unique.

    Raises
    ------
    ValueError
        If a worker has no noise: then any point between the centers balances signs.
    """
    from scipy.optimize import brentq

    rows = np.array([*problem.constants.values()]).reshape(-1, 3)
    if (rows[:, 2] == 0.0).any():
        raise ValueError("A worker without noise has sigma = 0; the fixed point is unique only with noise.")

    def balance(x: float) -> float:
        slopes = rows[:, 0] * (x - rows[:, 1])
        return float((slopes / np.sqrt(slopes**2 + rows[:, 2] ** 2)).sum())

    root: float = brentq(balance, rows[:, 1].min(), rows[:, 1].max(), xtol=1e-14)
    return root


# The vectors a_i, written into the kernels as theta rows.
_VECTORS = np.array([[-3.0, 2.0, 2.0], [2.0, -3.0, 2.0], [2.0, 2.0, -3.0]])


def three_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Worker j: 2 <a_j, x> a_j + x/2."""
    workers, _, lanes = out.shape
    for j in range(workers):
        row = 3 * (j % 3)
        for lane in range(lanes):
            inner = 0.0
            for i in range(3):
                inner += theta[row + i, lane] * x[i, lane]
            for i in range(3):
                out[j, i, lane] = 2.0 * inner * theta[row + i, lane] + 0.5 * x[i, lane]


def three_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f and ||grad f||^2 of the mean objective, and G = mean ||grad f_j||^2 at x."""
    lanes = x.shape[1]
    for lane in range(lanes):
        value = 0.0
        spread = 0.0
        mean0 = 0.0
        mean1 = 0.0
        mean2 = 0.0
        size = x[0, lane] ** 2 + x[1, lane] ** 2 + x[2, lane] ** 2
        for j in range(3):
            a0 = theta[3 * j, lane]
            a1 = theta[3 * j + 1, lane]
            a2 = theta[3 * j + 2, lane]
            inner = a0 * x[0, lane] + a1 * x[1, lane] + a2 * x[2, lane]
            value += (inner * inner + 0.25 * size) / 3.0
            g0 = 2.0 * inner * a0 + 0.5 * x[0, lane]
            g1 = 2.0 * inner * a1 + 0.5 * x[1, lane]
            g2 = 2.0 * inner * a2 + 0.5 * x[2, lane]
            mean0 += g0 / 3.0
            mean1 += g1 / 3.0
            mean2 += g2 / 3.0
            spread += (g0 * g0 + g1 * g1 + g2 * g2) / 3.0
        out[0, lane] = value
        out[1, lane] = mean0 * mean0 + mean1 * mean1 + mean2 * mean2
        out[2, lane] = spread


def three_quadratics() -> Problem:
    """Three workers, f_j = <a_j, x>^2 + ||x||^2/4 in R^3 (Beznosikov et al. 2020, arXiv:2002.12410, Example 1).

    With top-1 messages and no feedback gradient descent from (1, 1, 1) grows as (1 + 11 lr/6)^t.

    Returns
    -------
    Problem
        facts: L = 103/6 of the mean, L_tilde = sqrt(mean L_j^2) = 34.5, mu = 7/6.
    """
    return Problem(
        name="quantized.three_quadratics",
        gradient=three_gradient,
        constants={f"a_{j}{i}": float(_VECTORS[j, i]) for j in range(3) for i in range(3)},
        dim=3,
        measure=three_measure,
        measures=("gap", "gradient_square", "spread"),
        start=1.0,
        optimum=0.0,
        facts={"L": 103.0 / 6.0, "L_tilde": 34.5, "mu": 7.0 / 6.0, "workers": 3.0},
        paper="ef21",
        family=three_quadratics,
    )


def consensus_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Zero: only the exchange moves the nodes."""
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            for lane in range(out.shape[2]):
                out[j, i, lane] = 0.0


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
        gradient=consensus_gradient,
        dim=nodes * d,
        start=tuple(start.ravel().tolist()),
        facts={"nodes": float(nodes)},
        paper="choco2019",
        family=consensus,
        arguments={"nodes": nodes, "d": d, "instance": instance},
    )


PROBLEMS = [bowl, quadratic, different_workers, three_quadratics, consensus]
