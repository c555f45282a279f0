"""Separable objectives for sign methods: wells of unequal (L0, L1), two test functions, a box problem.

Sign methods are analysed in the pair of norms ||.||_1 for gradients and ||.||_inf for steps: the measure
"gradient_l1" is ||grad f||_1.  Noise is uniform with standard deviation sigma in every coordinate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from counterexamples.objectives import logarithm, logarithm_slope, well, well_slope
from theory_sim.nouns import noise
from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import Rule as Kernel
from theory_sim.rules.language import total

PAPER = "sun2023"
RULE = Rule("gradient_l1", converged=0.1, diverged=2.0, relative=True)


def _cosines_slope(x: float, a: float, noise: float) -> float:
    return a * math.sin(x) + noise


def _cosines_term(x: float, a: float) -> tuple[float, float]:
    return a * (1.0 - math.cos(x)), a * abs(math.sin(x))


def _logarithms_slope(x: float, a: float, noise: float) -> float:
    return logarithm_slope(x, a) + noise


def _measures(gap: float, gradient_l1: float) -> tuple[float, float]:
    return gap, gradient_l1


def _coordinate(x: float) -> float:
    return x


def _box_slope(x: float, a: float, c: float, coupling: float, x_sum: float, noise: float) -> float:
    return a * (x - c) + coupling * x_sum + noise


def _tilted_slope(x: float, index: int, n: float, tilt: float, concentration: float) -> float:
    """(1 + concentration e_i) E'(x) + tilt e_i with e_0 = n - 1 and e_i = -1 otherwise."""
    e = n - 1.0 if index == 0 else -1.0
    return (1.0 + concentration * e) * well_slope(x, 1.0, 1.0) + tilt * e


def _tilted_measures(x: float) -> tuple[float, float]:
    return well(x, 1.0, 1.0)


@family
def wells(
    L0: Sequence[float] = (0.1, 1.0, 0.1, 1.0, 0.1, 1.0),
    L1: Sequence[float] = (1.0, 1.0, 3.0, 3.0, 10.0, 10.0),
    *,
    reach: float = 6.0,
) -> Problem:
    """Sum of E(x_i; L0_i, L1_i), the wells of `counterexamples.generalized_smooth` with their own constants.

    A separable instance of the coordinate-wise condition of Crawshaw et al. 2022 (arXiv:2208.11195).

    Parameters
    ----------
    L0, L1 : sequence of float
        > 0, one of each per coordinate.
    reach : float
        > 0.  The start is x_i = (-1)^i (reach + u_i)/L1_i, u_i = i golden ratio modulo 1: no step size
        divides all distances, so that sign descent cannot land on the optimum.

    Returns
    -------
    Problem
        Measures: gap, gradient_l1 ||grad f||_1.
    """
    if np.ndim(L0) != 1 or np.shape(L0) != np.shape(L1) or len(L0) == 0:
        raise ValueError(
            f"L0 = {L0!r} and L1 = {L1!r} must be lists of the same length >= 1, a number per coordinate."
        )
    d = len(L0)
    checks.number("reach", reach, 0.0, open_low=True)
    constants = {
        name: tuple(checks.number(name, value, 0.0, open_low=True) for value in values)
        for name, values in (("L0", L0), ("L1", L1))
    }
    return Problem(
        name="separable.wells",
        gradient=well_slope,
        constants=constants,
        dim=d,
        reductions={("gap", "gradient_l1"): total(well)},
        measure=_measures,
        measures=("gap", "gradient_l1"),
        start=tuple((-1) ** i * (reach + 0.6180339887498949 * i % 1.0) / L1[i] for i in range(d)),
        optimum=0.0,
        rule=RULE,
        facts={"L0": float(np.sum(L0)), "L1": float(np.max(L1))},
        paper="crawshaw2022",
    )


def _weighted(
    name: str, slope: Kernel, term: Kernel, gap: float, third: float, d: int, sigma: float, reach: float
) -> Problem:
    """Sum of a_i h(x_i); gap = h(reach), third is the Lipschitz constant of h'' where that of h' is 1."""
    checks.count("d", d)
    weight = 0.6 * d if d > 1 else 0.2  # the sum of a_i
    return Problem(
        name=name,
        gradient=slope,
        constants={"sigma": checks.number("sigma", sigma, 0.0), "a": tuple(box_curvatures(d).tolist())},
        dim=d,
        noise=noise.UNIFORM,
        reductions={("gap", "gradient_l1"): total(term)},
        measure=_measures,
        measures=("gap", "gradient_l1"),
        start=reach,
        optimum=0.0,
        rule=RULE,
        facts={"L": weight, "R": third * weight, "gap": gap * weight, "sigma_sum": d * sigma},
        paper=PAPER,
    )


@family
def cosines(d: int = 20, sigma: float = 1.0, reach: float = 2.0) -> Problem:
    """f = sum a_i (1 - cos x_i), non-convex, a_i evenly spaced on [0.2, 1].

    Parameters
    ----------
    d : int
    sigma : float
        >= 0.
    reach : float
        Start of every coordinate.

    Returns
    -------
    Problem
        Measures: gap, gradient_l1 ||grad f||_1.  Facts: L with
        ||grad f(x) - grad f(y)||_1 <= L ||x - y||_inf, R the same constant of the Hessian's Taylor remainder,
        gap = f(x_1) - f*, sigma_sum = ||sigma||_1.
    """
    gap = 1.0 - math.cos(checks.number("reach", reach))
    return _weighted("separable.cosines", _cosines_slope, _cosines_term, gap, 1.0, d, sigma, reach)


@family
def logarithms(d: int = 20, sigma: float = 1.0, reach: float = 2.0) -> Problem:
    """f = sum a_i (|x_i| - log(1 + |x_i|)), convex; parameters, measures and facts as in `cosines`.

    h' = x/(1 + |x|) and h'' = 1/(1 + |x|)^2, so h' has Lipschitz constant 1 and h'' has 2.
    """
    gap, _ = logarithm(checks.number("reach", reach))
    return _weighted("separable.logarithms", _logarithms_slope, logarithm, gap, 2.0, d, sigma, reach)


def box_curvatures(d: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return d numbers a_i, evenly spaced on [0.2, 1]."""
    return 0.2 + 0.8 * np.arange(d) / max(d - 1, 1)


def box_centres(d: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the centres c_i of `box_quadratic`."""
    return np.asarray(2.0 * np.cos(2.399963229728653 * np.arange(d)))


def box_optimum(d: int, coupling: float, radius: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the minimiser of `box_quadratic` over [-radius, radius]^d.

    At the optimum x_i = clip(c_i - coupling s/a_i) with s = sum x_i: s minus the sum of the right-hand sides
    increases in s, so the root is unique.
    """
    from scipy.optimize import brentq

    a, c = box_curvatures(d), box_centres(d)

    def clipped(s: float) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.asarray(np.clip(c - coupling * s / a, -radius, radius), dtype=float)

    edge = d * radius + 1.0
    return clipped(float(brentq(lambda s: s - clipped(s).sum(), -edge, edge, xtol=1e-15, rtol=1e-15)))


@family
def box_quadratic(d: int = 20, coupling: float = 0.05, heavy: float = 0.0) -> Problem:
    """f = sum a_i (x_i - c_i)^2/2 + coupling (sum x_i)^2/2, for the box constraint that Lion imposes.

    a_i is evenly spaced on [0.2, 1], c_i = 2 cos(i golden angle); `box_optimum` is the constrained minimum.

    Parameters
    ----------
    d : int
    coupling : float
        >= 0.
    heavy : float
        >= 0, scale of additive Cauchy noise (no moments at all).

    Returns
    -------
    Problem
    """
    checks.count("d", d)
    return Problem(
        name="separable.box_quadratic",
        unjudged="Its claims compare the end with the minimiser in the box that the optimizer's decay imposes.",
        gradient=_box_slope,
        constants={
            "coupling": checks.number("coupling", coupling, 0.0),
            "heavy": checks.number("heavy", heavy, 0.0),
            "a": tuple(box_curvatures(d).tolist()),
            "c": tuple(box_centres(d).tolist()),
        },
        dim=d,
        noise=noise.CAUCHY,
        reductions={"x_sum": total(_coordinate)},
        paper="chen2023lionk",
    )


@family
def tilted_wells(n: int = 8, tilt: float = 1.0, concentration: float = 0.0, x0: float = 3.0) -> Problem:
    """Finite sum of f_i = (1 + concentration e_i) E(x) + tilt e_i x, e = (n-1, -1, ..., -1), L0 = L1 = 1.

    The mean is E.  With concentration 0, (1/n) sum f_i'^2 = f'^2 + D0 and D0 = tilt^2 (n - 1).  With
    concentration 1 and tilt 0, f_1 = n E and the others vanish: D0 = 0 and D1 = n.

    Parameters
    ----------
    n : int
        >= 2.
    tilt : float
        >= 0.
    concentration : float
        In [0, 1].
    x0 : float
        Start.

    Returns
    -------
    Problem
        Measures: gap, gradient_norm |f'|.  Facts: D0.
    """
    checks.count("n", n, 2)
    return Problem(
        name="separable.tilted_wells",
        gradient=_tilted_slope,
        constants={
            "tilt": checks.number("tilt", tilt, 0.0),
            "concentration": checks.number("concentration", concentration, 0.0, 1.0),
            "n": float(n),
        },
        components=n,
        measure=_tilted_measures,
        measures=("gap", "gradient_norm"),
        start=checks.number("x0", x0),
        optimum=0.0,
        # The last tenth of the run, as the residuals of the checks are averaged.
        rule=Rule("gradient_norm", converged=0.1, diverged=2.0, relative=True, window=0.1),
        facts={"D0": tilt * tilt * (n - 1.0)},
        paper="wang2022",
    )


PROBLEMS = [wells, cosines, logarithms, box_quadratic, tilted_wells]
