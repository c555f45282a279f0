"""Matrix methods: Muon, SOAP, COSMOS beside momentum and Adam, on quadratics of a matrix.

f(W) = <W, A W C>/2 with symmetric positive definite A, C: a Hessian that is a Kronecker product.  Muon (Jordan et
al. 2024) takes the orthogonal factor of the momentum by a Newton-Schulz polynomial; SOAP (Vyas et al. 2024,
arXiv:2409.11321) is Adam in the eigenbasis of Shampoo's matrices; COSMOS (Liu et al. 2025, arXiv:2502.17410) does
the second in a few directions and the first in the others.

These are numpy recursions over arrays of runs: rules and kernels of the engine are loops over coordinates and have no
eigenvectors or QR decomposition.  Every method returns a direction D, and W = W - lr D.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterexamples.spectra import orthogonal, rotated
from theory_sim.rules import checks

FloatArray = NDArray[np.float64]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def transposed(matrices: FloatArray) -> FloatArray:
    """Return matrices with their last two axes exchanged."""
    return np.swapaxes(matrices, -1, -2)


def quintic(values: ArrayLike, steps: int = 5) -> FloatArray:
    """Return what Newton-Schulz does to singular values: s -> a s + b s^3 + c s^5, again and again."""
    a, b, c = COEFFICIENTS
    s = np.asarray(values, dtype=float)
    for _ in range(steps):
        s = s * (a + s * s * (b + c * s * s))
    return np.asarray(s)


def newton_schulz(G: FloatArray, steps: int = 5) -> FloatArray:
    """Return Muon's approximation of the orthogonal factor U V^T of matrices of shape (..., m, n).

    The polynomial acts on the singular values of G/(||G||_F + 1e-7); it is fast because it need not end at 1.
    """
    a, b, c = COEFFICIENTS
    wide = G.shape[-2] <= G.shape[-1]
    X = G if wide else transposed(G)
    X = X / (np.linalg.norm(X, axis=(-2, -1), keepdims=True) + 1e-7)
    for _ in range(steps):
        square = X @ transposed(X)
        X = a * X + (b * square + c * square @ square) @ X
    return X if wide else transposed(X)


def polar(G: FloatArray) -> FloatArray:
    """Return the orthogonal factor U V^T of matrices of shape (..., m, n), by the singular value decomposition."""
    u, _, vt = np.linalg.svd(G, full_matrices=False)
    return np.asarray(u @ vt)


class Method(Protocol):
    """What turns gradients into directions; it keeps its own moments."""

    def __call__(self, G: FloatArray, t: int) -> FloatArray:
        """Return the direction of step t = 1, 2, ..., of the shape of G."""
        ...


class Momentum:
    """SGD with momentum: M = beta M + G."""

    def __init__(self, beta: float = 0.9) -> None:
        self.beta = checks.beta("beta", beta)
        self.M: FloatArray | float = 0.0

    def __call__(self, G: FloatArray, t: int) -> FloatArray:
        """Return M."""
        self.M = self.beta * self.M + G
        return np.asarray(self.M)


class Adam:
    """Adam with bias correction, entry by entry."""

    def __init__(self, beta1: float = 0.9, beta2: float = 0.99, eps: float = 1e-8) -> None:
        self.betas, self.eps = (checks.beta("beta1", beta1), checks.beta("beta2", beta2)), eps
        self.m: FloatArray | float = 0.0
        self.v: FloatArray | float = 0.0

    def __call__(self, G: FloatArray, t: int) -> FloatArray:
        """Return the corrected m over the root of the corrected v."""
        (b1, b2), self.m = self.betas, self.betas[0] * self.m + (1.0 - self.betas[0]) * G
        self.v = b2 * self.v + (1.0 - b2) * G * G
        return np.asarray(self.m / (1.0 - b1**t) / (np.sqrt(self.v / (1.0 - b2**t)) + self.eps))


class Muon:
    """Muon with Nesterov momentum: M is the average of G, U = (1 - beta) G + beta M, D = sqrt(max(1, m/n)) NS(U)."""

    def __init__(
        self, beta: float = 0.95, orthogonal_factor: Callable[[FloatArray], FloatArray] = newton_schulz
    ) -> None:
        self.beta, self.factor = checks.beta("beta", beta), orthogonal_factor
        self.M: FloatArray | float = 0.0

    def __call__(self, G: FloatArray, t: int) -> FloatArray:
        """Return the approximate orthogonal factor of the momentum."""
        self.M = self.beta * self.M + (1.0 - self.beta) * G
        U = (1.0 - self.beta) * G + self.beta * self.M
        return np.asarray(math.sqrt(max(1.0, G.shape[-2] / G.shape[-1])) * self.factor(U))


class Soap:
    """SOAP: Adam's second moment in the eigenbasis of the averages of G G^T and G^T G.

    The first gradient only starts the averages, as in the public code, which refreshes the basis by a step of the power
    method; here eigenvectors are exact.  The momentum is kept unrotated, the second moment is not rotated when the basis
    changes.
    """

    def __init__(
        self,
        beta1: float = 0.95,
        beta2: float = 0.95,
        shampoo: float = 0.95,
        every: int = 10,
        eps: float = 1e-8,
    ) -> None:
        self.betas, self.eps = (checks.beta("beta1", beta1), checks.beta("beta2", beta2)), eps
        self.shampoo, self.every = checks.beta("shampoo", shampoo), checks.count("every", every)
        self.L: FloatArray | float = 0.0
        self.R: FloatArray | float = 0.0
        self.m: FloatArray | float = 0.0
        self.v: FloatArray | float = 0.0

    def __call__(self, G: FloatArray, t: int) -> FloatArray:
        """Return Adam's direction in the eigenbasis, rotated back."""
        b = self.shampoo
        self.L = b * self.L + (1.0 - b) * G @ transposed(G)
        self.R = b * self.R + (1.0 - b) * transposed(G) @ G
        if t == 1 or (t - 1) % self.every == 0:
            self.left, self.right = np.linalg.eigh(self.L)[1], np.linalg.eigh(self.R)[1]
        if t == 1:
            return np.zeros_like(G)
        b1, b2 = self.betas
        turned = transposed(self.left) @ G @ self.right
        self.m = b1 * self.m + (1.0 - b1) * G
        self.v = b2 * self.v + (1.0 - b2) * turned * turned
        m = transposed(self.left) @ self.m @ self.right / (1.0 - b1 ** (t - 1))
        D = m / (np.sqrt(self.v / (1.0 - b2 ** (t - 1))) + self.eps)
        return np.asarray(self.left @ D @ transposed(self.right))


class Cosmos:
    """COSMOS: Adam in r tracked right eigenvectors, Muon in what is orthogonal to them; ||D||_F = sqrt(m n).

    The span starts as the top right singular vectors of the first gradient.
    """

    def __init__(
        self, rank: int, beta1: float = 0.95, beta2: float = 0.95, gamma: float = 0.2, eps: float = 1e-8
    ) -> None:
        self.rank, self.gamma, self.eps = checks.count("rank", rank, 0), gamma, eps
        self.betas = (checks.beta("beta1", beta1), checks.beta("beta2", beta2))
        self.m: FloatArray | float = 0.0
        self.V: FloatArray | float = 0.0

    def __call__(self, G: FloatArray, t: int) -> FloatArray:
        """Return the normalised sum of both parts."""
        b1, b2 = self.betas
        self.m = b1 * self.m + (1.0 - b1) * G
        if t == 1:
            self.P = transposed(np.linalg.svd(G)[2])[..., : self.rank]
            self.S = np.zeros((*G.shape[:-2], self.rank, self.rank))
        else:
            old = self.P
            self.P = np.linalg.qr(b2 * old @ self.S + (1.0 - b2) * transposed(G) @ (G @ old))[0]
            turn = transposed(old) @ self.P
            self.S = b2 * transposed(turn) @ self.S @ turn
        image = G @ self.P
        self.S = self.S + (1.0 - b2) * transposed(image) @ image
        self.V = b2 * self.V + (1.0 - b2) * image * image
        inside = self.m @ self.P
        A = inside / (np.sqrt(self.V / (1.0 - b2**t)) + self.eps) @ transposed(self.P)
        size, D = math.sqrt(G.shape[-2] * G.shape[-1]), A
        if self.rank < G.shape[-1]:  # at full rank what is left is rounding, which must not be normalised
            rest = newton_schulz(self.m - inside @ transposed(self.P))
            D = A + self.gamma * size * rest / np.maximum(_norm(rest), 1e-300)
        return np.asarray(size * D / np.maximum(_norm(D), 1e-300))


def _norm(matrices: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(matrices, axis=(-2, -1), keepdims=True))


def shampoo(G: FloatArray, L: FloatArray, R: FloatArray) -> FloatArray:
    """Return Shampoo's direction with power 1/2, sqrt(tr L) L^(-1/2) G R^(-1/2), for the means L of G G^T, R of G^T G."""
    from scipy.linalg import sqrtm

    roots = [np.linalg.inv(np.real(sqrtm(one))) for one in (L, R)]
    return np.asarray(math.sqrt(np.trace(L)) * roots[0] @ G @ roots[1])


def adafactor(G: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Return Adafactor's direction g_ij/sqrt(rows_i columns_j/sum rows), for mean sums of squares of rows and columns."""
    return np.asarray(G / np.sqrt(np.outer(rows, columns) / rows.sum()))


def kronecker(m: int, n: int, kappa: float, instance: int, *, turned: bool) -> tuple[FloatArray, ...]:
    """Return A, C and a normal start W_1; eigenvalues of both are evenly spaced in their logarithm, kappa is A (x) C's."""
    random = np.random.default_rng([2409, instance])
    values = [np.logspace(0.0, -0.5 * math.log10(kappa), k) for k in (m, n)]
    bases = [orthogonal(random, k) if turned else np.eye(k) for k in (m, n)]
    A, C = (rotated(one, basis) for one, basis in zip(values, bases, strict=True))
    return (
        A,
        C,
        np.asarray(
            bases[0] @ np.random.default_rng([2409, 1, instance]).standard_normal((m, n)) @ bases[1].T
        ),
    )


def loss(A: FloatArray, C: FloatArray, W: FloatArray) -> FloatArray:
    """Return <W, A W C>/2 for W of shape (..., m, n)."""
    return np.asarray(0.5 * (W * (A @ W @ C)).sum(axis=(-2, -1)))


def train(
    method: Method,
    A: FloatArray,
    C: FloatArray,
    W: FloatArray,
    lr: ArrayLike,
    steps: int,
    *,
    decay: bool = True,
) -> FloatArray:
    """Return the W that a method leaves, one for each lr.

    Parameters
    ----------
    method : Method
        A new one; it sees all runs at once.
    A, C : ndarray of shape (m, m) and (n, n)
    W : ndarray of shape (m, n)
        Start.
    lr : array_like, shape (runs,)
    steps : int
    decay : bool
        Whether lr falls linearly, lr (1 - (t - 1)/steps).

    Returns
    -------
    ndarray of shape (runs, m, n)
    """
    sizes = np.atleast_1d(np.asarray(lr, dtype=float))[:, None, None]
    X = np.repeat(W[None], len(sizes), axis=0)
    for t in range(1, steps + 1):
        factor = 1.0 - (t - 1) / steps if decay else 1.0
        X = X - factor * sizes * method(A @ X @ C, t)
    return X
