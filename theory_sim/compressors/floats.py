"""Casts: each entry rounded to the nearest float of a shorter format, ties to even."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from theory_sim.compressors.compressor import Compressor, Field, FloatArray, word_bits
from theory_sim.compressors.packing import floats, words


def rounded(value: float, word: float) -> float:
    """Return a value as the floats of 32 or 64 bits of a message say it."""
    return float(np.float32(value)) if word == 32.0 else value


def or_nan(value: float) -> float:
    """Return a value, or NaN for an infinite one."""
    return value + 0.0 * value


def power_below(size: float) -> float:
    """Return the largest power of two <= size, from the bits of its exponent; 0 below the normal range."""
    return np.uint64(np.float64(size).view(np.uint64) & np.uint64(0x7FF0000000000000)).view(np.float64)


def _sent(p: float, word: float) -> float:
    """C(p) = p, in the words of the message."""
    return or_nan(rounded(p, word))


def _nearest(p: float, spacing: float, smallest: float, largest: float) -> float:
    """C(p)_i = the nearest multiple of the spacing of floats at p_i, infinite beyond the largest float."""
    unit = max(power_below(p), smallest) * spacing
    near = np.rint(p / unit) * unit
    return (math.copysign(math.inf, near) if abs(near) > largest else near) + 0.0 * p


def identity(word: int = 32) -> Compressor:
    """No compression: C(x) = x, sent as floats.  An entry that is not finite decodes to NaN, alone.

    Parameters
    ----------
    word : {32, 64}
        Bits of a float in the message.  With 64 every bit of x arrives.
    """
    width = word_bits(word)
    return Compressor(
        name="identity",
        rule=_sent,
        hyper={"word": float(width)},
        error=lambda d: 0.0,
        layout=lambda d: [(d, width)],
        encode=lambda x, y, u: [(words(y, width), width)],
        decode=lambda d, entries: floats(entries, width),
        unbiased=True,
        idempotent=True,
        family=identity,
        arguments={"word": width},
    )


def _cast(name: str, digits: int, exponent: int, family: Any, encode: Any, decode: Any) -> Compressor:
    """Return the cast to a format of `digits` significant bits whose largest exponent is `exponent`."""
    unit = 2.0**-digits
    return Compressor(
        name=name,
        rule=_nearest,
        hyper={
            "spacing": 2.0 * unit,
            "smallest": 2.0 ** (1 - exponent),
            "largest": (2.0 - 2.0 * unit) * 2.0**exponent,
        },
        error=lambda d: (unit / (1.0 + unit)) ** 2,
        layout=lambda d: [(d, 16)],
        encode=encode,
        decode=decode,
        idempotent=True,
        family=family,
    )


def fp16() -> Compressor:
    """The cast to IEEE half precision: 11 significant bits, exponents -14 ... 15, subnormals down to 2^-24.

    An entry in the normal range [6.1e-5, 65504] errs by at most u / (1 + u) of itself, u = 2^-11, attained at
    1 + u; the constants are those of vectors in that range.  Below it the absolute error is at most 2^-25,
    from 65520 on the image is infinite.
    """

    def encode(x: FloatArray, y: FloatArray, u: FloatArray) -> Sequence[Field]:
        return [(y.astype(np.float16).view(np.uint16), 16)]

    def decode(d: int, entries: Any) -> FloatArray:
        return np.asarray(entries.astype(np.uint16).view(np.float16).astype(float))

    return _cast("fp16", 11, 15, fp16, encode, decode)


def bf16() -> Compressor:
    """The cast to bfloat16: 8 significant bits, the exponents -126 ... 127 of a 32-bit float, subnormals to 2^-133.

    An entry in the normal range [1.2e-38, 3.39e38] errs by at most u / (1 + u) of itself, u = 2^-8,
    attained at 1 + u; the constants are those of vectors in that range.  The rounding is from 64 bits,
    without a stop at 32.
    """

    def encode(x: FloatArray, y: FloatArray, u: FloatArray) -> Sequence[Field]:
        return [(y.astype(np.float32).view(np.uint32) >> np.uint32(16), 16)]

    def decode(d: int, entries: Any) -> FloatArray:
        return floats(entries << np.uint64(16), 32)

    return _cast("bf16", 8, 127, bf16, encode, decode)
