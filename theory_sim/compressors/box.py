"""Weights on a fixed grid in a box: an absolute error, where the other compressors have a relative one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theory_sim.compressors.compressor import Compressor, Field, FloatArray
from theory_sim.rules import checks


def _clipped(point: float, p: float) -> float:
    return min(max(point, -0.5), 0.5) + 0.0 * abs(p)


def _nearest(p: float, k: float) -> float:
    """C(p)_i = the nearest point of the grid h Z to p_i, clipped to the box."""
    h = 0.5 ** (k + 1.0)
    return _clipped(np.rint(p / h) * h, p)


def _random(p: float, u: float, k: float) -> float:
    """C(p)_i = one of the two neighbours of p_i in the grid h Z, with mean p_i, clipped to the box."""
    h = 0.5 ** (k + 1.0)
    low = np.floor(p / h)
    return _clipped((low + (1.0 if u < p / h - low else 0.0)) * h, p)


def spacing(k: int) -> float:
    """Return h = 2^-(k+1), the distance of neighbouring weights of ``weights(k)``."""
    return 0.5 ** (checks.count("k", k, 0) + 1)


def weights(k: int, stochastic: bool = False) -> Compressor:
    """Q_x of QAdam: each weight at the nearest point of the grid of spacing h = 2^-(k+1) in [-1/2, 1/2].

    Source: Chen et al. 2021, arXiv:2004.14180.  Inside the box ||C(x) - x|| <= sqrt(d) h/2, attained at cell
    centres; the stochastic variant is unbiased there with E ||C(x) - x||^2 <= d h^2/4.  Outside the box the
    error has no bound.  No delta or omega exists, as a small x decodes to 0; ask `spacing`.  Half-way the
    even multiple of h is taken.  An entry that is not finite decodes to NaN, alone.

    Parameters
    ----------
    k : int
        Grid exponent, 0 ... 50; an entry takes k + 2 bits.
    stochastic : bool
        Whether a weight goes to one of its two neighbours at random, with mean x_i.
    """
    k, stochastic = (
        int(checks.number("k", checks.count("k", k, 0), 0, 50)),
        checks.flag("stochastic", stochastic),
    )
    half = 2**k

    def error(d: int) -> float:
        raise ValueError(
            f"weights(k={k}) has no relative constant, its error is absolute: sqrt(d)/2 times spacing({k}) in the box."
        )

    def encode(x: FloatArray, y: FloatArray, u: FloatArray) -> Sequence[Field]:
        return [(y / spacing(k) + half, k + 2)]

    def decode(d: int, codes: Any) -> FloatArray:
        return np.asarray((codes.astype(float) - half) * spacing(k))

    return Compressor(
        name="weights",
        rule=_random if stochastic else _nearest,
        hyper={"k": float(k)},
        error=error,
        layout=lambda d: [(d, k + 2)],
        encode=encode,
        decode=decode,
        idempotent=True,
        paper="qadam2021",
        family=weights,
        arguments={"k": k, "stochastic": stochastic},
    )
