"""The worst run that a search finds: functions of piecewise constant curvature, for one optimizer.

The worst functions known for first-order methods on smooth functions are of this kind: the quadratic, the
Huber function of Drori and Teboulle 2014 (arXiv:1206.3209), and for non-convex ones a gradient that dips
between iterates (Abbaszadehpeivasti, de Klerk, Zamani 2021, arXiv:2104.05468).  A search gives a lower
bound on the worst case.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from theory_sim.engine.tiles import run_tile
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.sweep import Sweep
from theory_sim.rules import checks

Array = np.ndarray[Any, np.dtype[np.float64]]


def piecewise_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f_i'(x_i) = int_0^x_i f_i''; rows of theta for each coordinate: K knots, then K + 1 curvatures."""
    workers, d, lanes = out.shape
    knots = (theta.shape[0] - 1) // d // 2
    for j in range(workers):
        for i in range(d):
            first = i * (2 * knots + 1)
            for lane in range(lanes):
                low = min(x[i, lane], 0.0)
                high = max(x[i, lane], 0.0)
                total = 0.0
                for k in range(knots + 1):
                    left = low if k == 0 else max(low, theta[first + k - 1, lane])
                    right = high if k == knots else min(high, theta[first + k, lane])
                    total += theta[first + knots + k, lane] * max(right - left, 0.0)
                # A NaN compares as false; the last term keeps it.
                out[j, i, lane] = (total if x[i, lane] > 0.0 else -total) + 0.0 * x[i, lane]


def piecewise_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f - f* with f = sum of int_0^x_i (x_i - s) f_i''(s) ds, ||grad f||^2 and ||x||.

    The last row of theta is f*.
    """
    d, lanes = x.shape
    last = theta.shape[0] - 1
    knots = last // d // 2
    for lane in range(lanes):
        gap = -theta[last, lane]
        square = 0.0
        length = 0.0
        for i in range(d):
            first = i * (2 * knots + 1)
            point = x[i, lane]
            low = min(point, 0.0)
            high = max(point, 0.0)
            slope = 0.0
            for k in range(knots + 1):
                left = low if k == 0 else max(low, theta[first + k - 1, lane])
                right = high if k == knots else min(high, theta[first + k, lane])
                width = max(right - left, 0.0)
                curvature = theta[first + knots + k, lane]
                slope += curvature * width
                gap += curvature * width * abs(point - 0.5 * (left + right))
            square += slope * slope + 0.0 * point
            length += point * point
        out[0, lane] = gap
        out[1, lane] = square
        out[2, lane] = math.sqrt(length)


def least_value(knots: Array, curvatures: Array) -> Array:
    """Return inf f of N functions on the line with f(0) = f'(0) = 0; -inf where f is not bounded from below.

    Parameters
    ----------
    knots : ndarray, shape (K, N)
        Increasing.
    curvatures : ndarray, shape (K + 1, N)

    Returns
    -------
    ndarray, shape (N,)
    """
    least = np.zeros(knots.shape[1])
    for side in (1.0, -1.0):
        rows = range(len(curvatures)) if side > 0.0 else range(len(curvatures) - 1, -1, -1)
        value, slope, at = np.zeros_like(least), np.zeros_like(least), np.zeros_like(least)
        for k in rows:
            outer = k if side > 0.0 else k - 1
            c = curvatures[k]
            final = k == rows[-1]
            end = np.full_like(least, np.inf) if final else np.maximum(side * knots[outer], 0.0)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                dip = np.where(c > 0.0, -slope / c, np.inf)  # where the slope returns to 0
                inside = (slope < 0.0) & (at + dip <= end)
                least = np.where(inside, np.minimum(least, value - 0.5 * slope**2 / c), least)
            if final:
                falls = (c < 0.0) | ((c == 0.0) & (slope < 0.0))
                least = np.where(falls, -np.inf, least)
                break
            width = np.maximum(end - at, 0.0)
            value, slope, at = value + slope * width + 0.5 * c * width**2, slope + c * width, at + width
            least = np.minimum(least, value)
    return least


def piecewise(knots: Any = (0.2,), curvatures: Any = (1.0, 0.0), start: Any = 1.0) -> Problem:
    """f = sum f_i(x_i) with f_i(0) = f_i'(0) = 0 and curvatures that are constant between knots.

    Parameters
    ----------
    knots : array_like, shape (K,) or (d, K)
        Increasing along the last axis.
    curvatures : array_like, shape (K + 1,) or (d, K + 1)
        f_i'' below, between and above the knots; f must be bounded from below.
    start : float or array_like, shape (d,)

    Returns
    -------
    Problem
        Measures: gap, gradient_square, distance ||x||.  Facts: L = max |f''|, mu = min f''; if mu >= 0, 0 is
        a minimiser.  The default is the Huber function.
    """
    edges, bends = (np.atleast_2d(np.asarray(value, dtype=float)) for value in (knots, curvatures))
    d, K = edges.shape
    if edges.ndim != 2 or bends.shape != (d, K + 1) or (np.diff(edges) < 0.0).any():
        raise ValueError(
            f"knots of shape {edges.shape} must increase, and curvatures of shape {bends.shape} must have one number "
            "more in each row."
        )
    least = float(sum(least_value(edges[i, :, None], bends[i, :, None])[0] for i in range(d)))
    if least == -math.inf:
        raise ValueError(
            f"f with curvatures = {bends.tolist()} is not bounded from below; raise the outer ones."
        )
    rows = {f"p{i}_{k}": float(v) for i in range(d) for k, v in enumerate((*edges[i], *bends[i]))}
    constants = {**rows, "minimum": least}
    point = np.broadcast_to(np.asarray(start, dtype=float), (d,))
    mu = float(bends.min())
    return Problem(
        name="adversary.piecewise",
        gradient=piecewise_gradient,
        constants=constants,
        dim=d,
        measure=piecewise_measure,
        measures=("gap", "gradient_square", "distance"),
        start=tuple(point.tolist()),
        optimum=0.0 if mu >= 0.0 else None,
        facts={"L": float(np.abs(bends).max()), "mu": mu},
        paper="drori2014",
        family=piecewise,
        arguments={"knots": knots, "curvatures": curvatures, "start": start},
    )


# What is worst: the value of a run with T updates, from gaps, squares and distances at x_1
# ... x_{T+1}, (T + 1, N).
RATIOS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "gap over L R^2": lambda gap, square, distance: gap[-1] / distance[0] ** 2,
    "mean gap over L R^2": lambda gap, square, distance: gap[:-1].mean(axis=0) / distance[0] ** 2,
    "gap over delta": lambda gap, square, distance: gap[-1] / gap[0],
    "least square over L delta": lambda gap, square, distance: square[:-1].min(axis=0) / gap[0],
    "mean square over L delta": lambda gap, square, distance: square[:-1].mean(axis=0) / gap[0],
    "distance over R": lambda gap, square, distance: distance[-1] / distance[0],
}


@dataclass(frozen=True)
class Worst:
    """The largest ratio that the search found, the problem that attains it and the number of runs."""

    ratio: float
    problem: Problem
    runs: int


def _functions(z: Array, d: int, K: int, low: float, high: float) -> tuple[Array, Array, Array]:
    """Return knots (d, K, N), curvatures (d, K + 1, N), starts (d, N) for points z (m, N) of the unit cube.

    Every number is clipped from a wider range, so that the ends, where the worst functions are, have volume.
    """
    wide = np.clip(1.5 * z - 0.25, 0.0, 1.0)
    each = wide.reshape(d, 2 * K + 3, -1)
    size = np.ones((1, z.shape[1])) if d == 1 else np.maximum(each[:, 0], 1e-6)
    size = size / np.linalg.norm(size, axis=0)
    widths = each[:, 2 : K + 2] + 1e-12
    left = -each[:, 1]
    knots = left[:, None] + (1.0 - left)[:, None] * np.cumsum(widths, axis=1) / (
        widths.sum(axis=1, keepdims=True) + each[:, K + 1 : K + 2]
    )
    return size[:, None] * knots, low + (high - low) * each[:, K + 2 :], size


def search(
    optimizer: Optimizer,
    steps: int,
    ratio: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    pieces: int = 2,
    d: int = 1,
    generations: int = 200,
    seed: int = 0,
) -> Worst:
    """Search for the function with curvatures in [low, high] on which a run is worst.

    Differential evolution whose population are the lanes of the kernels, then Nelder and Mead
    from its best point.

    Parameters
    ----------
    optimizer : Optimizer
        Deterministic, without schedule; L = 1, so lr is the step times L.
    steps : int
        Updates T >= 1.
    ratio : str
        Key of `RATIOS`; L = 1.
    low, high : float
        Range of the curvature: (-1, 1) for smooth, (0, 1) for convex, (mu, 1) for strongly convex functions.
    pieces : int
        Pieces of f' in each coordinate, >= 2.
    d : int
        Coordinates, 1 or 2.
    generations, seed : int

    Returns
    -------
    Worst
    """
    from scipy.optimize import differential_evolution, minimize

    checks.count("steps", steps)
    checks.known("ratio", ratio, RATIOS)
    checks.number("low", low, -high)
    K = checks.count("pieces", pieces, 2) - 1
    m = checks.count("d", d) * (2 * K + 3)
    shape = piecewise(np.tile(np.arange(K), (d, 1)), np.ones((d, K + 1)))
    base = Sweep(shape, optimizer, steps=steps, checkpoints=range(1, steps + 1))
    runs = 0

    def values(z: Array) -> Array:
        nonlocal runs
        points = z.reshape(m, -1)
        runs += points.shape[1]
        knots, curvatures, start = _functions(points, d, K, low, high)
        least = sum(least_value(knots[i], curvatures[i]) for i in range(d))
        theta = np.concatenate([*np.concatenate([knots, curvatures], axis=1), np.atleast_2d(least)])
        path = _path(base, theta, start)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = RATIOS[ratio](*path)
        # f is of size 1 and known to 1e-16: a start at the minimum has no gap to divide by.
        sound = np.isfinite(least) & np.isfinite(found) & (path[0][0] > 1e-6)
        return np.asarray(np.where(sound, found, 0.0))

    bounds = [(0.0, 1.0)] * m
    best = differential_evolution(
        lambda z: -values(z), bounds, maxiter=generations, popsize=10, tol=0.0, polish=False, rng=seed,
        strategy="currenttobest1bin", updating="deferred", vectorized=True,
    )  # fmt: skip
    polished = minimize(
        lambda z: -float(values(np.clip(z, 0.0, 1.0))[0]), best.x, method="Nelder-Mead",
        options={"maxfev": 200 * m, "xatol": 1e-10, "fatol": 1e-13, "adaptive": True},
    )  # fmt: skip
    point = np.clip(polished.x if polished.fun < best.fun else best.x, 0.0, 1.0)
    knots, curvatures, start = (value[..., 0] for value in _functions(point[:, None], d, K, low, high))
    problem = piecewise(knots.tolist(), curvatures.tolist(), start.tolist())
    return Worst(float(values(point)[0]), problem, runs)


def _path(base: Sweep, theta: Array, start: Array) -> tuple[Array, ...]:
    """Return gaps, squares and distances at x_1 ... x_{steps+1}, each (steps + 1, N), of a lane per function."""
    count, one = start.shape[1], base.job.lanes
    each: dict[str, Any] = {
        name: np.repeat(value, count, axis=-1)
        for name, value in vars(one).items()
        if isinstance(value, np.ndarray)
    }
    lanes = replace(one, **{**each, "theta": theta, "x0": start})
    records = run_tile(lanes, base.plan, np.arange(count))
    path = np.concatenate([records["first"][:, None], records["measures"]], axis=1)
    return tuple(path.transpose(2, 1, 0))
