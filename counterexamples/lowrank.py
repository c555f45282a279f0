"""Gradients projected to low rank: GaLore, its counterexample, and the random projections that repair it.

GaLore (Zhao et al. 2024, arXiv:2403.03507) updates within the span P of the r top singular vectors of a stochastic
gradient, for `gap` steps.  He et al. 2024 (arXiv:2410.11289) let the noise live in rows of its own: once every
singular value of grad f is below the noise, P is the noise's, and nothing that matters moves.

    f(X) = ||S X||_F^2/2 + <B, X>,  X in R^{n x n},  S keeps the first n - r rows,
    gradient G + xi sigma E,  E the identity in the last r rows and columns,  xi = +-1.

These are numpy recursions over arrays of runs: rules and kernels of the engine are loops over coordinates and have no
singular value or QR decomposition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory_sim.rules import checks

FloatArray = NDArray[np.float64]

CHOICES = ("svd", "exact", "random")
NOISES = ("block", "isotropic", "none")


def stiefel(random: np.random.Generator, runs: int, n: int, r: int) -> FloatArray:
    """Return matrices with r orthonormal columns, uniform on the Stiefel manifold, shape (runs, n, r)."""
    q, upper = np.linalg.qr(random.standard_normal((runs, n, r)))
    return np.asarray(q * np.sign(np.diagonal(upper, axis1=-2, axis2=-1))[:, None, :])


@dataclass(frozen=True)
class Stall:
    """The counterexample.

    Parameters
    ----------
    n, r : int
        X is n x n and r is the rank of the projections; the noise has r rows.
    instance : int
        Number of the random B and start.
    """

    n: int = 10
    r: int = 4
    instance: int = 0

    def __post_init__(self) -> None:
        checks.count("n", self.n, 2)
        checks.count("r", self.r, 1, self.n - 1)

    @property
    def first_gradient(self) -> FloatArray:
        """The gradient at the start, (n, n): a normal matrix plus I/2 in the first n - r rows and columns, else 0."""
        m = self.n - self.r
        G = np.zeros((self.n, self.n))
        G[:m, :m] = np.random.default_rng(self.instance).standard_normal((m, m)) + 0.5 * np.eye(m)
        return G

    def stalled(self, sigma: float, lr: float, gap: int) -> float:
        """Return where ||grad f||_F^2 of GaLore with gradient descent ends.

        In every period the largest singular values, r at most, shrink by (1 - lr)^gap if they exceed sigma; once none
        does, nothing moves.  Their order, and r, decide only when: each ends at its first value of at most sigma.

        Parameters
        ----------
        sigma : float
            Size of the noise, > 0.
        lr : float
            In (0, 1).
        gap : int
            Steps between projections.
        """
        checks.number("sigma", sigma, 0.0, open_low=True)
        values = np.linalg.svd(self.first_gradient, compute_uv=False)[: self.n - self.r]
        while (values > sigma).any():
            values = np.where(values > sigma, (1.0 - lr) ** gap * values, values)
        return float((values**2).sum())


def descend(
    problem: Stall,
    sigma: ArrayLike,
    choice: str = "svd",
    noise: str = "block",
    *,
    steps: int = 2000,
    lr: float = 0.01,
    gap: int = 100,
    batch: int = 1,
    moments: bool = False,
    seed: int = 0,
) -> FloatArray:
    """Return ||grad f(X_t)||_F^2 of projected gradient descent, or of Adam in the subspace.

    Parameters
    ----------
    problem : Stall
    sigma : array_like, shape (runs,)
        Size of the noise in each run.
    choice : {"svd", "exact", "random"}
        Where P comes from: the top left singular vectors of the stochastic gradient (GaLore), those of grad f,
        or the uniform distribution (GoLore).
    noise : {"block", "isotropic", "none"}
        In the last r rows and columns; in all entries, normal and of the same E ||noise||_F^2; none.
    steps : int
    lr : float
    gap : int
        Steps between choices of P.
    batch : int
        Gradients that are averaged for the choice of P; steps see one.
    moments : bool
        Adam (0.9, 0.999, 1e-8) on P^T gradient, whose moments are kept when P changes, as in the public code.
    seed : int

    Returns
    -------
    ndarray of shape (steps // gap + 1, runs)
        At the start and after each period.
    """
    checks.known("choice", choice, CHOICES)
    checks.known("noise", noise, NOISES)
    sizes = np.atleast_1d(np.asarray(sigma, dtype=float))
    runs, n, r = len(sizes), problem.n, problem.r
    random = np.random.default_rng([2410, seed])
    block = np.zeros((n, n))
    block[n - r :, n - r :] = np.eye(r)

    def drawn(average: int) -> FloatArray:
        if noise == "block":
            xi = 2.0 * random.binomial(average, 0.5, runs) / average - 1.0
            return (sizes * xi)[:, None, None] * block
        spread = sizes * math.sqrt(r) / n / math.sqrt(average) if noise == "isotropic" else 0.0 * sizes
        return np.asarray(spread[:, None, None] * random.standard_normal((runs, n, n)))

    G = np.repeat(problem.first_gradient[None], runs, axis=0)
    P, m, v = np.zeros((runs, n, r)), np.zeros((runs, r, n)), np.zeros((runs, r, n))
    found = [(G**2).sum(axis=(1, 2))]
    for t in range(1, steps + 1):
        if (t - 1) % gap == 0:
            seen = G + drawn(batch) if choice == "svd" else G
            P = stiefel(random, runs, n, r) if choice == "random" else np.linalg.svd(seen)[0][:, :, :r]
        R = np.swapaxes(P, 1, 2) @ (G + drawn(1))
        if moments:
            m, v = 0.9 * m + 0.1 * R, 0.999 * v + 0.001 * R * R
            R = m / (1.0 - 0.9**t) / (np.sqrt(v / (1.0 - 0.999**t)) + 1e-8)
        # grad f = S X + B: it changes as the first rows of X do
        G[:, : n - r] -= lr * (P @ R)[:, : n - r]
        if t % gap == 0:
            found.append((G**2).sum(axis=(1, 2)))
    return np.array(found)


def random_projections(n: int, r: int, keep: float, periods: int, runs: int, seed: int = 0) -> FloatArray:
    """Return ||X||_F^2/||X_1||_F^2 of GoLore on f = ||X||_F^2/2 after each period, shape (periods + 1, runs).

    Its mean is (1 - (1 - keep^2) r/n)^k after k periods, since (I - (1 - keep) P P^T)^2 = I - (1 - keep^2) P P^T and
    E P P^T = (r/n) I.

    Parameters
    ----------
    n, r : int
    keep : float
        (1 - lr)^gap, what a period leaves of the part in the span of P.
    periods, runs, seed : int
    """
    random = np.random.default_rng([2410, 1, seed])
    X = np.repeat(random.standard_normal((1, n, n)), runs, axis=0)
    first, found = (X**2).sum(axis=(1, 2)), [np.ones(runs)]
    for _ in range(periods):
        P = stiefel(random, runs, n, r)
        X = X - (1.0 - keep) * (P @ (np.swapaxes(P, 1, 2) @ X))
        found.append((X**2).sum(axis=(1, 2)) / first)
    return np.array(found)


def projected_path(
    B: FloatArray, C: FloatArray, P: FloatArray, Q: FloatArray, G: FloatArray, lr: float, steps: int
) -> tuple[FloatArray, FloatArray]:
    """Return ||P^T G_t Q||_F and ||G_t||_F, t = 0 ... steps, of projected descent with G_t = A - B W_t C.

    W moves by lr P (P^T G Q) Q^T, with fixed P and Q, so that P^T G Q loses lr (P^T B P)(P^T G Q)(Q^T C Q).

    Parameters
    ----------
    B, C : ndarray of shape (m, m) and (n, n)
        Symmetric, positive semidefinite.
    P, Q : ndarray of shape (m, r) and (n, r)
        Orthonormal columns.
    G : ndarray of shape (m, n)
        G_0.
    lr : float
    steps : int
    """
    inside, whole = [], []
    for _ in range(steps + 1):
        R = P.T @ G @ Q
        inside.append(np.linalg.norm(R))
        whole.append(np.linalg.norm(G))
        G = G - lr * B @ P @ R @ Q.T @ C
    return np.array(inside), np.array(whole)


def stable_rank(G: FloatArray) -> float:
    """Return ||G||_F^2/||G||_2^2, in [1, rank]."""
    values = np.linalg.svd(G, compute_uv=False)
    return float((values**2).sum() / values[0] ** 2)


def cosines(n: int) -> FloatArray:
    """Return the orthogonal matrix of the discrete cosine transform (type II), shape (n, n)."""
    k, j = np.arange(n)[:, None], np.arange(n)[None, :]
    made = math.sqrt(2.0 / n) * np.cos(np.pi * (2 * j + 1) * k / (2 * n))
    made[0] /= math.sqrt(2.0)
    return np.asarray(made.T)


def kept_columns(G: FloatArray, Q: FloatArray, r: int) -> FloatArray:
    """Return G P P^T, P the r columns of Q for which ||G q|| is largest."""
    chosen: Sequence[int] = np.argsort(np.linalg.norm(G @ Q, axis=0))[::-1][:r].tolist()
    P = Q[:, chosen]
    return np.asarray(G @ P @ P.T)
