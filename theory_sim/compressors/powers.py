"""Powers of two: each entry keeps its sign and an exponent, 9 bits, without any scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from theory_sim.compressors.compressor import Compressor, Field, FloatArray
from theory_sim.compressors.floats import power_below
from theory_sim.rules import checks
from theory_sim.rules.language import Rule


def _in_range(power: float, size: float) -> float:
    """Return what 8 bits of exponent make of the power of two beside a magnitude."""
    if size < 1.1754943508222875e-38:
        return 0.0
    return math.inf if power > 3.402823669209385e38 else power


def _random(p: float, u: float, shrink: float) -> float:
    """C(p)_i = sgn(p_i) times one of the two powers of two around |p_i|, with mean |p_i|."""
    size = abs(p)
    low = power_below(size)
    power = _in_range(low * 2.0 if u * low < size - low else low, size)
    return math.copysign(power, p) * shrink + 0.0 * p


def _nearest(p: float) -> float:
    """C(p)_i = sgn(p_i) times the power of two nearest to |p_i|, the larger one half-way."""
    size = abs(p)
    low = power_below(size)
    power = _in_range(low * 2.0 if size >= 1.5 * low else low, size)
    return math.copysign(power, p) + 0.0 * p


def _power(
    name: str, rule: Rule, hyper: dict[str, float], error: Callable[[int], float], factor: float
) -> dict[str, Any]:
    """Return the fields both maps share: the code 0 means 0, the code c the power 2^(c - 127), c = 1 ... 255."""

    def encode(x: FloatArray, y: FloatArray, u: FloatArray) -> Sequence[Field]:
        mantissa, exponent = np.frexp(y / factor)
        return [(np.signbit(y), 1), (np.where(mantissa != 0.0, exponent + 126, 0), 8)]

    def decode(d: int, negative: Any, code: Any) -> FloatArray:
        power = np.ldexp((code > 0) * 1.0, code.astype(int) - 127) * factor
        return np.asarray(np.where(negative == 1, -power, power))

    return {
        "name": name,
        "rule": rule,
        "hyper": hyper,
        "error": error,
        "layout": lambda d: [(d, 1), (d, 8)],
        "encode": encode,
        "decode": decode,
        "paper": "natural2019",
    }


def natural(shrink: float = 1.0) -> Compressor:
    """Natural compression: random rounding to a neighbouring power of two (Horvath et al. 2019, arXiv:1905.10988).

    omega = 1/8 exactly, attained when all |x_i| = 4/3 2^j.  Proof.  The variance at t 2^j, t in [1, 2], is
    (2 - t)(t - 1) 4^j, and (2 - t)(t - 1)/t^2 is largest, 1/8, at t = 4/3.

    The 8 exponent bits reach from 2^-126 to 2^128: an entry below is flushed to 0, an image above
    is infinite, and an entry that is not finite decodes to NaN, alone.  The constants are those
    of vectors in between.

    Parameters
    ----------
    shrink : float
        Factor a in (0, 1] on the image; a = 8/9 gives a contraction with delta = 8/9.  The error is
        a^2/8 + (1 - a)^2 times ||x||^2.
    """
    shrink = checks.number("shrink", shrink, 0.0, 1.0, open_low=True)

    def error(d: int) -> float:
        return shrink**2 / 8.0 + (1.0 - shrink) ** 2

    return Compressor(
        **_power("natural", _random, {"shrink": shrink}, error, shrink),
        unbiased=shrink == 1.0,
        family=natural,
        arguments={"shrink": shrink},
    )


def nearest_power() -> Compressor:
    """The nearest power of two, the deterministic rule beside `natural`, with the same range.

    It errs by at most |x_i|/3, so delta = 8/9, attained when all |x_i| = 3/2 2^j; half-way it
    takes the larger power.
    """
    return Compressor(
        **_power("nearest_power", _nearest, {}, lambda d: 1.0 / 9.0, 1.0),
        idempotent=True,
        family=nearest_power,
    )
