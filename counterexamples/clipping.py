"""Clipped and normalised steps: gains on (L0, L1)-smooth functions and under heavy tails, bias under skewed noise.

Steps and their certificates: Zhang et al. 2020 (arXiv:1905.11881), Vankov et al. 2024 (arXiv:2410.10800).
Koloskova, Hendrikx, Stich 2023 (arXiv:2305.01588): with noise of variance sigma^2 clipped SGD need not
converge, its bias being of order min(sigma, sigma^2/c) for the threshold c.  Here the bias is exact.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from counterexamples.smooth import quadratic_gradient
from theory_sim.nouns import noise
from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.optimizers.clipped import clipped_gd, normalized_gd
from theory_sim.rules import checks
from theory_sim.rules.language import total

PAPER = "koloskova2023"
Array = np.ndarray[Any, Any]


def skewed_measure(x: float) -> tuple[float, float, float]:
    """Return |x|, x^2/2 and x."""
    return abs(x), 0.5 * x * x, x


@family
def skewed(sigma: float = 1.0, p: float = 0.2) -> Problem:
    """f = x^2/2 with noise sigma sqrt((1-p)/p) of probability p, else -sigma sqrt(p/(1-p)): variance sigma^2.

    Parameters
    ----------
    sigma : float
        > 0.
    p : float
        In (0, 1/2): the positive value is the larger one.

    Returns
    -------
    Problem
        Measures: gradient_norm, gap, position (x itself, for the mean of the path).  Facts: L0 = 1, L1 = 0,
        sigma, peak = sigma sqrt((1-p)/p), the threshold from which on nothing is clipped at the minimum.
    """
    checks.number("sigma", sigma, 0.0, open_low=True)
    checks.number("p", p, 0.0, 0.5, open_low=True, open_high=True)
    return Problem(
        name="clipping.skewed",
        gradient=quadratic_gradient,
        constants={"sigma": sigma, "p": p},
        noise=noise.SKEWED,
        measure=skewed_measure,
        measures=("gradient_norm", "gap", "position"),
        start=0.0,
        optimum=0.0,
        rule=Rule("gradient_norm", converged=0.01 * sigma, diverged=10.0 * sigma),
        facts={"L0": 1.0, "L1": 0.0, "sigma": sigma, "peak": sigma * math.sqrt((1.0 - p) / p)},
        paper=PAPER,
    )


def _spread(x: float) -> float:
    size = abs(x)
    return size / (1.0 + size)


def cauchy_measure(away: float, d: int) -> float:
    """Return the mean of |x_i|/(1 + |x_i|)."""
    return away / d


@family
def cauchy(heavy: float = 1.0, d: int = 20) -> Problem:
    """f = ||x||^2/2 from x_i = 1 with Cauchy noise, symmetric and without a mean, in each coordinate.

    Parameters
    ----------
    heavy : float
        Scale of the noise, > 0: the median of its size.
    d : int
        Independent copies.

    Returns
    -------
    Problem
        Measure: spread, the mean of |x_i|/(1 + |x_i|), which no single kick decides.

    Notes
    -----
    x_{t+1} = (1 - lr_t) x_t - lr_t zeta_t, and Cauchy variables add up by their scales: for lr_t in [0, 1] SGD
    ends at Pi + heavy (1 - Pi) zeta with Pi = prod (1 - lr_t) and zeta a standard Cauchy variable, so small
    steps do not help.  Zhang et al. 2020, Theorem 3 and Remark 1, have tails between this and a finite variance.
    """
    checks.number("heavy", heavy, 0.0, open_low=True)
    return Problem(
        name="clipping.cauchy",
        gradient=quadratic_gradient,
        constants={"heavy": heavy},
        dim=checks.count("d", d),
        noise=noise.CAUCHY,
        reductions={"away": total(_spread)},
        measure=cauchy_measure,
        measures=("spread",),
        start=1.0,
        optimum=0.0,
        # Of a standard Cauchy variable the mean spread is 0.5; windows span what steps lr/sqrt(t) forget.
        rule=Rule("spread", converged=0.2, diverged=0.35, window=0.25),
        facts={"L0": 1.0, "L1": 0.0},
        paper="zhang2020heavy",
    )


@family
def pareto(tail: float = 0.6, domain: bool = True) -> Problem:
    """f = x^2/2 with symmetric Pareto noise, P(size > s) = s^(-1/tail) for s >= 1, on [-1, 1] or free.

    Parameters
    ----------
    tail : float
        In (0, 1): moments below 1/tail are finite, the variance only for tail < 1/2.
    domain : bool
        Whether x is confined to [-1, 1].

    Returns
    -------
    Problem
        Measures: gradient_norm, gap, position.
    """
    checks.number("tail", tail, 0.0, 1.0, open_low=True, open_high=True)
    return Problem(
        name="clipping.pareto",
        gradient=quadratic_gradient,
        constants={"tail": tail},
        noise=noise.PARETO,
        measure=skewed_measure,
        measures=("gradient_norm", "gap", "position"),
        domain=(-1.0, 1.0) if checks.flag("domain", domain) else None,
        start=0.0,
        optimum=0.0,
        unjudged="Its claims compare floors, and how far single kicks throw.",
        facts={"L": 1.0, "mu": 1.0, **({"D_inf": 2.0} if domain else {})},
        paper="zhang2020heavy",
    )


def clipping_bias(sigma: Any, p: Any, c: Any) -> Array:
    """Return the zero of the mean of the clipped gradient of `skewed`: (p/(1-p)) (peak - c)_+.

    With the peak clipped and the other value not, the mean at x is p c + (1-p)(x - sigma sqrt(p/(1-p))).  At
    its zero the other value is -p c/(1-p), which is not clipped as p < 1/2, and x + peak >= c iff peak >= c.
    """
    sigma, p, c = (np.asarray(v, dtype=float) for v in (sigma, p, c))
    peak = sigma * np.sqrt((1.0 - p) / p)
    return np.asarray(p / (1.0 - p) * np.maximum(peak - c, 0.0))


def worst_bias(sigma: Any, c: Any) -> Array:
    """Return the supremum of `clipping_bias` over p: sigma - c, or if c >= sigma/2 sigma^2/(4c) at peak = 2c.

    With p/(1-p) = (sigma/peak)^2 the bias is sigma^2 (peak - c)/peak^2, and peak > sigma.
    """
    sigma, c = np.asarray(sigma, dtype=float), np.asarray(c, dtype=float)
    return np.asarray(np.where(2.0 * c >= sigma, sigma * sigma / (4.0 * c), sigma - c))


def phi(u: Any) -> Array:
    """e^u - 1 - u, without cancellation for small u."""
    u = np.asarray(u, dtype=float)
    series = u * u * (0.5 + u * (1.0 / 6.0 + u * (1.0 / 24.0 + u / 120.0)))
    return np.asarray(np.where(np.abs(u) < 1e-3, series, np.expm1(u) - u))


def phi_star(s: Any) -> Array:
    """(1 + s) ln(1 + s) - s, the conjugate of `phi`."""
    s = np.asarray(s, dtype=float)
    series = s * s * (0.5 - s * (1.0 / 6.0 - s * (1.0 / 12.0 - s / 20.0)))
    return np.asarray(np.where(s < 1e-3, series, (1.0 + s) * np.log1p(s) - s))


# L1 times the step of clipped GD with lr = 1/(9 (L0 + c L1)) is at most 1/9; with kappa = 2 phi(1/9) 81 the
# descent lemma leaves the share 1 - kappa/18 of lr min(G^2, c G).
CLIPPED_SHARE = 1.0 - 9.0 * float(phi(1.0 / 9.0))
KAPPA = 2.0 * float(phi(0.1)) / 0.01


def step_sizes(L0: float, L1: float, G: Array) -> dict[str, Array]:
    """The optimal step for the descent lemma and two simpler ones, from the longest to the shortest."""
    slope = L1 * G
    return {
        "optimal": np.log1p(slope / (L0 + slope)) / slope,
        "simple": 1.0 / (L0 + 1.5 * slope),
        "clipped": np.minimum(0.5 / L0 if L0 > 0.0 else np.inf, 1.0 / (3.0 * slope)),
    }


def theorem_rule(L0: float, L1: float) -> Optimizer:
    """Clipped GD with eta_c = 1/(10 L0), gamma = min(1/eta_c, 1/(10 L1 eta_c))."""
    return clipped_gd(0.1 / L0, min(10.0 * L0, L0 / L1))


def simple_rule(L0: float, L1: float) -> Optimizer:
    """The step 1/(L0 + 1.5 L1 ||g||)."""
    return normalized_gd(2.0 / (3.0 * L1), 2.0 * L0 / (3.0 * L1))


def halved_rule(L0: float, L1: float) -> Optimizer:
    """The step min(1/(2 L0), 1/(3 L1 ||g||))."""
    return clipped_gd(0.5 / L0, 2.0 * L0 / (3.0 * L1))


RULES = {"theorem": theorem_rule, "simple": simple_rule, "halved": halved_rule}


def complexity_bounds(rule: str, delta: float, eps: float, L0: float, L1: float) -> dict[str, float]:
    """Upper bounds on the first hit of eps from the gap delta.

    theorem: a step has length eta min(G, gamma) <= 1/(10 L1), so that f falls by at least
    (1 - KAPPA/10) eta min(G^2, gamma G).  simple, halved: by G^2/(2 L0 + 3 L1 G) and half of it.
    """
    if rule == "theorem":
        eta, gamma = 0.1 / L0, min(10.0 * L0, L0 / L1)
        certificate = delta / ((1.0 - 0.1 * KAPPA) * eta * min(eps * eps, gamma * eps))
        stated = 20.0 * L0 * delta / eps**2 + 20.0 * max(1.0, L1 * L1) * delta / L0
        return {"certificate": certificate, "Theorem 3": stated}
    share = 1.0 if rule == "simple" else 0.5
    return {"certificate": (2.0 * L0 * delta / eps**2 + 3.0 * L1 * delta / eps) / share}


PROBLEMS = [skewed, cauchy, pareto]
