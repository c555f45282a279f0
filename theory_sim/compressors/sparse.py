"""Sparse compressors: k of the d coordinates arrive, the others decode to 0.

Kernels, not rules: which coordinates arrive is a choice among all of them, by sorting or by a
draw one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theory_sim.compressors.compressor import Compressor, Field, FloatArray, index_bits, word_bits
from theory_sim.compressors.packing import floats, words
from theory_sim.rules import checks


def top_k_kernel(p: Any, u: Any, hyper: Any, out: Any) -> None:
    """C(p) keeps the k entries of largest |p_i|; of equal ones the first."""
    d, lanes = p.shape
    k = int(hyper[0])
    kept = np.empty((k, lanes), np.int64)  # by decreasing magnitude
    least = np.full(lanes, -1.0)  # of the kept magnitudes, once there are k
    lost = np.zeros(lanes)
    for i in range(d):
        for lane in range(lanes):
            out[i, lane] = 0.0
            lost[lane] += 0.0 * p[i, lane]
        for lane in range(lanes):
            size = abs(p[i, lane])
            if i < k or size > least[lane]:
                j = min(i, k - 1)
                while j > 0 and abs(p[kept[j - 1, lane], lane]) < size:
                    kept[j, lane] = kept[j - 1, lane]
                    j -= 1
                kept[j, lane] = i
                if i >= k - 1:
                    least[lane] = abs(p[kept[k - 1, lane], lane])
    for j in range(k):
        for lane in range(lanes):
            value = p[kept[j, lane], lane]
            if hyper[1] == 32.0:
                value = float(np.float32(value))
            out[kept[j, lane], lane] = value
    for i in range(d):
        for lane in range(lanes):
            out[i, lane] += lost[lane]


def rand_k_kernel(p: Any, u: Any, hyper: Any, out: Any) -> None:
    """C(p) keeps k entries drawn by selection sampling, times d/k if scaled."""
    d, lanes = p.shape
    factor = d / hyper[0] if hyper[1] == 1.0 else 1.0
    left = np.full(lanes, hyper[0])
    lost = np.zeros(lanes)
    for i in range(d):
        offset = np.uint64(i + 1) * np.uint64(0x9E3779B97F4A7C15)
        for lane in range(lanes):
            z = np.uint64(u[0, lane] * 4294967296.0) + offset
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
            chosen = (d - i) * (float(z >> np.uint64(11)) * 1.1102230246251565e-16) < left[lane]
            value = p[i, lane]
            lost[lane] += 0.0 * value
            if hyper[2] == 32.0:
                value = float(np.float32(value))
            out[i, lane] = value * factor if chosen else 0.0
            left[lane] -= 1.0 if chosen else 0.0
    for i in range(d):
        for lane in range(lanes):
            out[i, lane] += lost[lane]


def selection(seed: int, d: int, k: int) -> Any:
    """Return the k of d indices, in increasing order, that the 32-bit seed of a `rand_k` message stands for.

    Index i is taken with probability (missing) / (d - i), by the hash number i + 1 of SplitMix64 (Steele, Lea
    and Flood 2014) started at the seed: Knuth's Algorithm S, so that all subsets are equally likely.
    """
    mask = 0xFFFFFFFFFFFFFFFF
    indices: list[int] = []
    for i in range(d):
        z = (seed + (i + 1) * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        if (d - i) * (((z ^ (z >> 31)) >> 11) * 2.0**-53) < k - len(indices):
            indices.append(i)
    return np.array(indices)


def _at_most(k: int) -> Any:
    def require(d: int) -> None:
        if k > d:
            raise ValueError(f"k = {k} exceeds the d = {d} coordinates of a message; use k <= {d}.")

    return require


def top_k(k: int, word: int = 32) -> Compressor:
    """Top-k: the k entries of largest magnitude (Stich, Cordonnier and Jaggi 2018, arXiv:1809.07599).

    delta = k/d, attained when all |x_i| are equal.  Of equal magnitudes the lowest index is kept.  An entry
    that is not finite makes the whole message NaN.

    Parameters
    ----------
    k : int
        Entries kept; a message is k floats and k indices of ceil(log2 d) bits.
    word : {32, 64}
        Bits of a float in the message.
    """
    k, width = checks.count("k", k), word_bits(word)

    def encode(x: FloatArray, y: FloatArray, u: FloatArray) -> Sequence[Field]:
        kept = np.sort(np.argsort(y == 0.0, kind="stable")[:k])
        return [(kept, index_bits(len(y))), (words(y[kept], width), width)]

    def decode(d: int, kept: Any, values: Any) -> FloatArray:
        y = np.zeros(d)
        y[kept.astype(int)] = floats(values, width)
        return y

    return Compressor(
        name="top_k",
        rule=top_k_kernel,
        hyper={"k": float(k), "word": float(width)},
        error=lambda d: 1.0 - k / d,
        layout=lambda d: [(k, index_bits(d)), (k, width)],
        encode=encode,
        decode=decode,
        idempotent=True,
        paper="stich2018",
        require=_at_most(k),
        family=top_k,
        arguments={"k": k, "word": width},
    )


def rand_k(k: int, scaled: bool = False, word: int = 32) -> Compressor:
    """Rand-k: k entries drawn without replacement (Stich, Cordonnier and Jaggi 2018, arXiv:1809.07599).

    E ||C(x) - x||^2 = (1 - k/d) ||x||^2 for every x, delta = k/d; scaled by d/k the map is unbiased and
    omega = d/k - 1, again for every x.  The message carries the seed of the draw, see `selection`, so the law
    is that of 2^32 seeds.  An entry that is not finite makes the whole message NaN.

    Parameters
    ----------
    k : int
        Entries kept; a message is k floats and a seed of 32 bits.
    scaled : bool
        Whether the receiver multiplies by d/k.
    word : {32, 64}
        Bits of a float in the message.
    """
    k, scaled, width = checks.count("k", k), checks.flag("scaled", scaled), word_bits(word)

    def encode(x: FloatArray, y: FloatArray, u: FloatArray) -> Sequence[Field]:
        seed = int(u[0] * 2.0**32)
        return [(np.array([seed]), 32), (words(x[selection(seed, len(x), k)], width), width)]

    def decode(d: int, seed: Any, values: Any) -> FloatArray:
        y = np.zeros(d)
        y[selection(int(seed[0]), d, k)] = floats(values, width) * (d / k if scaled else 1.0) + 0.0  # no -0
        return y

    return Compressor(
        name="rand_k",
        rule=rand_k_kernel,
        hyper={"k": float(k), "scaled": float(scaled), "word": float(width)},
        error=lambda d: d / k - 1.0 if scaled else 1.0 - k / d,
        layout=lambda d: [(1, 32), (k, width)],
        encode=encode,
        decode=decode,
        draws=lambda d: 1,
        unbiased=scaled,
        paper="stich2018",
        require=_at_most(k),
        family=rand_k,
        arguments={"k": k, "scaled": scaled, "word": width},
    )
