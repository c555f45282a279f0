"""How well a diagonal preconditioner fits a Hessian: closed forms and trials without a single step.

Adam with beta1 = 0, beta2 = 1 and v_0 = g_0^2 divides by |g_0| forever: it is gradient descent preconditioned
by D = Diag(1/|H x_0|) (Zhang et al., arXiv:2402.16788, section 3.3; arXiv:2406.16793, section 2.2).

With blocks l = 1, ..., b of n coordinates, gradients g_{l,i} at the start and lambda_l = lambda_max(H_l):
c_l = min_i |g_{l,i}|/lambda_l and C_l = max_i |g_{l,i}|/lambda_l.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterexamples.spectra import block_spectra, orthogonal, rotated

FloatArray = NDArray[np.float64]

_CHUNK = 2000  # trials at once: 90 dimensions then take 130 MB


def least(gradient: FloatArray, top: FloatArray) -> FloatArray:
    """Return min_l c_l, the step of the theorem; the last two axes of gradient are (block, coordinate)."""
    return np.asarray((np.abs(gradient).min(axis=-1) / top).min(axis=-1))


def spread(gradient: FloatArray, top: FloatArray) -> FloatArray:
    """Return r = max_l C_l / min_l c_l, with which the contraction 1 - 1/(r max_l kappa_l) is proved here.

    D^(1/2) H_l D^(1/2) lies between lambda_min(H_l)/max_i |g_{l,i}| = 1/(C_l kappa_l) and
    lambda_l/min_i |g_{l,i}| = 1/c_l.  With the step eta = min_l c_l every factor 1 - eta lambda lies in
    [0, 1 - min_l c_l/(max_l C_l max_l kappa_l)].
    """
    high = (np.abs(gradient).max(axis=-1) / top).max(axis=-1)
    return np.asarray(high / least(gradient, top))


def paper_spread(gradient: FloatArray) -> FloatArray:
    """Return r = max_l C_l^2/c_l^2, the paper's constant as we recall it; lambda_l cancels."""
    size = np.abs(gradient)
    return np.asarray(((size.max(axis=-1) / size.min(axis=-1)) ** 2).max(axis=-1))


def preconditioned(parts: FloatArray, gradient: FloatArray) -> FloatArray:
    """Return kappa of D^(1/2) H D^(1/2), which has the spectrum of D H, for blocks of shape (..., b, n, n)."""
    root = 1.0 / np.sqrt(np.abs(gradient))
    values = np.linalg.eigvalsh(parts * root[..., :, None] * root[..., None, :])
    return np.asarray(values[..., -1].max(axis=-1) / values[..., 0].min(axis=-1))


def tau(H: FloatArray) -> float:
    """Return sum_i |H_ii| / sum_ij |H_ij|, in (0, 1]: 1 for a diagonal matrix."""
    size = np.abs(H)
    return float(np.trace(size) / size.sum())


def relative_condition(H: FloatArray, starts: FloatArray) -> FloatArray:
    """Return kappa(D H)/kappa(H) for starts of shape (k, d): below 1 Adam's preconditioner helps, above it hurts."""
    values = np.linalg.eigvalsh(H)
    gradient = (starts @ H)[:, None, :]
    return np.asarray(preconditioned(H[None, None], gradient) * values[0] / values[-1])


def rotation(d: int, angle: float, instance: int = 0) -> FloatArray:
    """Return exp(angle K), K = (B - B^T)/sqrt(2 d) of a normal matrix B: the identity at 0, nearly uniform from 3 on."""
    from scipy.linalg import expm

    B = np.random.default_rng([2406, 1, instance]).standard_normal((d, d))
    return np.asarray(expm(angle * (B - B.T) / np.sqrt(2.0 * d)))


def trials(arrangement: str, size: int, count: int, seed: int = 0) -> dict[str, FloatArray]:
    """Return what a diagonal preconditioner does to random instances of `counterexamples.quadratics.blocks`.

    Parameters
    ----------
    arrangement : {"heterogeneous", "homogeneous"}
    size : int
        Coordinates of a block.
    count : int
        Number of instances.
    seed : int

    Returns
    -------
    dict of str to ndarray of shape (count,)
        ``kappa_pre``, ``spread`` and ``paper_spread``.
    """
    values = block_spectra(arrangement, size)
    top, found = values.max(axis=1), []
    for first in range(0, count, _CHUNK):
        many = min(_CHUNK, count - first)
        random = np.random.default_rng([2402, 1, seed, first])
        parts = rotated(values, orthogonal(random, many, 3, size))
        gradient = np.einsum("...lij,...lj->...li", parts, random.standard_normal((many, 3, size)))
        found.append((preconditioned(parts, gradient), spread(gradient, top), paper_spread(gradient)))
    names = ("kappa_pre", "spread", "paper_spread")
    return dict(zip(names, map(np.concatenate, zip(*found, strict=True)), strict=True))
