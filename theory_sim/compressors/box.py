"""Weights on a fixed grid in a box: an absolute error, where the other compressors have a relative one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theory_sim import checks
from theory_sim.compressors.compressor import Compressor, Field, FloatArray


def weights_kernel(p: Any, u: Any, hyper: Any, out: Any) -> None:
    """C(p)_i = the nearest point of the grid h Z to p_i, or one of its two neighbours at random; clipped to the box."""
    d, lanes = p.shape
    spacing = 0.5 ** (hyper[0] + 1.0)
    if hyper[1] == 0.0:
        for i in range(d):
            for lane in range(lanes):
                point = np.rint(p[i, lane] / spacing) * spacing
                out[i, lane] = min(max(point, -0.5), 0.5) + 0.0 * abs(p[i, lane])
    else:
        for i in range(d):
            for lane in range(lanes):
                position = p[i, lane] / spacing
                low = np.floor(position)
                point = (low + (1.0 if u[i, lane] < position - low else 0.0)) * spacing
                out[i, lane] = min(max(point, -0.5), 0.5) + 0.0 * abs(p[i, lane])


def spacing(k: int) -> float:
    """Return h = 2^-(k+1), the distance of neighbouring weights of ``weights(k)``."""
    return 0.5 ** (checks.count("k", k, 0) + 1)


def weights(k: int, stochastic: bool = False) -> Compressor:
    """Q_x of QAdam: each weight at the nearest point of the grid of spacing h = 2^-(k+1) in [-1/2, 1/2].

    Source: Chen et al. 2021, arXiv:2004.14180.  Inside the box ||C(x) - x|| <= sqrt(d) h/2, attained at cell centres;
    the stochastic variant is unbiased there with E ||C(x) - x||^2 <= d h^2/4.  Outside the box the error has no bound.
    No delta or omega exists, as a small x decodes to 0; ask `spacing`.  Half-way the even multiple of h is taken.
    An entry that is not finite decodes to NaN, alone.

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
        kernel=weights_kernel,
        hyper={"k": float(k), "stochastic": float(stochastic)},
        error=error,
        size=lambda d: (k + 2) * d,
        layout=lambda d: [(d, k + 2)],
        encode=encode,
        decode=decode,
        draws=lambda d: d if stochastic else 0,
        idempotent=True,
        paper="qadam2021",
        family=weights,
        arguments={"k": k, "stochastic": stochastic},
    )
