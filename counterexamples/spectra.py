"""Random orthogonal matrices, spectra of diagonal blocks, and matrices made of both."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from theory_sim.rules import checks

FloatArray = NDArray[np.float64]

ARRANGEMENTS: Mapping[str, tuple[tuple[float, ...], ...]] = {
    "heterogeneous": ((1.0, 2.0, 3.0), (99.0, 100.0, 101.0), (4998.0, 4999.0, 5000.0)),
    "homogeneous": ((1.0, 99.0, 4998.0), (2.0, 100.0, 4999.0), (3.0, 101.0, 5000.0)),
}
"""The same nine eigenvalues in three blocks, each of its own size or each of all sizes."""


def orthogonal(random: np.random.Generator, *shape: int) -> FloatArray:
    """Return orthogonal matrices, uniformly distributed, of shape (..., n, n): the last number is n.

    Q R = a Gaussian matrix, with the signs that make the diagonal of R positive.
    """
    q, r = np.linalg.qr(random.standard_normal((*shape, shape[-1])))
    signs = np.sign(np.diagonal(r, axis1=-2, axis2=-1))
    return np.asarray(q * signs[..., None, :])


def block_spectra(arrangement: str, size: int) -> FloatArray:
    """Return the eigenvalues of each block, shape (3, size): the three values of the block in turn."""
    checks.known("arrangement", arrangement, ARRANGEMENTS)
    return np.array([np.resize(values, size) for values in ARRANGEMENTS[arrangement]])


def rotated(eigenvalues: FloatArray, basis: FloatArray) -> FloatArray:
    """Return Q diag(eigenvalues) Q^T, symmetric to the last bit, over leading axes."""
    made = np.einsum("...ik,...k,...jk->...ij", basis, eigenvalues, basis)
    return np.asarray(0.5 * (made + np.swapaxes(made, -1, -2)))


def assembled(parts: FloatArray) -> FloatArray:
    """Return the matrix with these diagonal blocks, shape (blocks, n, n)."""
    blocks, n, _ = parts.shape
    whole = np.zeros((blocks * n, blocks * n))
    for k, part in enumerate(parts):
        whole[k * n : (k + 1) * n, k * n : (k + 1) * n] = part
    return whole
