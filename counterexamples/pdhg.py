"""The primal-dual hybrid gradient method on linear programmes with a known solution.

min c.x, A x = b, x >= 0.  x+ = max(x - tau (c - A^T y), 0); y+ = y + sigma (b - A (2 x+ - x)).  A rule of the engine moves one
point by a gradient; here a pair of points of different lengths is moved, so this is a recursion in numpy, over all
instances at once.

Near a solution with a support B of as many coordinates as there are rows (a nondegenerate vertex) x off B stays 0, and the
rest is linear: at a singular value s of A_B and p = tau sigma s^2, eigenvalues solve z^2 - (2 - 2 p) z + 1 - p = 0, so that

    |z| = sqrt(1 - p)  for p <= 1,      |z| = p - 1 + sqrt(p (p - 1))  beyond, which is 1 at p = 4/3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.rules import checks

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Programmes:
    """Linear programmes of one shape.

    Parameters
    ----------
    A : ndarray, shape (N, m, n)
    b, c : ndarray, shapes (N, m) and (N, n)
    x, y : ndarray, shapes (N, n) and (N, m)
        The solution, supported on the first m coordinates, and that of the dual.
    """

    A: FloatArray
    b: FloatArray
    c: FloatArray
    x: FloatArray
    y: FloatArray


def programmes(
    count: int, m: int = 8, n: int = 16, condition: float | None = 3.0, seed: int = 0
) -> Programmes:
    """Return random programmes with a known, unique and nondegenerate solution.

    Parameters
    ----------
    count, m, n : int
        Number of programmes, rows and columns, m < n.
    condition : float, optional
        Condition number of the m columns of the support, whose singular values are evenly spaced with the largest 1;
        None: they are Gaussian like the others.
    seed : int
    """
    random = np.random.default_rng([1984, checks.count("seed", seed, 0)])
    if checks.count("m", m, 2) >= checks.count("n", n, 3):
        raise ValueError(f"m = {m} must be below n = {n}, the number of columns.")
    A = random.standard_normal((count, m, n)) / math.sqrt(m)
    if condition is not None:
        U, _, V = np.linalg.svd(A[:, :, :m])
        A[:, :, :m] = (U * np.linspace(1.0, 1.0 / condition, m)) @ V
    x = np.zeros((count, n))
    x[:, :m] = random.uniform(0.5, 1.5, (count, m))
    y = random.standard_normal((count, m))
    slack = np.zeros((count, n))
    slack[:, m:] = random.uniform(0.5, 1.5, (count, n - m))
    b, pull = np.einsum("kij,kj->ki", A, x), np.einsum("kij,ki->kj", A, y)
    return Programmes(A, b, pull + slack, x, y)


def kkt_error(some: Programmes, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return ||A x - b|| + ||(A^T y - c)_+|| + |c.x - b.y| for x >= 0, shape (N,)."""
    primal = np.linalg.norm(np.einsum("kij,kj->ki", some.A, x) - some.b, axis=1)
    dual = np.linalg.norm(np.maximum(np.einsum("kij,ki->kj", some.A, y) - some.c, 0.0), axis=1)
    gap = np.abs(np.sum(some.c * x, axis=1) - np.sum(some.b * y, axis=1))
    return np.asarray(primal + dual + gap)


def run(
    some: Programmes, step: FloatArray, steps: int, checkpoints: Any, x: FloatArray, y: FloatArray
) -> dict[int, dict[str, FloatArray]]:
    """Return after some numbers of steps the points "x", "y" and their averages over the steps, "x_mean", "y_mean".

    Parameters
    ----------
    some : Programmes
    step : ndarray, shape (N,)
        tau = sigma of each.
    steps : int
    checkpoints : iterable of int
    x, y : ndarray, shapes (N, n) and (N, m)
        Start.
    """
    tau, wanted = step[:, None], set(checkpoints)
    transposed = np.ascontiguousarray(np.swapaxes(some.A, 1, 2))
    x_sum, y_sum, found = np.zeros_like(x), np.zeros_like(y), {}
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(1, steps + 1):
            new = np.maximum(x - tau * (some.c - (transposed @ y[:, :, None])[:, :, 0]), 0.0)
            y = y + tau * (some.b - (some.A @ (2.0 * new - x)[:, :, None])[:, :, 0])
            x = new
            x_sum, y_sum = x_sum + x, y_sum + y
            if k in wanted:
                found[k] = {"x": x, "y": y, "x_mean": x_sum / k, "y_mean": y_sum / k}
    return found


def local_factor(products: FloatArray) -> FloatArray:
    """Return |z| of the recursion near a solution at p = tau sigma s^2; see the module."""
    p = np.asarray(products, dtype=float)
    beyond = np.maximum(p - 1.0, 0.0)
    return np.where(p <= 1.0, np.sqrt(np.maximum(1.0 - p, 0.0)), beyond + np.sqrt(p * beyond))
