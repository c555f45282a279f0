"""Levels relative to the largest entry: ||x_b||_inf on each block b times the nearest level to x_i / ||x_b||_inf."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from theory_sim.compressors.compressor import Compressor, Field, FloatArray, index_bits, word_bits
from theory_sim.compressors.floats import or_nan, rounded
from theory_sim.compressors.packing import floats, words
from theory_sim.rules import checks
from theory_sim.rules.language import Rule, largest


def size(p: float) -> float:
    """|p_i|."""
    return abs(p)


def scale_of(peak: float, word: float) -> float:
    """||p||_inf as the message has it; NaN unless all entries are finite."""
    return or_nan(rounded(peak, word))


def _power(p: float, scale: float, k: float) -> float:
    """C(p) = ||p||_inf times the nearest of 0, +-2^-k, ..., +-1/2, +-1."""
    smallest = 2.0**-k
    ratio = abs(p) / scale if scale > 0.0 else 0.0
    # Half a mantissa carries into the exponent from 1.5 on.
    bits = np.float64(ratio).view(np.uint64) + np.uint64(0x0008000000000000)
    power = np.uint64(bits & np.uint64(0x7FF0000000000000)).view(np.float64)
    level = min(max(power, smallest), 1.0) if ratio >= 0.5 * smallest else 0.0
    return math.copysign(scale * level, p) + 0.0 * scale


def _signed_size(p: float, signed: float) -> float:
    """|p_i|; without signs an entry < 0 has no image."""
    return abs(p) if (p >= 0.0) | (signed == 1.0) else math.nan


def _multiple(p: float, scale: float, levels: float) -> float:
    """C(p) = ||p||_inf times the nearest of 0, +-1/s, ..., +-1."""
    ratio = min(abs(p) / scale, 1.0) if scale > 0.0 else 0.0
    level = np.rint(ratio * levels) / levels
    return math.copysign(scale * level, p) + 0.0 * scale


def blockwise(
    name: str,
    rule: Rule,
    hyper: dict[str, float],
    block: int,
    width: int,
    error: Callable[[int], float],
    code: Callable[[FloatArray], Any],
    level: Callable[[Any], FloatArray],
    entry: int,
) -> dict[str, Any]:
    """Return the fields of a block-wise map; `code` and `level` translate levels in [-1, 1] and codes of `entry` bits."""

    def blocks(d: int) -> int:
        return -(-d // (block or d))

    def spread(scales: FloatArray, d: int) -> FloatArray:
        return np.repeat(scales, block or d)[:d]

    def encode(x: FloatArray, y: FloatArray, u: FloatArray) -> Sequence[Field]:
        d = len(x)
        peaks = np.maximum.reduceat(np.abs(x), np.arange(0, d, block or d))
        scales = floats(words(peaks, width), width)
        each = spread(scales, d)
        return [(words(scales, width), width), (code(y / np.where(each > 0.0, each, 1.0)), entry)]

    def decode(d: int, scales: Any, codes: Any) -> FloatArray:
        return spread(floats(scales, width), d) * level(codes) + 0.0  # no -0

    return {
        "name": name,
        "rule": rule,
        "hyper": hyper,
        "error": lambda d: error(min(block, d) or d),
        "layout": lambda d: [(blocks(d), width), (d, entry)],
        "encode": encode,
        "decode": decode,
    }


def log_levels(k: int, block: int = 0, word: int = 32) -> Compressor:
    """Q_g of QAdam: ||x||_inf times the nearest of 0, +-2^-k, ..., +-1/2, +-1 (Chen et al. 2021, arXiv:2004.14180).

    1 - delta = (d-1) max(1/(4^(k+1) + d - 1), 1/(16 + 9 (d - 1))) exactly, for the d coordinates of a block;
    attained at (1, t, ..., t) with t = 2^-(k+1), the edge of the dead zone, or t = 3/4.  Half-way the level
    of larger magnitude is taken.  An entry that is not finite makes its block NaN.

    Parameters
    ----------
    k : int
        Exponent of the smallest level, at most 1000.
    block : int
        Coordinates per block, 0 for one block; the last one may be shorter.
    word : {32, 64}
        Bits of a scale in the message; every entry takes ceil(log2(2 k + 3)).
    """
    k = int(checks.number("k", checks.count("k", k, 0), 0, 1000))
    block, width = checks.count("block", block, 0), word_bits(word)

    def error(d: int) -> float:
        return max((d - 1) / (4.0 ** min(k + 1, 500) + d - 1), (d - 1) / (16 + 9 * (d - 1)))

    def code(t: FloatArray) -> Any:
        exponent = np.frexp(t)[1] - 1  # -k ... 0
        return np.where(t == 0.0, 0, np.where(t < 0.0, k + 1, 0) + exponent + k + 1)

    def level(codes: Any) -> FloatArray:
        codes = codes.astype(int)
        negative = codes > k + 1
        power = np.ldexp((codes > 0) * 1.0, codes - np.where(negative, k + 1, 0) - k - 1)
        return np.asarray(np.where(negative, -power, power))

    hyper = {"k": float(k), "block": float(block), "word": float(width)}
    return Compressor(
        **blockwise("log_levels", _power, hyper, block, width, error, code, level, index_bits(2 * k + 3)),
        reductions={"peak": largest(size)},
        once=scale_of,
        shared=("scale",),
        idempotent=True,
        paper="qadam2021",
        family=log_levels,
        arguments={"k": k, "block": block, "word": word},
    )


def _uniform(name: str, s: int, signed: bool, block: int, word: int) -> dict[str, Any]:
    """Return the fields of the nearest multiple of 1/s, in [-1, 1] or, without signs, in [0, 1]."""
    block, width = checks.count("block", block, 0), word_bits(word)

    def error(d: int) -> float:
        return (d - 1) / (4.0 * s**2 + d - 1)

    def code(t: FloatArray) -> Any:
        return np.rint(t * s) + (s if signed else 0)

    def level(codes: Any) -> FloatArray:
        return np.asarray((codes.astype(float) - (s if signed else 0)) / s)

    hyper = {"levels": float(s), "block": float(block), "signed": float(signed), "word": float(width)}
    entry = index_bits((2 * s if signed else s) + 1)
    return {
        **blockwise(name, _multiple, hyper, block, width, error, code, level, entry),
        "reductions": {"peak": largest(_signed_size)},
        "once": scale_of,
        "shared": ("scale",),
    }


def uniform(bits: int, block: int = 0, word: int = 32) -> Compressor:
    """||x||_inf times the nearest of 0, +-1/s, ..., +-1, s = 2^(bits-1) - 1 levels on either side.

    1 - delta = (d-1)/(4 s^2 + d - 1) exactly, for the d coordinates of a block, attained at (1, t, ..., t)
    with t = 1/(2 s).  Half-way the even level is taken.  An entry that is not finite makes its block NaN.

    Parameters
    ----------
    bits : int
        Bits of an entry, 2 ... 32.
    block : int
        Coordinates per block, 0 for one block; the last one may be shorter.
    word : {32, 64}
        Bits of a scale in the message.
    """
    bits = int(checks.number("bits", checks.count("bits", bits), 2, 32))
    return Compressor(
        **_uniform("uniform", 2 ** (bits - 1) - 1, True, block, word),
        idempotent=True,
        family=uniform,
        arguments={"bits": bits, "block": block, "word": word},
    )


def linear8(block: int = 256, signed: bool = True, word: int = 32) -> Compressor:
    """The linear 8-bit map of optimizer states (Dettmers et al. 2022, arXiv:2110.02861): 1/127 or 1/255 apart.

    Signed it is `uniform` with 8 bits.  Without signs it acts on vectors >= 0, and the constants are those of
    such vectors; an entry < 0 makes its block NaN.

    Parameters
    ----------
    block : int
        Coordinates per block, 0 for one block.
    signed : bool
        Whether the levels are -1 ... 1 (first moment) or 0 ... 1 (second moment).
    word : {32, 64}
        Bits of a scale in the message.
    """
    signed = checks.flag("signed", signed)
    return Compressor(
        **_uniform("linear8", 127 if signed else 255, signed, block, word),
        idempotent=True,
        paper="dettmers2022",
        family=linear8,
        arguments={"block": block, "signed": signed, "word": word},
    )
