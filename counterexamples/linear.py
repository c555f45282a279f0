"""Random linear losses f_t(x) = g_t . x on the box [-1, 1]^d, for which regret and hindsight are exact.

Online convex optimisation as Reddi, Kale, Kumar (2018, arXiv:1904.09237, section 2) set it up: the
gradients do not depend on x, the comparator is the best fixed corner, and every regret bound can be
evaluated on both sides.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from theory_sim.nouns.family import family
from theory_sim.nouns.noise import Noise
from theory_sim.nouns.problem import Problem
from theory_sim.rules import checks

PAPER = "reddi2018"

FloatArray = NDArray[np.float64]

_UNIFORM = {"density": 1.0, "spread": 1.0, "tail": 0.0, "bias": 0.05, "amplitude": 0.0, "period": 1.0}
MODELS = {
    "uniform": _UNIFORM,
    "sparse": {**_UNIFORM, "density": 0.02, "spread": 50.0, "tail": 3.0},
    "drifting": {**_UNIFORM, "bias": 0.0, "amplitude": 1.0, "period": 3000.0},
}


def _drawn(u: float, v: float, density: float, spread: float, tail: float, bias: float) -> float:
    s = 2.0 * v - 1.0
    return spread * (s + bias) * abs(s) ** tail if u < density else 0.0


def _mean(density: float, spread: float, tail: float, bias: float) -> float:
    return density * spread * bias / (1.0 + tail)


JUMPS = Noise("jumps", _drawn, draws=2, mean=_mean)
"""[u < ``density``] ``spread`` (s + ``bias``) |s|^``tail``, s uniform on [-1, 1]."""


def linear_gradient(t: int, i: int, d: int, noise: float, amplitude: float, period: float) -> float:
    """Return noise + amplitude sin(2 pi (t/period + i/d))."""
    return noise + amplitude * math.sin(6.283185307179586 * (t / period + i / d))


@family
def linear(model: str = "uniform", d: int = 3, *, domain: bool = True) -> Problem:
    """f_t(x) = g_t . x with bounded independent or drifting g_t, started at 0.

    Parameters
    ----------
    model : {"uniform", "sparse", "drifting"}
        uniform: signs and sizes uniform, mean 0.05.  sparse: zero 98 times in 100, else up to 52.5 with a
        heavy tail.  drifting: a sine of period 3000, out of phase between coordinates, plus uniform noise, so
        that the best fixed corner changes.
    d : int
        Number of coordinates.
    domain : bool
        Whether x is confined to [-1, 1]^d.

    Returns
    -------
    Problem
        facts: G bounds abs(g_{t,i}), D_inf = 2.
    """
    checks.known("model", model, MODELS)
    rows = MODELS[model]
    return Problem(
        name="linear.linear",
        unjudged="A linear function has no minimiser.",
        gradient=linear_gradient,
        constants=rows,
        dim=checks.count("d", d),
        noise=JUMPS,
        domain=(-1.0, 1.0) if checks.flag("domain", domain) else None,
        facts={"G": rows["spread"] * (1.0 + rows["bias"]) + rows["amplitude"], "D_inf": 2.0},
        paper=PAPER,
    )


def hindsight_regret(g: FloatArray, x: FloatArray) -> FloatArray:
    """R_T = sum_t g_t . x_t - min over the box [-1, 1]^d of sum_t g_t . x, for every T.

    Parameters
    ----------
    g, x : ndarray, shape (T, d, ...)
        Gradients and iterates x_1 ... x_T; the trailing axes are broadcast.

    Returns
    -------
    ndarray, shape (T, ...)
        The minimum is attained at a corner: minus the sum of abs(sum_t g_{t,i}).
    """
    played: FloatArray = np.cumsum(np.sum(g * x, axis=1), axis=0)
    best: FloatArray = -np.sum(np.abs(np.cumsum(g, axis=0)), axis=1)
    return played - best


PROBLEMS = [linear]
