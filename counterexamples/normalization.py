"""Weights whose scale does not matter, as those before a normalisation layer, and stacks of residual blocks.

f(c w) = f(w) for all c > 0 makes the gradient orthogonal to w and of size 1/||w||: every step of gradient descent makes w
longer, and its effect on the direction smaller.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from theory_sim.nouns.family import family
from theory_sim.nouns.noise import UNIFORM
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import total

PAPER = "lyle2024"
RULE = Rule("gap", converged=0.05, diverged=2.0, relative=True)

FloatArray = NDArray[np.float64]


def _forms(x: float, a: float) -> tuple[float, float]:
    return x * x, a * x * x


def _along(x: float, noise: float) -> float:
    return x * noise


def _slope(x: float, a: float, square: float, form: float, decay: float) -> float:
    """(a_i - w.A.w/|w|^2) w_i/|w|^2 + decay w_i."""
    return (a - form / square) * x / square + decay * x


def _noisy_slope(
    x: float, a: float, square: float, form: float, along: float, decay: float, noise: float
) -> float:
    """The same, plus the noise's part orthogonal to w over |w|."""
    return _slope(x, a, square, form, decay) + (noise - along * x / square) / math.sqrt(square)


def _terms(x: float, a: float, square: float, form: float) -> tuple[float, float]:
    slope = _slope(x, a, square, form, 0.0)
    return slope * slope, slope * x


def _measures(
    square: float, form: float, slope_square: float, radial: float, least: float
) -> tuple[float, float, float, float, float, float]:
    gap = 0.5 * form / square - 0.5 * least
    return gap, slope_square, slope_square * square, math.sqrt(square), square * square, radial


@family
def rayleigh(
    d: int = 10, sigma: float = 0.0, decay: float = 0.0, condition: float = 10.0, *, size: float = 1.0
) -> Problem:
    """f(w) = w.A.w/(2 |w|^2) + decay |w|^2/2, A diagonal: without decay it depends on the direction of w only.

    Parameters
    ----------
    d : int
        >= 2.
    sigma : float
        >= 0, the standard deviation of the noise of f's gradient at |w| = 1 in each coordinate, before its part along w is
        removed; it falls as 1/|w|, as that of mini-batches of a scale-invariant loss does.
    decay : float
        >= 0, weight decay as a penalty, so that SGD makes w <- (1 - lr decay) w - lr g.
    condition : float
        > 1; the entries of A are evenly spaced from 1/condition to 1.
    size : float
        > 0, |w_1|.

    Returns
    -------
    Problem
        Measures: gap of the direction; gradient_square; direction_square, |w|^2 |grad f|^2; length |w|; length4, |w|^4; radial, w.grad f, 0
        up to rounding.  All without noise and decay.
    """
    checks.count("d", d, 2)
    noisy = checks.number("sigma", sigma, 0.0) > 0.0
    a = np.linspace(1.0 / checks.number("condition", condition, 1.0, open_low=True), 1.0, d)
    start = checks.number("size", size, 0.0, open_low=True) / math.sqrt(d)
    return Problem(
        name="normalization.rayleigh",
        gradient=_noisy_slope if noisy else _slope,
        constants={
            "a": tuple(a.tolist()),
            "least": float(a[0]),
            "decay": checks.number("decay", decay, 0.0),
            **({"sigma": sigma} if noisy else {}),
        },
        dim=d,
        noise=UNIFORM if noisy else None,
        reductions={
            ("square", "form"): total(_forms),
            **({"along": total(_along)} if noisy else {}),
            ("slope_square", "radial"): total(_terms),
        },
        measure=_measures,
        measures=("gap", "gradient_square", "direction_square", "length", "length4", "radial"),
        start=start,
        rule=RULE,
        paper=PAPER,
    )


# Residual stacks


def layer_norm(x: FloatArray) -> FloatArray:
    """Return (x - mean)/standard deviation over the first axis, without gain, bias or eps."""
    centred = x - x.mean(axis=0)
    return np.asarray(centred / np.sqrt(np.mean(centred**2, axis=0)))


def _none(x: FloatArray) -> FloatArray:
    return x


# Of a block with branch h: what goes into h, what comes out of it, what the sum goes through.
PLACES: dict[str, tuple[Callable[[FloatArray], FloatArray], ...]] = {
    "none": (_none, _none, _none),
    "pre": (layer_norm, _none, _none),
    "post": (_none, _none, layer_norm),
    "peri": (layer_norm, layer_norm, _none),
}


def residual_stack(
    place: str,
    gains: tuple[float, ...] = (1.0,),
    blocks: int = 40,
    d: int = 256,
    inputs: int = 8,
    seed: int = 0,
) -> FloatArray:
    """Return the variance of the activations after every block of random residual blocks, shape (gains, blocks).

    A branch is h(u) = gain W_2 max(gain W_1 u, 0), entries of W_1 and W_2 normal with variances 1/d and 2/d, so that it keeps the
    variance at gain 1.  With layers before it the variance after k blocks is 1 + k gain^4 in expectation; with layers
    after it too, 1 + k (Peri-LN, Kim et al. 2025, arXiv:2502.02732).

    Parameters
    ----------
    place : {"none", "pre", "post", "peri"}
        Where layer norm is.
    gains : tuple of float
    blocks, d, inputs, seed : int
        The same weights and inputs serve every gain and place.
    """
    checks.known("place", place, PLACES)
    before, after, around = PLACES[place]
    random = np.random.default_rng([2502, checks.count("seed", seed, 0)])
    start = random.standard_normal((d, inputs))
    states = [start.copy() for _ in gains]
    found = np.empty((len(gains), blocks))
    for k in range(blocks):
        first = random.standard_normal((d, d)) / math.sqrt(d)
        second = random.standard_normal((d, d)) * math.sqrt(2.0 / d)
        for g, gain in enumerate(gains):
            branch = (
                gain * gain * (second @ np.maximum(first @ before(states[g]), 0.0))
            )  # gain max(z, 0) = max(gain z, 0)
            states[g] = around(states[g] + after(branch))
            found[g, k] = float(np.mean(np.var(states[g], axis=0)))
    return found


PROBLEMS = [rayleigh]
