"""Test functions with provable (L0, L1) pairs, and functions that have none.

f is (L0, L1)-smooth if ||Hess f|| <= L0 + L1 ||grad f|| everywhere (Zhang et al. 2020, arXiv:1905.11881).
The pairs are derived in the constructors; `hyperbola`, `gaussian_exponential` and `chirp` satisfy the
inequality for no pair.  The wells E and F of the lower bounds are in `counterexamples.generalized_smooth`.

The measures are gradient_norm, curvature = ||Hess f|| and, where inf f is known, gap = f - inf f.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from counterexamples.objectives import ramp as ramp_value
from counterexamples.objectives import ramp_slope
from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks
from theory_sim.rules.language import total

PAPER = "zhang2020clipping"
RULE = Rule("gradient_norm", converged=0.5, diverged=2.0, relative=True)
MEASURES = ("gradient_norm", "curvature", "gap")


def _square(x: float) -> float:
    return x * x


def _radial_slope(x: float, square: float, p: float) -> float:
    """||x||^(p-2) x."""
    factor: float = math.sqrt(square) ** (p - 2.0)
    return factor * x


def _radial_measures(square: float, p: float) -> tuple[float, float, float]:
    """r^(p-1), (p-1) r^(p-2), r^p/p."""
    r = math.sqrt(square)
    return r ** (p - 1.0), (p - 1.0) * r ** (p - 2.0), r**p / p


def _polynomial_slope(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Horner's scheme for f', coefficients c_0 ... c_n in rows 1 ... n+1."""
    workers, _, lanes = out.shape
    n = theta.shape[0] - 2
    for j in range(workers):
        for lane in range(lanes):
            slope = 0.0
            for k in range(n, 0, -1):
                slope = slope * x[0, lane] + float(k) * theta[1 + k, lane]
            out[j, 0, lane] = slope


def _polynomial_measures(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """|f'|, |f''| and f - minimum (row 0)."""
    n = theta.shape[0] - 2
    for lane in range(x.shape[1]):
        value = theta[1 + n, lane]
        slope = 0.0
        half = 0.0
        for k in range(n - 1, -1, -1):
            half = half * x[0, lane] + slope
            slope = slope * x[0, lane] + value
            value = value * x[0, lane] + theta[1 + k, lane]
        # Without a minimum there is no third row, and the last one is the curvature.
        out[out.shape[0] - 1, lane] = value - theta[0, lane]
        out[0, lane] = abs(slope)
        out[1, lane] = 2.0 * abs(half)


def _cosh_slope(x: float, b: float, scale: float) -> float:
    return scale * b * math.sinh(b * x)


def _cosh_measures(x: float, b: float, scale: float) -> tuple[float, float, float]:
    z = b * x
    bend = scale * b * b * math.cosh(z)
    return scale * b * abs(math.sinh(z)), bend, 2.0 * scale * math.sinh(0.5 * b * x) ** 2


def _along(x: float, a: float) -> float:
    return a * x


def _a_square(a: float) -> float:
    return a * a


def _exponential_slope(z: float, a: float) -> float:
    """a e^z with z = <a,x>."""
    return a * math.exp(z)


def _exponential_measures(z: float, square: float) -> tuple[float, float, float]:
    """||a|| e^z, ||a||^2 e^z, e^z."""
    growth = math.exp(z)
    return math.sqrt(square) * growth, square * growth, growth


def _logistic_slope(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """-(1/n) sum_k sigma(-<a_k,x>) a_k, a_k in rows k d ... k d + d - 1."""
    workers, d, lanes = out.shape
    n = theta.shape[0] // d
    for j in range(workers):
        for lane in range(lanes):
            for i in range(d):
                out[j, i, lane] = 0.0
            for k in range(n):
                z = 0.0
                for i in range(d):
                    z += theta[k * d + i, lane] * x[i, lane]
                small = math.exp(-abs(z))
                weight = (small if z >= 0.0 else 1.0) / (1.0 + small)
                for i in range(d):
                    out[j, i, lane] -= weight * theta[k * d + i, lane] / float(n)


def _logistic_measures(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """||grad f||, ||Hess f|| for d <= 2, and the mean of log(1 + exp(-<a_k,x>))."""
    d, lanes = x.shape
    n = theta.shape[0] // d
    for lane in range(lanes):
        g0 = 0.0
        g1 = 0.0
        h00 = 0.0
        h01 = 0.0
        h11 = 0.0
        value = 0.0
        for k in range(n):
            a0 = theta[k * d, lane]
            a1 = theta[k * d + d - 1, lane] if d == 2 else 0.0
            z = a0 * x[0, lane] + a1 * x[d - 1, lane]
            small = math.exp(-abs(z))
            weight = (small if z >= 0.0 else 1.0) / (1.0 + small) / float(n)
            bend = small / ((1.0 + small) * (1.0 + small)) / float(n)
            g0 += weight * a0
            g1 += weight * a1
            h00 += bend * a0 * a0
            h01 += bend * a0 * a1
            h11 += bend * a1 * a1
            value += (math.log1p(small) + max(-z, 0.0)) / float(n)
        out[0, lane] = math.hypot(g0, g1)
        out[1, lane] = 0.5 * (h00 + h11) + math.hypot(0.5 * (h00 - h11), h01)
        out[2, lane] = value


def _ramp_slope(x: float, eps: float, L0: float) -> float:
    return ramp_slope(x, L0, eps)


def _ramp_measures(x: float, eps: float, L0: float) -> tuple[float, float, float]:
    """|S'|, |S''| = L0 (1 - u^2), u = min(|x| L0/(3 eps), 1), and S."""
    gap, slope = ramp_value(x, L0, eps)
    u = min(abs(x) / (3.0 * eps / L0), 1.0)
    return slope, L0 * (1.0 - u * u), gap


def _hyperbola_slope(x0: float, x1: float) -> tuple[float, float]:
    rest = x0 * x1 - 1.0
    return rest * x1, rest * x0


def _hyperbola_measures(x0: float, x1: float) -> tuple[float, float, float]:
    """The Hessian is [[y^2, 2xy - 1], [2xy - 1, x^2]]; its trace is >= 0."""
    rest = x0 * x1 - 1.0
    bend = 0.5 * (x0 * x0 + x1 * x1) + math.hypot(0.5 * (x0 * x0 - x1 * x1), 2.0 * x0 * x1 - 1.0)
    return abs(rest) * math.hypot(x0, x1), bend, 0.5 * rest * rest


def _gaussian_slope(x: float) -> float:
    return 2.0 * x * math.exp(x * x)


def _gaussian_measures(x: float) -> tuple[float, float, float]:
    growth = math.exp(x * x)
    return 2.0 * abs(x) * growth, (2.0 + 4.0 * (x * x)) * growth, math.expm1(x * x)


def _chirp_slope(x: float, weight: float) -> float:
    """s cos s - weight s^2, s = e^(x/2)."""
    s = math.exp(0.5 * x)
    return s * math.cos(s) - weight * s * s


def _chirped_measures(x: float, weight: float) -> tuple[float, float]:
    """|f'| and |f''| = |(s/2) cos s - (s^2/2) sin s - weight s^2|."""
    s = math.exp(0.5 * x)
    bend = abs(0.5 * s * math.cos(s) - 0.5 * s * s * math.sin(s) - weight * s * s)
    return abs(_chirp_slope(x, weight)), bend


def _chirp_measures(x: float, weight: float) -> tuple[float, float, float]:
    slope, bend = _chirped_measures(x, weight)
    return slope, bend, 2.0 * math.sin(math.exp(0.5 * x)) + 2.0


def _function(
    name: str,
    gradient: Callable[..., Any],
    measure: Callable[..., Any],
    constants: Mapping[str, Any],
    facts: Mapping[str, float],
    **more: Any,
) -> Problem:
    more = {"optimum": 0.0, "measures": MEASURES, **more}
    return Problem(
        f"zoo.{name}", gradient, constants, measure=measure, rule=RULE, facts=facts, paper=PAPER, **more
    )


@family
def power_norm(p: float = 4.0, L1: float = 1.0, d: int = 1) -> Problem:
    """||x||^p/p in d dimensions, p > 2: every L1 > 0 is possible, with L0 = ((p-2)/L1)^(p-2).

    (p-1) r^(p-2) - L1 r^(p-1) is largest at r = (p-2)/L1, with that value: the pair is tight.
    """
    checks.number("p", p, 2.0, open_low=True)
    checks.number("L1", L1, 0.0, open_low=True)
    facts = {"L0": ((p - 2.0) / L1) ** (p - 2.0), "L1": L1}
    return _function("power_norm", _radial_slope, _radial_measures, {"p": p}, facts, dim=checks.count("d", d),
                     start=1.0, reductions={"square": total(_square)})  # fmt: skip


def polynomial_L0(coefficients: Sequence[float], L1: float) -> float:
    """Return the least L0 of c_0 + c_1 x + ... + c_n x^n for this L1 > 0: the maximum of |f''| - L1 |f'|.

    It is attained where f'' or f' changes sign or f''' = +-L1 f''; at infinity the difference is -infinity.
    """
    from numpy.polynomial import Polynomial

    f1 = Polynomial(np.asarray(coefficients, dtype=float)).deriv()
    f2, f3 = f1.deriv(), f1.deriv(2)
    roots = np.concatenate([q.roots() for q in (f1, f2, f3 - L1 * f2, f3 + L1 * f2)] + [np.zeros(1)])
    real = roots.real  # the real part of a complex root is one more point, and cannot exceed the maximum
    return float(np.max(np.abs(f2(real)) - L1 * np.abs(f1(real))))


@family
def polynomial(coefficients: Sequence[float] = (0.0, 0.0, -0.5, 0.0, 0.25), L1: float = 1.0) -> Problem:
    """c_0 + c_1 x + ... + c_n x^n, n >= 2: every L1 > 0 is possible, with the tight L0 of `polynomial_L0`.

    The default is the double well x^4/4 - x^2/2.  The gap is measured if n is even and c_n > 0.
    """
    c = tuple(checks.number("coefficient", value) for value in coefficients)
    checks.number("L1", L1, 0.0, open_low=True)
    if len(c) < 3 or c[-1] == 0.0:
        raise ValueError(f"coefficients = {c} must be those of degree 2 or more, the last one not 0.")
    f = np.polynomial.Polynomial(c)
    bounded = len(c) % 2 == 1 and c[-1] > 0.0
    minimum = float(f(f.deriv().roots().real).min()) if bounded else 0.0
    constants = {"minimum": minimum} | {f"c{k}": value for k, value in enumerate(c)}
    facts = {"L0": polynomial_L0(c, L1), "L1": L1}
    return _function("polynomial", _polynomial_slope, _polynomial_measures, constants, facts, start=3.0,
                     optimum=None, measures=MEASURES if bounded else MEASURES[:2])  # fmt: skip


@family
def cosh(b: float = 1.0, scale: float = 1.0) -> Problem:
    """scale cosh(b x), (scale b^2, b)-smooth: f''^2 = (scale b^2)^2 + (b f')^2, tight at 0 and infinity."""
    checks.number("b", b, 0.0, open_low=True)
    checks.number("scale", scale, 0.0, open_low=True)
    facts = {"L0": scale * b * b, "L1": b}
    return _function("cosh", _cosh_slope, _cosh_measures, {"b": b, "scale": scale}, facts, start=5.0 / b)


def _direction(norm: float, d: int) -> tuple[float, ...]:
    """(1, 2, ..., d) scaled to the norm: no coordinate is special."""
    checks.number("norm", norm, 0.0, open_low=True)
    a = np.arange(1.0, checks.count("d", d) + 1.0)
    return tuple((norm * a / np.linalg.norm(a)).tolist())


@family
def exponential(norm: float = 1.0, d: int = 1) -> Problem:
    """exp(<a,x>), ||a|| = norm, a along (1, ..., d): (0, norm)-smooth with equality everywhere; inf f = 0."""
    facts = {"L0": 0.0, "L1": norm}
    return _function("exponential", _exponential_slope, _exponential_measures, {"a": _direction(norm, d)},
                     facts, dim=d, start=1.0, optimum=None,
                     reductions={"z": total(_along), "square": total(_a_square)})  # fmt: skip


@family
def logistic(norm: float = 1.0, d: int = 1) -> Problem:
    """log(1 + exp(-<a,x>)), ||a|| = norm, d <= 2: (0, norm)-smooth, tight as <a,x> -> infinity.

    It is (norm^2/4, 0)-smooth too.
    |f'| = norm sigma(-z), |f''| = norm^2 sigma(z) sigma(-z); the fact L is norm^2/4; inf f = 0.
    """
    a = _direction(norm, d)
    if d > 2:
        raise ValueError(f"d = {d} must be 1 or 2, where the norm of the Hessian is in closed form.")
    facts = {"L0": 0.0, "L1": norm, "L": norm * norm / 4.0}
    return _function("logistic", _logistic_slope, _logistic_measures, {"a": a}, facts, dim=d, start=-2.0,
                     optimum=None)  # fmt: skip


@family
def logistic_regression(margin: float = 0.5, n: int = 8) -> Problem:
    """Mean logistic loss of n separable points in the plane: (0, R^2/margin)-smooth; inf f = 0, not attained.

    With <a_k, u> >= margin for a unit u and ||a_k|| <= R: ||grad f|| >= <-grad f, u> >= margin mean
    sigma(-z_k), and ||Hess f|| <= R^2 mean sigma(-z_k).  Here u = (1, 0) and
    a_k = (margin (1 + k mod 3), 4 k/n - 2).
    """
    checks.number("margin", margin, 0.0, open_low=True)
    k = np.arange(checks.count("n", n))
    a = np.stack([margin * (1.0 + k % 3), 4.0 * k / n - 2.0], axis=1)
    rows = {f"a{j}": tuple(row) for j, row in enumerate(a.tolist())}
    facts = {"L0": 0.0, "L1": float(np.max(np.sum(a * a, axis=1))) / margin, "margin": margin}
    return _function("logistic_regression", _logistic_slope, _logistic_measures, rows, facts, dim=2,
                     start=-2.0, optimum=None)  # fmt: skip


@family
def ramp(eps: float = 0.1, L0: float = 1.0) -> Problem:
    """S(y; eps, L0): a bowl of width 3 eps/L0 and then slope 2 eps; (L0, 0)-smooth, tight at 0."""
    checks.number("eps", eps, 0.0, open_low=True)
    checks.number("L0", L0, 0.0, open_low=True)
    facts = {"L0": L0, "L1": 0.0}
    return _function(
        "ramp", _ramp_slope, _ramp_measures, {"eps": eps, "L0": L0}, facts, start=10.0 * eps / L0
    )


@family
def hyperbola() -> Problem:
    """(xy - 1)^2/2, not (L0, L1)-smooth: on xy = 1 the gradient is 0 and ||Hess f|| = x^2 + 1/x^2."""
    return _function(
        "hyperbola", _hyperbola_slope, _hyperbola_measures, {}, {}, dim=2, start=(2.0, 2.0), optimum=1.0
    )


@family
def gaussian_exponential() -> Problem:
    """exp(x^2), not (L0, L1)-smooth: f''/f' = 2x + 1/x is unbounded while f' -> infinity."""
    return _function("gaussian_exponential", _gaussian_slope, _gaussian_measures, {}, {}, start=1.0)


@family
def chirp() -> Problem:
    """2 sin(e^(x/2)), not (L0, L1)-smooth: f' = 0 and |f''| = e^x/2 wherever cos(e^(x/2)) = 0.

    It is the sum of e^x and of `chirped_exponential`, which both are: the class is not closed under sums.
    """
    return _function("chirp", _chirp_slope, _chirp_measures, {"weight": 0.0}, {}, start=2.0, optimum=None)


@family
def chirped_exponential() -> Problem:
    """-e^x + 2 sin(e^(x/2)), (1/2, 2)-smooth: with s = e^(x/2), |f'| >= s^2 - s and |f''| <= 3 s^2/2 + s/2.

    Hence 1/2 + 2|f'| - |f''| >= (s^2 - 5 s + 1)/2, positive outside 0.21 < s < 4.8; on that interval it is
    evaluated.  f is not bounded from below.
    """
    return _function("chirped_exponential", _chirp_slope, _chirped_measures, {"weight": 1.0},
                     {"L0": 0.5, "L1": 2.0}, start=0.0, optimum=None, measures=MEASURES[:2])  # fmt: skip


PROBLEMS = [power_norm, polynomial, cosh, exponential, logistic, logistic_regression, ramp, hyperbola,
            gaussian_exponential, chirp, chirped_exponential]  # fmt: skip
