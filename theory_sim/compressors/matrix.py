"""Low rank: the message as a matrix, cut to its largest singular values.

A kernel, not a rule: a factorization is no reduction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from theory_sim.compressors.compressor import Compressor, Field, FloatArray, word_bits
from theory_sim.compressors.packing import floats, words
from theory_sim.rules import build, checks, tile


def low_rank_kernel(p: Any, u: Any, hyper: Any, out: Any) -> None:
    """C(p) = sum over k <= rank of s_k a_k b_k^T, the largest singular triples; or their factors, for the code."""
    d, lanes = p.shape
    rank, rows = int(hyper[0]), int(hyper[1])
    if rows == 0:
        rows = int(math.sqrt(d))
        while d % rows > 0:
            rows -= 1
    columns = d // rows
    matrix = np.empty((rows, columns))
    for lane in range(lanes):
        largest = 0.0
        lost = 0.0
        for i in range(d):
            largest = max(largest, abs(p[i, lane]))
            lost += 0.0 * p[i, lane]
        for i in range(d):
            # The factorization refuses numbers that are not finite.
            matrix[i // columns, i % columns] = p[i, lane] / largest if lost == 0.0 and largest > 0.0 else 0.0
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        for k in range(rank):
            for i in range(rows):
                left[i, k] *= values[k] * largest
                if hyper[2] == 32.0:
                    left[i, k] = float(np.float32(left[i, k]))
            for j in range(columns):
                if hyper[2] == 32.0:
                    right[k, j] = float(np.float32(right[k, j]))
        if hyper[3] == 1.0:
            for k in range(rank):
                for i in range(rows):
                    out[k * rows + i, lane] = left[i, k]
                for j in range(columns):
                    out[rank * rows + k * columns + j, lane] = right[k, j]
        else:
            for i in range(rows):
                for j in range(columns):
                    total = lost
                    for k in range(rank):
                        total += left[i, k] * right[k, j]
                    out[i * columns + j, lane] = total


def low_rank(rank: int, rows: int = 0, word: int = 32) -> Compressor:
    """The best approximation of a given rank of the message as a matrix, rows x d/rows, row by row.

    What PowerSGD approximates by one step of subspace iteration (Vogels et al. 2019, arXiv:1905.13727).
    delta = rank / min(rows, d/rows), attained when all singular values are equal.  An entry that is not
    finite makes the whole message NaN.

    Parameters
    ----------
    rank : int
        Singular values kept.
    rows : int
        Rows of the matrix, a divisor of d; 0 takes the largest divisor up to sqrt(d).
    word : {32, 64}
        Bits of a float in the message, which carries the rank (rows + d/rows) entries of two factors.
    """
    rank, rows, width = checks.count("rank", rank), checks.count("rows", rows, 0), word_bits(word)

    def shape(d: int) -> tuple[int, int]:
        a = rows or next(a for a in range(math.isqrt(d), 0, -1) if d % a == 0)
        return a, d // a

    def require(d: int) -> None:
        if rows and d % rows:
            raise ValueError(
                f"rows = {rows} does not divide the d = {d} coordinates of a message; use a divisor."
            )
        if rank > min(shape(d)):
            raise ValueError(
                f"rank = {rank} exceeds that of a {shape(d)} matrix; use rank <= {min(shape(d))}."
            )

    def factors(d: int) -> int:
        return rank * sum(shape(d))

    def encode(x: FloatArray, y: FloatArray, u: FloatArray) -> Sequence[Field]:
        out = np.empty((factors(len(x)), 1))
        build.compiled(tile.raw("compress", low_rank_kernel))(
            x[:, None].copy(), u[:, None].copy(), np.array([rank, rows, width, 1.0]), out
        )
        return [(words(out[:, 0], width), width)]

    def decode(d: int, entries: Any) -> FloatArray:
        a, b = shape(d)
        sent = floats(entries, width)
        left, right = sent[: rank * a].reshape(rank, a), sent[rank * a :].reshape(rank, b)
        total = np.zeros((a, b))
        for k in range(rank):
            total += left[k][:, None] * right[k]
        return total.ravel()

    return Compressor(
        name="low_rank",
        rule=low_rank_kernel,
        hyper={"rank": float(rank), "rows": float(rows), "word": float(width), "factors": 0.0},
        error=lambda d: 1.0 - rank / min(shape(d)),
        layout=lambda d: [(factors(d), width)],
        encode=encode,
        decode=decode,
        paper="powersgd2019",
        require=require,
        family=low_rank,
        arguments={"rank": rank, "rows": rows, "word": width},
    )
