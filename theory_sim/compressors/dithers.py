"""Dithers: |x_i| / ||x|| rounded at random to one of its two neighbours in a set of levels, without bias."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from theory_sim.compressors.compressor import Compressor, Field, FloatArray, index_bits, word_bits
from theory_sim.compressors.floats import or_nan, power_below, rounded
from theory_sim.compressors.levels import scale_of, size
from theory_sim.compressors.packing import floats, words
from theory_sim.rules import checks
from theory_sim.rules.language import Reductions, Rule, largest, total


def _ratio(p: float, peak: float) -> float:
    """|p_i| / ||p||_inf."""
    return abs(p) / peak if peak > 0.0 else 0.0


def _square_ratio(p: float, peak: float) -> float:
    ratio = _ratio(p, peak)
    return ratio * ratio


def _sum_norm(peak: float, total: float, word: float) -> float:
    return or_nan(rounded(peak * total, word))


def _euclidean_norm(peak: float, total: float, word: float) -> float:
    return or_nan(rounded(peak * math.sqrt(total), word))


# By the order of the norm: its reductions, relative to the largest entry, and the rule that joins them.
NORMS: dict[float, tuple[Reductions, Rule]] = {
    1.0: ({"peak": largest(size), "total": total(_ratio)}, _sum_norm),
    2.0: ({"peak": largest(size), "total": total(_square_ratio)}, _euclidean_norm),
    math.inf: ({"peak": largest(size)}, scale_of),
}


def _signed(value: float, p: float) -> float:
    return (value if p >= 0.0 else -value) + 0.0  # no -0


def _linear(p: float, u: float, norm: float, levels: float, shrink: float) -> float:
    """C(p)_i = sgn(p_i) ||p|| l_i, l_i one of the two multiples of 1/s around |p_i| / ||p||, with that mean."""
    ratio = min(_ratio(p, norm), 1.0)
    low = np.floor(ratio * levels)
    level = low + (1.0 if u < ratio * levels - low else 0.0)
    return _signed(norm / levels * shrink * level, p)


def _geometric(p: float, u: float, norm: float, levels: float, shrink: float) -> float:
    """C(p)_i = sgn(p_i) ||p|| l_i, l_i one of 0, 2^(1-s), ..., 1/2, 1 around |p_i| / ||p||, with that mean."""
    ratio = min(_ratio(p, norm), 1.0)
    lowest = 2.0 ** (1.0 - levels)
    if ratio < lowest:
        level = lowest if u < ratio / lowest else 0.0
    else:
        low = power_below(ratio)
        level = low * (2.0 if u < ratio / low - 1.0 else 1.0)
    return _signed(norm * shrink * level, p)


def _norm(x: FloatArray, order: float, width: int) -> FloatArray:
    """Return the norm (1,) as the rule sums it: in order, relative to the largest entry."""
    peak = np.abs(x).max()
    ratio = np.abs(x) / peak if peak > 0.0 else np.zeros_like(x)
    powers = {1.0: ratio, 2.0: ratio * ratio, math.inf: np.ones(1)}[order]
    added = np.cumsum(powers)[-1]
    norm = np.array([peak * (np.sqrt(added) if order == 2.0 else added)])
    return floats(words(norm, width), width)


def _dither(
    name: str,
    order: float,
    levels: int,
    geometric: bool,
    shrink: float,
    word: int,
    omega: Callable[[int], float],
) -> dict[str, Any]:
    """Return the fields that all dithers share; the levels are j/s or, if geometric, 2^(j - s), j = 1 ... s, and 0."""
    width, entry = word_bits(word), index_bits(levels + 1)
    shrink = checks.number("shrink", shrink, 0.0, 1.0, open_low=True)

    reductions, once = NORMS[order]

    def scale(norm: FloatArray) -> FloatArray:
        return norm * shrink if geometric else norm / levels * shrink

    def encode(x: FloatArray, y: FloatArray, u: FloatArray) -> Sequence[Field]:
        norm = _norm(x, order, width)
        code = np.zeros(len(y))
        code[y != 0.0] = np.abs(y[y != 0.0]) / scale(norm)
        if geometric:
            code[y != 0.0] = levels + np.log2(code[y != 0.0])
        return [(words(norm, width), width), (np.signbit(y), 1), (np.rint(code), entry)]

    def decode(d: int, norm: Any, negative: Any, code: Any) -> FloatArray:
        level = code.astype(float)
        if geometric:
            level[code > 0] = 2.0 ** (level[code > 0] - levels)
        size = scale(floats(norm, width)) * level
        return np.asarray(np.where(negative == 1, -size, size))

    return {
        "name": name,
        "rule": _geometric if geometric else _linear,
        "hyper": {"levels": float(levels), "shrink": shrink, "word": float(width)},
        "reductions": reductions,
        "once": once,
        "shared": ("norm",),
        "error": lambda d: shrink**2 * omega(d) + (1.0 - shrink) ** 2,
        "layout": lambda d: [(1, width), (d, 1), (d, entry)],
        "encode": encode,
        "decode": decode,
        "unbiased": shrink == 1.0,
    }


def qsgd(levels: int, shrink: float = 1.0, word: int = 32) -> Compressor:
    """QSGD with s levels: |x_i| / ||x|| dithered to the multiples of 1/s (Alistarh et al. 2017, arXiv:1610.02132).

    omega = sqrt(d)/s - 1 exactly if s <= sqrt(d)/2, attained when all |x_i| are equal, and omega <= d/(4 s^2)
    above; the published min(d/s^2, sqrt(d)/s) is up to 4 times as large.  Proof.  With l_i = s |x_i| / ||x||
    and h(l) = frac(l) (1 - frac(l)) the error is ||x||^2 / s^2 sum h(l_i).  Let l_0 = s / sqrt(d) <= 1/2.
    Then h(l) <= l_0/2 + (1 - 2 l_0)/(2 l_0) l^2: on [0, 1] the gap is (l - l_0)^2 / (2 l_0), beyond use
    h <= 1/4.  Sum over i with sum l_i^2 = s^2.  The second regime is h <= 1/4.

    Parameters
    ----------
    levels : int
        Levels s above 0, at most 2^31.
    shrink : float
        Factor a in (0, 1] on the image; a = 1/(1 + omega) gives a contraction with delta = a.  The error is
        a^2 omega + (1 - a)^2 times ||x||^2.
    word : {32, 64}
        Bits of the norm in the message; every entry takes 1 + ceil(log2(s + 1)).
    """
    levels = int(checks.number("levels", checks.count("levels", levels), 1, 2**31))

    def omega(d: int) -> float:
        root = math.sqrt(d) / levels
        return root - 1.0 if root >= 2.0 else root**2 / 4.0

    return Compressor(
        **_dither("qsgd", 2.0, levels, False, shrink, word, omega),
        exact=False,
        paper="qsgd2017",
        family=qsgd,
        arguments={"levels": levels, "shrink": shrink, "word": word},
    )


def terngrad(shrink: float = 1.0, word: int = 32) -> Compressor:
    """TernGrad: ||x||_inf sgn(x_i) with probability |x_i| / ||x||_inf, else 0 (Wen et al. 2017, arXiv:1705.07878).

    omega = (sqrt(d) - 1)/2 exactly, attained at (1, a, ..., a) with a = 1/(1 + sqrt(d)).  Proof.  The error is
    ||x||_inf ||x||_1 - ||x||^2; at ||x||_inf = 1 its ratio to ||x||^2 is largest with the other n = d - 1 entries
    equal, and (1 + n a)/(1 + n a^2) is largest there.

    Parameters
    ----------
    shrink : float
        Factor a in (0, 1] on the image, as for `qsgd`.
    word : {32, 64}
        Bits of the norm in the message; every entry takes 2, its sign and whether it is 0.
    """
    return Compressor(
        **_dither("terngrad", math.inf, 1, False, shrink, word, lambda d: (math.sqrt(d) - 1.0) / 2.0),
        paper="terngrad2017",
        family=terngrad,
        arguments={"shrink": shrink, "word": word},
    )


def natural_dithering(levels: int, p: float = 2, shrink: float = 1.0, word: int = 32) -> Compressor:
    """Natural dithering: |x_i| / ||x||_p dithered to 0, l = 2^(1-s), ..., 1/2, 1 (Horvath et al. 2019, arXiv:1905.10988).

    Let A = l d^(1/min(p, 2)).  For p = 1 and 2, omega = A - 1 exactly if A >= 9/4, attained when all |x_i|
    are equal, and omega <= 1/8 + 2 A^2 / 9 below.  For p = inf, omega = (sqrt(1 + (d-1) l^2) - 1)/2 exactly
    where that is >= 1/8, attained at (1, a, ..., a), and omega <= 1/8 below.  The published bound is 1/8 + A
    min(1, A).  Proof.  For t = |x_i| / ||x||_p the variance h(t) is t (l - t) below l and at most t^2/8 above
    (see `natural`).  Thus h(t) <= l t_0/2 + (l/(2 t_0) - 1) t^2 for every t_0 <= 4 l/9: below l the gap is l
    (t - t_0)^2 / (2 t_0).  Sum over i with t_0 = min(d^(-1/p), 4 l/9) and sum t_i^2 >= d^(1 - 2/p) (p <= 2).
    For p = inf the entry t = 1 has no error: with c = (sqrt(1 + n l^2) - 1)/2, n = d - 1, max(h(t) - c
    t^2) = l^2 / (4 (1 + c)) = c/n.

    Parameters
    ----------
    levels : int
        Levels s above 0, at most 1000.
    p : {1, 2, inf}
        Order of the norm.
    shrink : float
        Factor a in (0, 1] on the image, as for `qsgd`.
    word : {32, 64}
        Bits of the norm in the message; every entry takes 1 + ceil(log2(s + 1)).
    """
    levels = int(checks.number("levels", checks.count("levels", levels), 1, 1000))
    if p not in (1, 2, math.inf):
        raise ValueError(f"p = {p!r} must be 1, 2 or inf, the order of the norm.")
    lowest = 2.0 ** (1 - levels)

    def omega(d: int) -> float:
        if p == math.inf:
            return max(0.125, (math.sqrt(1.0 + (d - 1) * lowest**2) - 1.0) / 2.0)
        size = lowest * math.pow(d, 1.0 / p)
        return size - 1.0 if size >= 2.25 else 0.125 + 2.0 * size**2 / 9.0

    return Compressor(
        **_dither("natural_dithering", float(p), levels, True, shrink, word, omega),
        exact=False,
        paper="natural2019",
        family=natural_dithering,
        arguments={"levels": levels, "p": p, "shrink": shrink, "word": word},
    )
