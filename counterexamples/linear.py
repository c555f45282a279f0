"""Random linear losses f_t(x) = g_t . x on the box [-1, 1]^d, for which regret and hindsight are exact.

Online convex optimisation as Reddi, Kale, Kumar (2018, arXiv:1904.09237, section 2) set it up: the gradients do
not depend on x, the comparator is the best fixed corner, and every regret bound can be evaluated on both sides.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim import checks
from theory_sim.problem import Problem

PAPER = "reddi2018"

FloatArray = NDArray[np.float64]

# density, spread, tail, bias, amplitude, period: the rows that `linear_gradient` reads.
MODELS = {
    "uniform": (1.0, 1.0, 0.0, 0.05, 0.0, 1.0),
    "sparse": (0.02, 50.0, 3.0, 0.05, 0.0, 1.0),
    "drifting": (1.0, 1.0, 0.0, 0.0, 1.0, 3000.0),
}
_ROWS = ("density", "spread", "tail", "bias", "amplitude", "period")


def linear_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """[u < density] spread (s + bias) |s|^tail + amplitude sin(2 pi (t/period + i/d)), s uniform on [-1, 1]."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                s = 2.0 * noise[2 * (j * d + i) + 1, lane] - 1.0
                jump = theta[1, lane] * (s + theta[3, lane]) * abs(s) ** theta[2, lane]
                drawn = noise[2 * (j * d + i), lane] < theta[0, lane]
                turn = float(t) / theta[5, lane] + float(i) / float(d)
                wave = theta[4, lane] * math.sin(6.283185307179586 * turn)
                out[j, i, lane] = (jump if drawn else 0.0) + wave


def linear(model: str = "uniform", d: int = 3, *, domain: bool = True) -> Problem:
    """f_t(x) = g_t . x with bounded independent or drifting g_t, started at 0.

    Parameters
    ----------
    model : {"uniform", "sparse", "drifting"}
        uniform: signs and sizes uniform, mean 0.05.  sparse: zero 98 times in 100, else up to 52.5 with a heavy
        tail.  drifting: a sine of period 3000, out of phase between coordinates, plus uniform noise, so that the
        best fixed corner changes.
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
    rows = dict(zip(_ROWS, MODELS[model], strict=True))
    return Problem(
        name="linear.linear",
        gradient=linear_gradient,
        constants=rows,
        dim=checks.count("d", d),
        draws=2 * d,
        domain=(-1.0, 1.0) if domain else None,
        facts={"G": rows["spread"] * (1.0 + rows["bias"]) + rows["amplitude"], "D_inf": 2.0},
        paper=PAPER,
        family=linear,
        arguments={"model": model, "d": d, "domain": domain},
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
