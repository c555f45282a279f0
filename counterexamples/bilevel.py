"""Bilevel optimization on ridge regression: implicit differentiation (AID), and a first-order penalty.

Lower level: g(x, y) = y.H0.y/2 - b.y + sum_i e^(x_i) y_i^2/2, whose minimiser y*(x) solves H y = b, H = H0 + diag(e^x).
Upper level: f(y) = mean_j (a_j.y - c_j)^2/2 over validation data.  The hypergradient is -e^x y* z*, H z* = grad f(y*).

Two points of different meaning move together, with an inner loop, so this is a recursion in numpy over all data sets at
once; a rule of the engine moves one point by the gradient of one function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.rules import checks

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Ridge:
    """A lower level, and n validation data.

    Parameters
    ----------
    H0 : ndarray, shape (d, d)
    b : ndarray, shape (d,)
    a, c : ndarray, shapes (n, d) and (n,)
    """

    H0: FloatArray
    b: FloatArray
    a: FloatArray
    c: FloatArray


def ridge(n: int = 50, d: int = 10, train: int = 100, seed: int = 0) -> Ridge:
    """Return normal data with noise .5: `train` for the lower level, n for the upper one."""
    random = np.random.default_rng([2411, checks.count("seed", seed, 0)])
    truth = random.standard_normal(checks.count("d", d))
    A = random.standard_normal((checks.count("train", train), d))
    a = random.standard_normal((checks.count("n", n), d))
    b = A @ truth + 0.5 * random.standard_normal(train)
    return Ridge(A.T @ A / train, A.T @ b / train, a, a @ truth + 0.5 * random.standard_normal(n))


def lower(problem: Ridge, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return H and y*(x)."""
    H = problem.H0 + np.diag(np.exp(x))
    return H, np.linalg.solve(H, problem.b)


def upper_value(problem: Ridge, x: FloatArray) -> float:
    """Return f(y*(x))."""
    _, y = lower(problem, x)
    return float(np.mean((problem.a @ y - problem.c) ** 2) / 2.0)


def hypergradient(problem: Ridge, x: FloatArray) -> FloatArray:
    """Return the gradient of f(y*(x)), shape (d,)."""
    H, y = lower(problem, x)
    slope = problem.a.T @ (problem.a @ y - problem.c) / len(problem.c)
    return np.asarray(-np.exp(x) * y * np.linalg.solve(H, slope))


def penalty_gradient(problem: Ridge, x: FloatArray, alpha: float) -> FloatArray:
    """Return d/dx [f(y_a) + alpha (g(x, y_a) - g(x, y*))] with y_a = argmin f + alpha g: no second derivatives (ScaleBiO)."""
    H, y = lower(problem, x)
    n = len(problem.c)
    F, pull = problem.a.T @ problem.a / n, problem.a.T @ problem.c / n
    near = np.linalg.solve(H + F / alpha, problem.b + pull / alpha)
    return np.asarray(0.5 * alpha * np.exp(x) * (near - y) * (near + y))


def penalty_slope(problem: Ridge, x: FloatArray) -> FloatArray:
    """Return the limit of alpha (penalty gradient - hypergradient), shape (d,).

    With eps = 1/alpha, y_a = y* + eps y_1 + eps^2 y_2 + ..., H y_1 = -grad f(y*) and H y_2 = -Hess f y_1, the
    penalty gradient is e^x (y* y_1 + eps (y_1^2/2 + y* y_2) + ...).
    """
    H, y = lower(problem, x)
    n = len(problem.c)
    first = np.linalg.solve(H, problem.a.T @ (problem.c - problem.a @ y) / n)
    second = np.linalg.solve(H, -(problem.a.T @ (problem.a @ first)) / n)
    return np.asarray(np.exp(x) * (0.5 * first**2 + y * second))


def inner_error(H: FloatArray, slope: FloatArray, eta: float, K: int) -> float:
    """Return ||z_K - z*||/||z*|| after K steps z = z - eta (H z - slope) from 0."""
    exact, z = np.linalg.solve(H, slope), np.zeros_like(slope)
    for _ in range(K):
        z = z - eta * (H @ z - slope)
    return float(np.linalg.norm(z - exact) / np.linalg.norm(exact))


def twins(
    sizes: Iterable[int],
    pairs: int,
    steps: int,
    checkpoints: Iterable[int],
    rate: Callable[[int], float],
    *,
    d: int = 10,
    outlier: float = 3.0,
    K: int = 10,
    seed: int = 0,
) -> dict[int, FloatArray]:
    """Return how far AID's (x, y) on two data sets that differ in one validation datum are apart, on average over pairs.

    Per step: one datum is drawn, the same for both; K steps on z from 0, one on y, m = (1 - rate) m + rate h with
    h = -e^x y z, and x = x - rate m.

    Parameters
    ----------
    sizes : iterable of int
        Numbers n of validation data.
    pairs, steps : int
    checkpoints : iterable of int
        Numbers of steps after which the distance is returned.
    rate : callable
        Step of x, m and y by t = 1, 2, ...
    d : int
    outlier : float
        What the target of datum 0 of the second twin is moved by.
    K, seed : int

    Returns
    -------
    dict of int to ndarray, shape (sizes,)
        By number of steps.
    """
    sizes = tuple(sizes)
    lanes = (len(sizes), checks.count("pairs", pairs), 2)
    base = ridge(max(sizes), d, seed=seed)
    random = np.random.default_rng([2411, 1, seed])
    a = random.standard_normal((*lanes[:2], max(sizes), d))
    truth = np.linalg.solve(base.H0, base.b)
    c = a @ truth + 0.5 * random.standard_normal(a.shape[:3])
    targets = np.repeat(c[:, :, None, :], 2, axis=2)
    targets[:, :, 1, 0] += outlier
    eta = 1.0 / (float(np.linalg.eigvalsh(base.H0)[-1]) + 1.0)
    x = np.full((*lanes, d), -2.0)
    y, m = np.zeros_like(x), np.zeros_like(x)
    wanted, found = set(checkpoints), {}
    rows = np.arange(lanes[0])[:, None], np.arange(lanes[1])[None, :]
    for t in range(1, checks.count("steps", steps) + 1):
        drawn = (random.random(lanes[:2]) * np.array(sizes)[:, None]).astype(int)
        row = a[(*rows, drawn)][:, :, None, :]
        target = targets[rows[0], rows[1], :, drawn]
        weight = np.exp(x)
        slope = row * (np.sum(row * y, axis=-1) - target)[..., None]
        z: Any = np.zeros_like(x)
        for _ in range(K):
            z = z - eta * (z @ base.H0 + weight * z - slope)
        step = rate(t)
        m = (1.0 - step) * m - step * weight * y * z
        y = y - step * (y @ base.H0 + weight * y - base.b)
        x = x - step * m
        if t in wanted:
            apart = (x[:, :, 0] - x[:, :, 1]) ** 2 + (y[:, :, 0] - y[:, :, 1]) ** 2
            found[t] = np.sqrt(apart.sum(axis=-1)).mean(axis=1)
    return found
