"""One-bit compressors: a sign per coordinate and a scale per block.  sgn(0) = +1, as one bit cannot say 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from theory_sim.compressors.compressor import Compressor, Field, FloatArray, word_bits
from theory_sim.compressors.floats import or_nan, rounded
from theory_sim.compressors.levels import size
from theory_sim.compressors.packing import floats, words
from theory_sim.rules import checks
from theory_sim.rules.language import Rule, total


def _square(p: float) -> float:
    return p * p


def _mean(total: float, d: int, word: float) -> float:
    """||p||_1 / d."""
    return or_nan(rounded(total / d, word))


def _root_mean(total: float, d: int, word: float) -> float:
    """||p|| / sqrt(d)."""
    return or_nan(rounded(math.sqrt(total / d), word))


def _sign(p: float, scale: float) -> float:
    """C(p) = scale sgn(p)."""
    return (scale if p >= 0.0 else -scale) + 0.0  # no -0


def _sides(p: float) -> tuple[float, float, float]:
    """What an entry adds to the sum of those < 0, to the sum of the others, and to the number of those < 0."""
    return (p, 0.0, 1.0) if p < 0.0 else (0.0, p, 0.0)


def _means(below: float, above: float, negative: float, d: int, word: float) -> tuple[float, float]:
    low = rounded(below / max(negative, 1.0), word)
    high = rounded(above / max(d - negative, 1.0), word)
    lost = 0.0 * low + 0.0 * high
    return low + lost, high + lost


def _mean_of_side(p: float, low: float, high: float) -> float:
    """C(p)_i = the mean of the entries on the side of p_i: those < 0, or those >= 0."""
    return low if p < 0.0 else high


def _signs(
    name: str, term: Rule, once: Rule, error: Any, idempotent: bool, paper: str, block: int, width: int
) -> dict[str, Any]:
    """Return the fields that l1_sign and rms_sign share."""

    def blocks(d: int) -> int:
        return -(-d // (block or d))

    def encode(x: FloatArray, y: FloatArray, u: FloatArray) -> Sequence[Field]:
        scales = np.abs(y[:: block or len(y)])
        return [(words(scales, width), width), (np.signbit(y).astype(np.uint64), 1)]

    def decode(d: int, scales: Any, negative: Any) -> FloatArray:
        each = np.repeat(floats(scales, width), block or d)[:d]
        return np.where(negative == 1, -each, each)

    return {
        "name": name,
        "rule": _sign,
        "reductions": {"total": total(term)},
        "once": once,
        "shared": ("scale",),
        "hyper": {"block": float(block), "word": float(width)},
        "error": error,
        "layout": lambda d: [(blocks(d), width), (d, 1)],
        "encode": encode,
        "decode": decode,
        "idempotent": idempotent,
        "paper": paper,
        "arguments": {"block": block, "word": width},
    }


def l1_sign(block: int = 0, word: int = 32) -> Compressor:
    """Scaled sign, C(x) = (||x_b||_1 / |b|) sgn(x) on each block b (Karimireddy et al. 2019, arXiv:1901.09847).

    The error is ||x||^2 - sum ||x_b||_1^2 / |b| exactly, so delta = 1 / max |b|, attained by a one-hot block.

    Parameters
    ----------
    block : int
        Coordinates per block, 0 for one block; the last one may be shorter.
    word : {32, 64}
        Bits of a scale in the message.  A 32-bit scale makes the map idempotent in floating point, because
        the mean of d equal 24-bit numbers is exact.
    """
    block = checks.count("block", block, 0)

    def error(d: int) -> float:
        return 1.0 - 1.0 / (min(block, d) or d)

    width = word_bits(word)
    return Compressor(
        **_signs("l1_sign", size, _mean, error, width == 32, "karimireddy2019", block, width),
        family=l1_sign,
    )


def rms_sign(block: int = 0, word: int = 32) -> Compressor:
    """C(x) = (||x_b|| / sqrt |b|) sgn(x) on each block b, the compressor of 1-bit Adam as DeepSpeed wrote it.

    The error is 2 ||x||^2 (1 - ||x||_1 / (sqrt d ||x||)), at worst 2 (1 - 1/sqrt d): no contraction for
    d >= 5 (Tang et al. 2021, arXiv:2102.02888, assume a bounded error instead).  The sum of squares overflows
    to NaN beyond 1e154 and vanishes below 1e-162.

    Parameters
    ----------
    block : int
        Coordinates per block, 0 for one block.
    word : {32, 64}
        Bits of a scale in the message.
    """
    block = checks.count("block", block, 0)

    def error(d: int) -> float:
        return 2.0 * (1.0 - 1.0 / math.sqrt(min(block, d) or d))

    return Compressor(
        **_signs("rms_sign", _square, _root_mean, error, False, "onebitadam2021", block, word_bits(word)),
        family=rms_sign,
    )


def two_mean(word: int = 32) -> Compressor:
    """The two-mean bit: each entry becomes the mean of the entries of its sign (Seide et al. 2014).

    The best code with one bit per coordinate split at 0; the error never exceeds that of
    `l1_sign`, and delta = 1/d.

    Parameters
    ----------
    word : {32, 64}
        Bits of a mean in the message.
    """
    width = word_bits(word)

    def encode(x: FloatArray, y: FloatArray, u: FloatArray) -> Sequence[Field]:
        negative = x < 0.0
        means = [y[side][0] if side.any() else 0.0 for side in (negative, ~negative)]
        return [(words(np.array(means), width), width), (negative.astype(np.uint64), 1)]

    def decode(d: int, means: Any, negative: Any) -> FloatArray:
        low, high = floats(means, width)
        return np.asarray(np.where(negative == 1, low, high))

    return Compressor(
        name="two_mean",
        rule=_mean_of_side,
        reductions={("below", "above", "negative"): total(_sides)},
        once=_means,
        shared=("low", "high"),
        hyper={"word": float(width)},
        error=lambda d: 1.0 - 1.0 / d,
        layout=lambda d: [(2, width), (d, 1)],
        encode=encode,
        decode=decode,
        paper="seide2014",
        family=two_mean,
        arguments={"word": width},
    )
