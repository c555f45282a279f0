"""SGD on a quadratic with a power-law spectrum, in expectation and without sampling.

f(x) = 1 + (1/2) sum lam_i x_i^2 with lam_i = i^-1.5 and x_i^2 = i^-0.6 at the start; the gradient of a step
has noise of variance s lam_i in coordinate i, independent over steps.  Then e_i = E x_i^2 follows e_i <- (1 -
eta lam_i)^2 e_i + eta^2 s lam_i exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


def losses(
    rates: Array, *, d: int = 2000, spectrum: float = 1.5, start: float = 0.6, noise: float = 0.25
) -> Array:
    """Return E f(x_{t+1}) after each step t, one row for each schedule.

    Parameters
    ----------
    rates : ndarray, shape (k, T)
        Step sizes eta_t of k schedules.
    d : int
        Dimension.
    spectrum, start : float
        Exponents of the curvatures i^-spectrum and of the squared start i^-start.
    noise : float
        s: variance of a gradient over the curvature.

    Returns
    -------
    ndarray, shape (k, T)
    """
    i = np.arange(1.0, d + 1.0)
    curvature = i**-spectrum
    e = np.tile(i**-start, (len(rates), 1))
    out = np.empty(np.shape(rates))
    for t, eta in enumerate(np.asarray(rates, dtype=float).T):
        shrink = 1.0 - eta[:, None] * curvature
        e = shrink * shrink * e + (noise * eta[:, None] ** 2) * curvature
        out[:, t] = 1.0 + 0.5 * (e @ curvature)
    return out
