"""Convex functions with bounded subgradients, the class for which learning-rate-free methods are analysed.

Each has a known minimiser, so that D, the distance of the start 0 from it, is known too: the measure "distance" at x_1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from theory_sim.nouns.family import family
from theory_sim.nouns.noise import UNIFORM
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.optimizers.parts import sign
from theory_sim.rules import checks
from theory_sim.rules.language import largest, norm, product, total

PAPER = "defazio2023dadaptation"
RULE = Rule("gap", converged=0.1, diverged=2.0, relative=True)

FloatArray = NDArray[np.float64]


def _steepness(x: float, centre: float, far: float) -> float:
    """1 on the side of the start 0, `far` beyond the minimiser."""
    return far if (x - centre) * centre > 0.0 else 1.0


def _absolute_slope(x: float, centre: float, far: float, noise: float = 0.0) -> float:
    return _steepness(x, centre, far) * sign(x - centre, 0.0) + noise


def _absolute_terms(x: float, centre: float, far: float) -> tuple[float, float]:
    return _steepness(x, centre, far) * abs(x - centre), (x - centre) * (x - centre)


def _gap_and_distance(gap: float, square: float) -> tuple[float, float]:
    return gap, math.sqrt(square)


def _centre(d: int, instance: int, spread: float) -> FloatArray:
    random = np.random.default_rng([2301, checks.count("instance", instance, 0)])
    scale = checks.number("spread", spread, 0.0, open_low=True)
    return scale * random.standard_normal(checks.count("d", d))


@family
def absolute(
    d: int = 20, instance: int = 0, sigma: float = 0.0, *, far: float = 1.0, spread: float = 1.0
) -> Problem:
    """f = ||x - c||_1 with c ~ N(0, spread^2 I), from x_1 = 0.

    Parameters
    ----------
    d : int
    instance : int
        Number of the random c.
    sigma : float
        >= 0, the standard deviation of uniform noise in every coordinate of the gradient.
    far : float
        In (0, 1], the slope of |x_i - c_i| beyond c_i, seen from the start.
    spread : float
        > 0, the scale of c, and so of D.

    Returns
    -------
    Problem
        Measures: gap f, distance ||x - c||.  Facts: mu = 0; without noise G = 1 and G_norm = sqrt(d).
    """
    centre = _centre(d, instance, spread)
    noisy = checks.number("sigma", sigma, 0.0) > 0.0
    return Problem(
        name="lipschitz.absolute",
        gradient=_absolute_slope,
        constants={
            "centre": tuple(centre.tolist()),
            "far": checks.number("far", far, 0.0, 1.0, open_low=True),
            **({"sigma": sigma} if noisy else {}),
        },
        dim=d,
        noise=UNIFORM if noisy else None,
        reductions={("gap", "square"): total(_absolute_terms)},
        measure=_gap_and_distance,
        measures=("gap", "distance"),
        rule=RULE,
        facts={"mu": 0.0, **({} if noisy else {"G": 1.0, "G_norm": math.sqrt(d)})},
        paper=PAPER,
    )


def _ridge_slope(x: float) -> float:
    return sign(x, 0.0) if x < 1.0 else -1.0 / (x * x)


def _ridge_measures(x: float) -> tuple[float, float]:
    return abs(x) if x < 1.0 else 1.0 / x, abs(x)


@family
def ridge(x0: float = 1.5) -> Problem:
    """f = |x| left of the ridge at 1 and 1/x right of it, where descent walks away from the minimiser 0 for ever.

    Not convex, and the reason why convexity is assumed: no method that follows subgradients can tell how far 0 is.

    Parameters
    ----------
    x0 : float
        Start, > 1 for one beyond the ridge.

    Returns
    -------
    Problem
        Measures: gap f, distance |x|.
    """
    return Problem(
        name="lipschitz.ridge",
        gradient=_ridge_slope,
        measure=_ridge_measures,
        measures=("gap", "distance"),
        start=checks.number("x0", x0),
        optimum=0.0,
        unjudged="Beyond the ridge f falls to its infimum and x goes away from the minimiser.",
        paper=PAPER,
    )


def _away(x: float, centre: float) -> float:
    return x - centre


def _size(image: float) -> float:
    return abs(image)


def _active(image: float, top: float) -> float:
    return sign(image, 0.0) if abs(image) >= top else 0.0 * image


def _pull(pull: float) -> float:
    return pull


def _chebyshev_measures(top: float, distance: float) -> tuple[float, float]:
    return top, distance


@family
def chebyshev(d: int = 10, instance: int = 0) -> Problem:
    """f = max_i |a_i . (x - c)| with d rows a_i ~ N(0, I/d) and c ~ N(0, I), from x_1 = 0: one active piece at a time.

    Parameters
    ----------
    d : int
    instance : int
        Number of the random data.

    Returns
    -------
    Problem
        Measures: gap f, distance ||x - c||.  Facts: mu = 0, and G_norm, the largest ||a_i||.
    """
    random = np.random.default_rng([2301, 1, checks.count("instance", instance, 0)])
    A = random.standard_normal((checks.count("d", d), d)) / math.sqrt(d)
    return Problem(
        name="lipschitz.chebyshev",
        gradient=_pull,
        constants={"centre": tuple(random.standard_normal(d).tolist())},
        dim=d,
        reductions={
            "image": product("A", _away),
            "top": largest(_size),
            "pull": product("A", _active, transposed=True),
            "distance": norm(_away),
        },
        measure=_chebyshev_measures,
        measures=("gap", "distance"),
        matrices={"A": A},
        rule=RULE,
        facts={"mu": 0.0, "G_norm": float(np.linalg.norm(A, axis=1).max())},
        paper=PAPER,
    )


def _log_cosh_slope(x: float, centre: float) -> float:
    return math.tanh(x - centre)


def _log_cosh_terms(x: float, centre: float) -> tuple[float, float]:
    z = abs(x - centre)
    return z + math.log1p(math.exp(-2.0 * z)) - math.log(2.0), z * z


@family
def log_cosh(d: int = 20, instance: int = 0, *, spread: float = 1.0) -> Problem:
    """f = sum log cosh(x_i - c_i) with c ~ N(0, spread^2 I), from x_1 = 0: the smooth one, a logistic loss of both signs.

    Parameters
    ----------
    d, instance, spread
        As in `absolute`.

    Returns
    -------
    Problem
        Measures: gap, distance.  Facts: mu = 0, L = 1, G = 1, G_norm = sqrt(d).
    """
    centre = _centre(d, instance, spread)
    return Problem(
        name="lipschitz.log_cosh",
        gradient=_log_cosh_slope,
        constants={"centre": tuple(centre.tolist())},
        dim=d,
        reductions={("gap", "square"): total(_log_cosh_terms)},
        measure=_gap_and_distance,
        measures=("gap", "distance"),
        rule=RULE,
        facts={"mu": 0.0, "L": 1.0, "G": 1.0, "G_norm": math.sqrt(d)},
        paper=PAPER,
    )


PROBLEMS = [absolute, ridge, chebyshev, log_cosh]
