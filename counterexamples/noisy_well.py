"""E'(x) plus zero-mean noise of unit shape: Student's t, whose tail defeats every step size, or Gaussian.

E is the well of `counterexamples.generalized_smooth`.  With g = E'(x) + sigma zeta, E zeta = 0 and E
zeta^2 = 1 the noise satisfies E g^2 <= sigma^2 + |E'|^2.  One step from anywhere has the tail of zeta,
and E' is exponential in it, so for Student's t E|E'(x_t)| is infinite from t = 1 on, for every step size
and momentum (cf. Wang et al. 2024, arXiv:2403.15146, stochastic lower bound).  `escape_probability` says
how long a path survives.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from counterexamples import generalized_smooth
from counterexamples.objectives import well, well_slope
from theory_sim.nouns import noise
from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.rules import checks

PAPER = "wang2024separability"

Array = np.ndarray[Any, np.dtype[np.float64]]


def noisy_well_gradient(x: float, L0: float, L1: float, noise: float) -> float:
    """Return E'(x) + sigma zeta."""
    return well_slope(x, L0, L1) + noise


def noisy_well_measure(x: float, L0: float, L1: float) -> tuple[float, float, float]:
    """Return f - f*, |f'| and |x|."""
    gap, slope = well(x, L0, L1)
    return gap, slope, abs(x)


def _tail(nu: float) -> float:
    """1/nu, 0 for the Gaussian."""
    return 0.0 if nu == math.inf else 1.0 / checks.number("nu", nu, 2.0, open_low=True)


@family
def noisy_well(
    L0: float = 1.0, L1: float = 1.0, sigma: float = 1.0, nu: float = 3.0, delta: float = 8.0
) -> Problem:
    """E(x; L0, L1) on the line with gradients E'(x) + sigma zeta.

    Parameters
    ----------
    L0, L1 : float
        > 0.
    sigma : float
        Standard deviation of the noise, >= 0.
    nu : float
        Degrees of freedom of zeta, > 2 so that the variance exists; ``math.inf`` is the Gaussian.
    delta : float
        E(x_1) - E*, > 0.

    Returns
    -------
    Problem
        Measures: gap, gradient_norm, distance |x|.  Facts: L0, L1, gap = delta, M = |E'(x_1)|;
        sigma0 = sigma and sigma1 = 1 of E g^2 <= sigma0^2 + sigma1^2 |E'|^2; mean_absolute = E|zeta|;
        kurtosis = E zeta^4 if nu > 4.
    """
    tail = _tail(nu)
    quiet = generalized_smooth.well(L0, L1, delta)
    checks.number("sigma", sigma, 0.0)
    facts = {name: quiet.facts[name] for name in ("L0", "L1", "gap", "M")}
    facts |= {"sigma0": sigma, "sigma1": 1.0, "mean_absolute": mean_absolute(nu)}
    if nu > 4.0:
        facts["kurtosis"] = 3.0 * (1.0 - 2.0 * tail) / (1.0 - 4.0 * tail)
    return Problem(
        name="noisy_well",
        gradient=noisy_well_gradient,
        constants={**quiet.constants, "sigma": sigma, "tail": tail},
        noise=noise.STUDENT,
        measure=noisy_well_measure,
        measures=("gap", "gradient_norm", "distance"),
        start=quiet.start,
        optimum=0.0,
        rule=quiet.rule,
        facts=facts,
        paper=PAPER,
    )


def mean_absolute(nu: float) -> float:
    """Return E|zeta|: sqrt(2/pi), for Student 2 sqrt(nu-2) Gamma((nu+1)/2)/(sqrt(pi) Gamma(nu/2) (nu-1))."""
    if _tail(nu) == 0.0:
        return math.sqrt(2.0 / math.pi)
    ratio = math.exp(math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu))
    return 2.0 * math.sqrt(nu - 2.0) * ratio / (math.sqrt(math.pi) * (nu - 1.0))


def survival(z: Any, nu: float) -> Array:
    """Return P(zeta > z)."""
    from scipy.special import ndtr, stdtr

    values = np.asarray(z, dtype=float)
    tail = _tail(nu)
    return np.asarray(ndtr(-values) if tail == 0.0 else stdtr(nu, -values / math.sqrt(1.0 - 2.0 * tail)))


def capped_gradient(K: float, x0: float, lr: float, nu: float, sigma: float = 1.0) -> float:
    """Return log10 of E min(|E'(x_2)|, K) after a step x_2 = x0 - lr (E'(x0) + sigma zeta), L0 = L1 = 1.

    E min(Y, K) = K int_0^inf e^-r P(Y > K e^-r) dr, and Y = |E'(x)| > y iff |x| > 1 + ln y (|x| > y if
    y <= 1). With lr replaced by lr (1 - momentum) it is the first step of SGD with momentum, EMA convention.
    """
    from scipy.integrate import quad

    checks.number("K", K, 1.0)
    centre, scale = x0 - lr * well_slope(x0, 1.0, 1.0), lr * sigma

    def integrand(r: float) -> float:
        log_y = math.log(K) - r
        edge = 1.0 + log_y if log_y > 0.0 else math.exp(log_y)
        beyond = survival((edge - centre) / scale, nu) + survival((edge + centre) / scale, nu)
        return math.exp(-r) * float(beyond)

    # The last factors of e below K, where P(Y > y) is still small, and the rest, where e^-r is.
    split = (0.0, *np.linspace(5.0, math.log(K) + 40.0, 40))
    total = sum(
        quad(integrand, a, b, epsabs=0.0, epsrel=1e-8, limit=200)[0] for a, b in itertools.pairwise(split)
    )
    return math.log10(K) + math.log10(total)


def escape_point(lr: float) -> float:
    """Return x_c > 1 with lr E'(x_c) = 2 x_c, L0 = L1 = 1: gradient descent from beyond it diverges.

    Raises
    ------
    ValueError
        Unless 0 < lr < 2, the steps that are stable at the minimum.
    """
    from scipy.optimize import brentq

    checks.number("lr", lr, 0.0, 2.0, open_low=True, open_high=True)
    low = max(1.0, math.log(2.0 / lr))
    return float(brentq(lambda x: math.log(lr) + x - 1.0 - math.log(2.0 * x), low, low + 60.0))


def kick_escapes(
    z: Any, lr: float, momentum: float, steps: int = 1_000
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return whether one noise value z, at rest at the minimum, throws the noiseless path to infinity.

    SGD with momentum, EMA convention, L0 = L1 = sigma = 1.
    """
    m = -(1.0 - momentum) * np.asarray(z, dtype=float)
    x = np.zeros_like(m)
    out = np.zeros(m.shape, dtype=bool)
    for _ in range(steps):
        x = x - lr * m
        out |= np.abs(x) > 700.0  # the next gradient is beyond 1e303
        x, m = np.where(out, 0.0, x), np.where(out, 0.0, m)
        slope = np.where(np.abs(x) <= 1.0, x, np.sign(x) * np.exp(np.abs(x) - 1.0))
        m = momentum * m + (1.0 - momentum) * slope
    return out | (np.abs(x) > 1.0)


def escape_probability(lr: float, nu: float, momentum: float = 0.0) -> float:
    """Return the probability per step that one kick at rest is large enough to escape.

    Without momentum 2 P(lr zeta > x_c).  With momentum the escaping kicks are no half-line: islands of
    kicks that return lie among them, so the set is resolved on 2000 points of [1/lr, 400/lr], and beyond
    it taken as escaping.
    """
    momentum = checks.beta("momentum", momentum)
    if momentum == 0.0:
        return 2.0 * float(survival(escape_point(lr) / lr, nu))
    checks.number("lr", lr, 0.0, 2.0 * (1.0 + momentum) / (1.0 - momentum), open_low=True, open_high=True)
    edges = np.geomspace(1.0, 400.0, 2_001) / lr
    inside = kick_escapes(np.sqrt(edges[1:] * edges[:-1]), lr, momentum)
    return 2.0 * float(-np.diff(survival(edges, nu)) @ inside + survival(edges[-1], nu))


def median_escape_time(lr: float, nu: float, momentum: float = 0.0) -> float:
    """Return ln 2/p, the median number of steps until a kick escapes; inf if p underflows."""
    p = escape_probability(lr, nu, momentum)
    return math.log(2.0) / p if p > 0.0 else math.inf


PROBLEMS = [noisy_well]
