"""Iterative Newton for least squares, and linear attention: what a Transformer may do on a prompt of regression data.

Fu, Chen, Jia, Sharan (arXiv:2310.17086): with S = X^T X, M_0 = alpha S and M_{k+1} = 2 M_k - M_k S M_k, the weights
w_k = M_k X^T y tend to least squares.  At an eigenvalue lam of S the residual 1 - lam m_k squares in every step, so it is
(1 - alpha lam^2)^(2^k): the number of steps grows with log2 of the condition number, that of gradient descent with the
condition number itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory_sim.rules import checks

FloatArray = NDArray[np.float64]


def _arguments(kappa: float, accuracy: float) -> tuple[float, float]:
    kappa = checks.number("kappa", kappa, 1.0)
    return kappa, checks.number("accuracy", accuracy, 0.0, 1.0, open_low=True, open_high=True)


def steps(kappa: float, accuracy: float = 1e-6) -> int:
    """Return how many steps of iterative Newton with alpha = 1/lam_max^2 bring every residual to `accuracy`.

    Parameters
    ----------
    kappa : float
        >= 1, the condition number of S; the slowest residual starts at 1 - 1/kappa^2.
    accuracy : float
        In (0, 1).

    Returns
    -------
    int
        The least k with (1 - 1/kappa^2)^(2^k) <= accuracy.

    Examples
    --------
    >>> [steps(kappa) for kappa in (10, 1e2, 1e4, 1e6)]
    [11, 18, 31, 44]
    """
    kappa, accuracy = _arguments(kappa, accuracy)
    if kappa == 1.0:
        return 0
    if kappa > 1e100:  # kappa^-2 may underflow; -log(1 - kappa^-2) is kappa^-2 to the last bit
        return max(0, math.ceil(math.log2(-math.log(accuracy)) + 2.0 * math.log2(kappa)))
    rate = -math.log1p(-(kappa**-2.0))
    return max(0, math.ceil(math.log2(-math.log(accuracy) / rate)))


def gradient_steps(kappa: float, accuracy: float = 1e-6) -> int:
    """Return the same for gradient descent with its best constant step, whose factor is (kappa - 1)/(kappa + 1)."""
    kappa, accuracy = _arguments(kappa, accuracy)
    if kappa == 1.0:
        return 1
    return math.ceil(math.log(accuracy) / (math.log1p(-1.0 / kappa) - math.log1p(1.0 / kappa)))


def inverses(S: ArrayLike, count: int, alpha: float | None = None) -> list[FloatArray]:
    """Return M_0 ... M_count of the iteration.

    Parameters
    ----------
    S : array_like, shape (d, d)
        Symmetric and positive definite.
    count : int
    alpha : float, optional
        > 0, below 2/lam_max^2; default 1/lam_max^2.
    """
    matrix = np.asarray(S, dtype=float)
    share = float(np.linalg.norm(matrix, 2) ** -2.0) if alpha is None else alpha
    found = [share * matrix]
    for _ in range(checks.count("count", count, 0)):
        last = found[-1]
        found.append(2.0 * last - last @ matrix @ last)
    return found


def regression(kappa: float, n: int = 40, d: int = 20, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return data X (n, d) and y (n,) whose S = X^T X has eigenvalues from 1/kappa to 1, evenly spaced in the logarithm."""
    random = np.random.default_rng([2310, seed])
    U, _, V = np.linalg.svd(random.standard_normal((n, d)), full_matrices=False)
    X = (U * np.logspace(0.0, -0.5 * math.log10(kappa), d)) @ V
    return X, X @ random.standard_normal(d) + 0.1 * random.standard_normal(n)


def linear_attention(keys: Any, values: Any, query: Any, eta: float) -> float:
    """Return (eta/n) sum_i values_i <keys_i, query>: linear attention without softmax, one token after the other."""
    scores = [float(np.dot(key, query)) for key in keys]
    return eta / len(scores) * math.fsum(score * value for score, value in zip(scores, values, strict=True))


def one_step(X: FloatArray, y: FloatArray, query: FloatArray, eta: float) -> float:
    """Return the prediction after one step of gradient descent from w = 0 on |X w - y|^2/(2 n)."""
    w = -eta * (X.T @ (X @ np.zeros(X.shape[1]) - y)) / len(y)
    return float(query @ w)
