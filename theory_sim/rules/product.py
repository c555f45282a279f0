"""Products of matrices that all lanes share with vectors that every lane has of its own.

A matrix of a problem lies in the last rows of ``theta``, one entry after the other across the lanes, so that
it is kept once for a tile and not once for a lane: entry q is at ``theta[first + q // L, q % L]``.
`packed` gives the order of the entries, `multiply` reads them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def packed(matrix: FloatArray) -> FloatArray:
    """Return a matrix as the numbers that `multiply` reads.

    Parameters
    ----------
    matrix : ndarray, shape (m, n)

    Returns
    -------
    ndarray, shape (2 m + 2 n + m n,)
        For each row, then for each column, where its entries other than 0 begin and end, as a half-open
        range; then the entries, row by row.
    """
    ranges = []
    for one in (matrix, matrix.T):
        inside = one != 0.0
        some = inside.any(axis=1)
        begin = np.where(some, inside.argmax(axis=1), 0)
        end = np.where(some, one.shape[1] - inside[:, ::-1].argmax(axis=1), 0)
        ranges.append(np.stack([begin, end], axis=1).ravel())
    return np.concatenate([*ranges, matrix.ravel()]).astype(float)


def multiply(
    theta: Any, first: int, place: int, m: int, n: int, transposed: int, work: Any, source: int, target: int
) -> None:
    """Write A v, or A^T v, in every lane: v is in the rows of `work` from `source`, the result from `target`.

    Sums run in the order of the entries, four at a time without another order of additions.  Zeros at both
    ends of a row are skipped, so that a matrix of diagonal blocks costs what its blocks cost.

    Parameters
    ----------
    theta, work : ndarray, shapes (rows, L)
    first : int
        The row of theta in which the first matrix begins.
    place : int
        How many numbers of other matrices come before this one.
    m, n : int
        The shape of A.
    transposed : int
        Whether A^T is meant.
    source, target : int
    """
    lanes = work.shape[1]
    flat = theta.reshape(-1)
    start = first * lanes + place
    entries = start + 2 * m + 2 * n
    ranges = start + 2 * m if transposed else start
    down, along = (1, n) if transposed else (n, 1)
    for i in range(n if transposed else m):
        to = target + i
        for lane in range(lanes):
            work[to, lane] = 0.0
        k, end = int(flat[ranges + 2 * i]), int(flat[ranges + 2 * i + 1])
        entry = entries + i * down + k * along
        while k + 4 <= end:
            a, b, c, d = flat[entry], flat[entry + along], flat[entry + 2 * along], flat[entry + 3 * along]
            u = source + k
            v, w, z = u + 1, u + 2, u + 3
            for lane in range(lanes):
                one, two = a * work[u, lane], b * work[v, lane]
                work[to, lane] = work[to, lane] + one + two + c * work[w, lane] + d * work[z, lane]
            k += 4
            entry += 4 * along
        while k < end:
            a, u = flat[entry], source + k
            for lane in range(lanes):
                work[to, lane] += a * work[u, lane]
            k += 1
            entry += along
