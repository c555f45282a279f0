"""Separable objectives for sign methods: wells of unequal (L0, L1), two test functions of sign rates, a box problem.

Sign methods are analysed in the pair of norms ||.||_1 for gradients and ||.||_inf for steps: the measure
"gradient_norm" is ||grad f||_1 here.  Noise is uniform with standard deviation sigma in every coordinate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from theory_sim import checks
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules.language import Rule as Kernel

PAPER = "sun2023"
RULE = Rule("gradient_norm", converged=0.1, diverged=2.0, relative=True)


def wells_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """E'(x_i; L0_i, L1_i); theta holds all L0_i, then all L1_i."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                L0 = theta[i, lane]
                L1 = theta[d + i, lane]
                size = abs(x[i, lane])
                side = 1.0 if x[i, lane] >= 0.0 else -1.0
                inside = L1 * size <= 1.0
                out[j, i, lane] = L0 * x[i, lane] if inside else side * (L0 / L1) * math.exp(L1 * size - 1.0)


def wells_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f - f* and ||grad f||_1."""
    d, lanes = x.shape
    for lane in range(lanes):
        gap = 0.0
        total = 0.0
        for i in range(d):
            L0 = theta[i, lane]
            L1 = theta[d + i, lane]
            size = abs(x[i, lane])
            growth = math.exp(L1 * size - 1.0) * L0 / L1
            inside = L1 * size <= 1.0
            total += L0 * size if inside else growth
            gap += 0.5 * L0 * size * size if inside else growth / L1 - L0 / (2.0 * L1 * L1)
        out[0, lane] = gap
        out[1, lane] = total


def cosines_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """a_i sin(x_i) + noise."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                a = theta[1, lane] + (theta[2, lane] - theta[1, lane]) * i / max(d - 1, 1)
                spread = theta[0, lane] * 3.4641016151377544
                out[j, i, lane] = a * math.sin(x[i, lane]) + spread * (noise[j * d + i, lane] - 0.5)


def cosines_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f - f* and ||grad f||_1."""
    d, lanes = x.shape
    for lane in range(lanes):
        gap = 0.0
        total = 0.0
        for i in range(d):
            a = theta[1, lane] + (theta[2, lane] - theta[1, lane]) * i / max(d - 1, 1)
            gap += a * (1.0 - math.cos(x[i, lane]))
            total += a * abs(math.sin(x[i, lane]))
        out[0, lane] = gap
        out[1, lane] = total


def logarithms_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """a_i x_i/(1 + |x_i|) + noise."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                a = theta[1, lane] + (theta[2, lane] - theta[1, lane]) * i / max(d - 1, 1)
                spread = theta[0, lane] * 3.4641016151377544
                error = spread * (noise[j * d + i, lane] - 0.5)
                out[j, i, lane] = a * x[i, lane] / (1.0 + abs(x[i, lane])) + error


def logarithms_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f - f* and ||grad f||_1."""
    d, lanes = x.shape
    for lane in range(lanes):
        gap = 0.0
        total = 0.0
        for i in range(d):
            a = theta[1, lane] + (theta[2, lane] - theta[1, lane]) * i / max(d - 1, 1)
            size = abs(x[i, lane])
            gap += a * (size - math.log1p(size))
            total += a * size / (1.0 + size)
        out[0, lane] = gap
        out[1, lane] = total


def box_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """a_i (x_i - c_i) + coupling sum_k x_k + heavy tan(pi (u - 1/2))."""
    workers, d, lanes = out.shape
    for lane in range(lanes):
        total = 0.0
        for i in range(d):
            total += x[i, lane]
        for i in range(d):
            a = 0.2 + 0.8 * i / max(d - 1, 1)
            c = 2.0 * math.cos(2.399963229728653 * i)
            for j in range(workers):
                tail = 0.0
                if theta[1, lane] > 0.0:
                    tail = theta[1, lane] * math.tan(math.pi * (noise[j * d + i, lane] - 0.5))
                out[j, i, lane] = a * (x[i, lane] - c) + theta[0, lane] * total + tail


def tilted_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """(1 + concentration e_i) E'(x) + tilt e_i with e_0 = n - 1 and e_i = -1 otherwise, L0 = L1 = 1."""
    workers, _, lanes = out.shape
    for j in range(workers):
        for lane in range(lanes):
            e = theta[2, lane] - 1.0 if idx[j, lane] == 0 else -1.0
            size = abs(x[0, lane])
            side = 1.0 if x[0, lane] >= 0.0 else -1.0
            slope = x[0, lane] if size <= 1.0 else side * math.exp(size - 1.0)
            out[j, 0, lane] = (1.0 + theta[1, lane] * e) * slope + theta[0, lane] * e


def tilted_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """f - f* and |f'| of the mean E."""
    for lane in range(x.shape[1]):
        size = abs(x[0, lane])
        growth = math.exp(size - 1.0)
        out[0, lane] = 0.5 * size * size if size <= 1.0 else growth - 0.5
        out[1, lane] = size if size <= 1.0 else growth


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
        > 0.  The start is x_i = (-1)^i (reach + u_i)/L1_i, u_i = i golden ratio modulo 1: no step size divides all
        distances, so that sign descent cannot land on the optimum.

    Returns
    -------
    Problem
        Measures: gap, gradient_norm ||grad f||_1.
    """
    if np.ndim(L0) != 1 or np.shape(L0) != np.shape(L1) or len(L0) == 0:
        raise ValueError(
            f"L0 = {L0!r} and L1 = {L1!r} must be lists of the same length >= 1, a number per coordinate."
        )
    d = len(L0)
    checks.number("reach", reach, 0.0, open_low=True)
    constants = {f"L0_{i}": checks.number("L0", L0[i], 0.0, open_low=True) for i in range(d)}
    constants |= {f"L1_{i}": checks.number("L1", L1[i], 0.0, open_low=True) for i in range(d)}
    return Problem(
        name="separable.wells",
        gradient=wells_gradient,
        constants=constants,
        dim=d,
        measure=wells_measure,
        measures=("gap", "gradient_norm"),
        start=tuple((-1) ** i * (reach + 0.6180339887498949 * i % 1.0) / L1[i] for i in range(d)),
        optimum=0.0,
        rule=RULE,
        facts={"L0": float(np.sum(L0)), "L1": float(np.max(L1))},
        paper="crawshaw2022",
        family=wells,
        arguments={"L0": tuple(L0), "L1": tuple(L1), "reach": reach},
    )


def _weighted(
    name: str,
    kernels: tuple[Kernel, Kernel],
    values: tuple[float, float],
    family: Callable[..., Problem],
    d: int,
    sigma: float,
    reach: float,
) -> Problem:
    """Sum of a_i h(x_i); values = (h(reach), Lipschitz constant of h'' where h' has the constant 1)."""
    gap, third = values
    checks.count("d", d)
    total = 0.6 * d if d > 1 else 0.2  # the sum of a_i
    return Problem(
        name=name,
        gradient=kernels[0],
        constants={"sigma": checks.number("sigma", sigma, 0.0), "low": 0.2, "high": 1.0},
        dim=d,
        draws=d,
        measure=kernels[1],
        measures=("gap", "gradient_norm"),
        start=reach,
        optimum=0.0,
        rule=RULE,
        facts={"L": total, "R": third * total, "gap": gap * total, "sigma_sum": d * sigma},
        paper=PAPER,
        family=family,
        arguments={"d": d, "sigma": sigma, "reach": reach},
    )


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
        Measures: gap, gradient_norm ||grad f||_1.  Facts: L with ||grad f(x) - grad f(y)||_1 <= L ||x - y||_inf, R the
        same constant of the Hessian's Taylor remainder, gap = f(x_1) - f*, sigma_sum = ||sigma||_1.
    """
    kernels = (cosines_gradient, cosines_measure)
    gap = 1.0 - math.cos(checks.number("reach", reach))
    return _weighted("separable.cosines", kernels, (gap, 1.0), cosines, d, sigma, reach)


def logarithms(d: int = 20, sigma: float = 1.0, reach: float = 2.0) -> Problem:
    """f = sum a_i (|x_i| - log(1 + |x_i|)), convex; parameters, measures and facts as in `cosines`.

    h' = x/(1 + |x|) and h'' = 1/(1 + |x|)^2, so h' has Lipschitz constant 1 and h'' has 2.
    """
    kernels = (logarithms_gradient, logarithms_measure)
    size = abs(checks.number("reach", reach))
    return _weighted(
        "separable.logarithms", kernels, (size - math.log1p(size), 2.0), logarithms, d, sigma, reach
    )


def box_curvatures(d: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the curvatures a_i of `box_quadratic`."""
    return 0.2 + 0.8 * np.arange(d) / max(d - 1, 1)


def box_centres(d: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the centres c_i of `box_quadratic`."""
    return np.asarray(2.0 * np.cos(2.399963229728653 * np.arange(d)))


def box_optimum(d: int, coupling: float, radius: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the minimiser of `box_quadratic` over [-radius, radius]^d.

    At the optimum x_i = clip(c_i - coupling s/a_i) with s = sum x_i: s minus the sum of the right-hand sides increases
    in s, so the root is unique.
    """
    from scipy.optimize import brentq

    a, c = box_curvatures(d), box_centres(d)

    def clipped(s: float) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.asarray(np.clip(c - coupling * s / a, -radius, radius), dtype=float)

    edge = d * radius + 1.0
    return clipped(float(brentq(lambda s: s - clipped(s).sum(), -edge, edge, xtol=1e-15, rtol=1e-15)))


def box_quadratic(d: int = 20, coupling: float = 0.05, heavy: float = 0.0) -> Problem:
    """f = sum a_i (x_i - c_i)^2/2 + coupling (sum x_i)^2/2, for the box constraint that Lion imposes.

    a_i is evenly spaced on [0.2, 1], c_i = 2 cos(i golden angle); `box_optimum` gives the constrained minimiser.

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
    return Problem(
        name="separable.box_quadratic",
        gradient=box_gradient,
        constants={
            "coupling": checks.number("coupling", coupling, 0.0),
            "heavy": checks.number("heavy", heavy, 0.0),
        },
        dim=checks.count("d", d),
        draws=d,
        paper="chen2023lionk",
        family=box_quadratic,
        arguments={"d": d, "coupling": coupling, "heavy": heavy},
    )


def tilted_wells(n: int = 8, tilt: float = 1.0, concentration: float = 0.0, x0: float = 3.0) -> Problem:
    """Finite sum of f_i = (1 + concentration e_i) E(x) + tilt e_i x, with e = (n-1, -1, ..., -1) and L0 = L1 = 1.

    The mean is E.  With concentration 0, (1/n) sum f_i'^2 = f'^2 + D0 and D0 = tilt^2 (n - 1).  With concentration 1
    and tilt 0, f_1 = n E and the others vanish: D0 = 0 and D1 = n.

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
        gradient=tilted_gradient,
        constants={
            "tilt": checks.number("tilt", tilt, 0.0),
            "concentration": checks.number("concentration", concentration, 0.0, 1.0),
            "n": float(n),
        },
        components=n,
        measure=tilted_measure,
        measures=("gap", "gradient_norm"),
        start=checks.number("x0", x0),
        optimum=0.0,
        # The last tenth of the run, as the residuals of the checks are averaged.
        rule=Rule("gradient_norm", converged=0.1, diverged=2.0, relative=True, window=0.1),
        facts={"D0": tilt * tilt * (n - 1.0)},
        paper="wang2022",
        family=tilted_wells,
        arguments={"n": n, "tilt": tilt, "concentration": concentration},
    )


PROBLEMS = [wells, cosines, logarithms, box_quadratic, tilted_wells]
