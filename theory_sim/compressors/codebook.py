"""The dynamic 8-bit map: ||x_b||_inf on each block b times the nearest of 256 levels to x_i / ||x_b||_inf.

A kernel, not a rule: it searches a table of levels, all lanes in step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theory_sim.compressors.compressor import Compressor, FloatArray, word_bits
from theory_sim.compressors.levels import blockwise
from theory_sim.rules import checks


def codebook_kernel(p: Any, u: Any, hyper: Any, out: Any) -> None:
    """C(p) = ||p_b||_inf times the nearest of the levels hyper[2:]; without signs an entry < 0 has no image."""
    d, lanes = p.shape
    block = d if hyper[0] == 0.0 else int(hyper[0])
    levels = hyper[2:]
    ratio = np.empty(lanes)
    found = np.empty(lanes, np.int64)
    for first in range(0, d, block):
        last = min(first + block, d)
        for lane in range(lanes):
            out[first, lane] = 0.0
        for i in range(first, last):
            for lane in range(lanes):
                size = abs(p[i, lane]) if (p[i, lane] >= 0.0) | (hyper[2] < 0.0) else math.nan
                scale = out[first, lane]
                out[first, lane] = size if (size > scale) | math.isnan(size) else scale
        for lane in range(lanes):
            scale = out[first, lane]
            if hyper[1] == 32.0:
                scale = float(np.float32(scale))
            out[first, lane] = scale + 0.0 * scale
        for j in range(first, last):
            i = first + last - 1 - j
            for lane in range(lanes):
                scale = out[first, lane]
                ratio[lane] = p[i, lane] / scale if scale > 0.0 else 0.0
                found[lane] = 0
            step = levels.size // 2  # a power of two
            while step > 0:
                for lane in range(lanes):
                    above = found[lane] + step
                    middle = 0.5 * (levels[above - 1] + levels[above])
                    found[lane] = above if ratio[lane] > middle else found[lane]
                step //= 2
            for lane in range(lanes):
                scale = out[first, lane]
                out[i, lane] = scale * levels[found[lane]] + 0.0 * scale


def worst_ratio(levels: FloatArray, d: int) -> float:
    """Return sup ||C(x) - x||^2 / ||x||^2 over one block of d entries, for the nearest of some levels in [-1, 1].

    At ||x||_inf = 1 with one entry a = 1 or, if there are levels < 0, a = -1, the ratio is largest when the
    other n = d - 1 entries are equal: (e(a)^2 + n e(t)^2) / (1 + n t^2), e the distance to the levels.
    Between two midpoints of levels e(t)^2 - c t^2 is convex for c < 1, so t is a midpoint, or +-1.

    Parameters
    ----------
    levels : ndarray of float, shape (n,)
        Increasing, with 0 among them.
    d : int
        Coordinates of the block.
    """
    ends = np.array([1.0]) if levels[0] == 0.0 else np.array([-1.0, 1.0])
    t = np.concatenate([(levels[1:] + levels[:-1]) / 2.0, ends])
    own, others = (np.abs(v[:, None] - levels).min(axis=1) ** 2 for v in (ends, t))
    return float(((own[:, None] + (d - 1) * others) / (1.0 + (d - 1) * t**2)).max())


def dynamic_levels(signed: bool = True) -> FloatArray:
    """Return the 256 levels (256,) of the dynamic map, increasing (Dettmers et al. 2022, the map of bitsandbytes).

    The midpoints of 2^i equal intervals of [0.1, 1], or 2^(i+1) without signs, times 10^(i-6), i = 0 ... 6,
    with their negatives if signed, and 0 and 1.  The signed map has no -1: its lowest level is -0.99296875.
    """
    parts = []
    for i in range(7):
        edges = np.linspace(0.1, 1.0, 2 ** (i + (0 if signed else 1)) + 1)
        parts.append((edges[1:] + edges[:-1]) / 2.0 * 10.0 ** (i - 6))
    positive = np.concatenate(parts)
    return np.sort(np.concatenate([positive, -positive if signed else [], [0.0, 1.0]]))


def dynamic8(block: int = 256, signed: bool = True, word: int = 32) -> Compressor:
    """The dynamic 8-bit map of optimizer states, block by block (Dettmers et al. 2022, arXiv:2110.02861).

    The levels are those of `dynamic_levels`, the map of bitsandbytes, and an entry goes to the nearest one (that
    library, on a CPU, not always); the exact delta is found from them by `worst_ratio`.  As the
    signed map lacks -1, a largest entry that is negative shrinks by 0.7 %.  Half-way the lower level is
    taken.  An entry that is not finite makes its block NaN.  Without signs the map acts on vectors >= 0, and
    the constants are those of such vectors; an entry < 0 makes its block NaN.

    Parameters
    ----------
    block : int
        Coordinates per block, 0 for one block.
    signed : bool
        Whether there are levels below 0 (first moment) or not (second moment).
    word : {32, 64}
        Bits of a scale in the message.
    """
    signed = checks.flag("signed", signed)
    block, width = checks.count("block", block, 0), word_bits(word)
    levels = dynamic_levels(signed)
    middles = (levels[1:] + levels[:-1]) / 2.0
    hyper = {"block": float(block), "word": float(width)}
    hyper |= {f"level{i}": value for i, value in enumerate(levels.tolist())}
    return Compressor(
        **blockwise(
            "dynamic8",
            codebook_kernel,
            hyper,
            block,
            width,
            lambda d: worst_ratio(levels, d),
            lambda t: np.searchsorted(middles, t),
            lambda codes: np.asarray(levels[codes.astype(int)]),
            8,
        ),
        idempotent=not signed,
        paper="dettmers2022",
        family=dynamic8,
        arguments={"block": block, "signed": signed, "word": word},
    )
