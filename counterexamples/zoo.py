"""Test functions with provable (L0, L1) pairs, and functions that have none.

f is (L0, L1)-smooth if ||Hess f|| <= L0 + L1 ||grad f|| everywhere (Zhang et al. 2020, arXiv:1905.11881).  The pairs
are derived in the constructors; `hyperbola`, `gaussian_exponential` and `chirp` satisfy the inequality for no pair.
The wells E and F of the lower bounds are in `counterexamples.generalized_smooth`.

The measures are gradient_norm, curvature = ||Hess f|| and, where inf f is known, gap = f - inf f.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from theory_sim import checks
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules.language import Rule as Kernel

PAPER = "zhang2020clipping"
RULE = Rule("gradient_norm", converged=0.5, diverged=2.0, relative=True)
MEASURES = ("gradient_norm", "curvature", "gap")


def radial_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """||x||^(p-2) x."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for lane in range(lanes):
            square = 0.0
            for i in range(d):
                square += x[i, lane] * x[i, lane]
            factor = math.sqrt(square) ** (theta[0, lane] - 2.0)
            for i in range(d):
                out[j, i, lane] = factor * x[i, lane]


def radial_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """r^(p-1), (p-1) r^(p-2), r^p/p."""
    d, lanes = x.shape
    for lane in range(lanes):
        p = theta[0, lane]
        square = 0.0
        for i in range(d):
            square += x[i, lane] * x[i, lane]
        r = math.sqrt(square)
        out[0, lane] = r ** (p - 1.0)
        out[1, lane] = (p - 1.0) * r ** (p - 2.0)
        out[2, lane] = r**p / p


def polynomial_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """Horner's scheme for f', coefficients c_0 ... c_n in rows 1 ... n+1."""
    workers, _, lanes = out.shape
    n = theta.shape[0] - 2
    for j in range(workers):
        for lane in range(lanes):
            slope = 0.0
            for k in range(n, 0, -1):
                slope = slope * x[0, lane] + float(k) * theta[1 + k, lane]
            out[j, 0, lane] = slope


def polynomial_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
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
        out[0, lane] = abs(slope)
        out[1, lane] = 2.0 * abs(half)
        if out.shape[0] > 2:
            out[2, lane] = value - theta[0, lane]


def cosh_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """scale b sinh(b x)."""
    workers, _, lanes = out.shape
    for j in range(workers):
        for lane in range(lanes):
            out[j, 0, lane] = theta[1, lane] * theta[0, lane] * math.sinh(theta[0, lane] * x[0, lane])


def cosh_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """scale b |sinh|, scale b^2 cosh, 2 scale sinh^2(b x/2)."""
    for lane in range(x.shape[1]):
        b = theta[0, lane]
        scale = theta[1, lane]
        out[0, lane] = scale * b * abs(math.sinh(b * x[0, lane]))
        out[1, lane] = scale * b * b * math.cosh(b * x[0, lane])
        out[2, lane] = 2.0 * scale * math.sinh(0.5 * b * x[0, lane]) ** 2


def exponential_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """a e^<a,x>."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for lane in range(lanes):
            z = 0.0
            for i in range(d):
                z += theta[i, lane] * x[i, lane]
            for i in range(d):
                out[j, i, lane] = theta[i, lane] * math.exp(z)


def exponential_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """||a|| e^<a,x>, ||a||^2 e^<a,x>, e^<a,x>."""
    d, lanes = x.shape
    for lane in range(lanes):
        z = 0.0
        square = 0.0
        for i in range(d):
            z += theta[i, lane] * x[i, lane]
            square += theta[i, lane] * theta[i, lane]
        out[0, lane] = math.sqrt(square) * math.exp(z)
        out[1, lane] = square * math.exp(z)
        out[2, lane] = math.exp(z)


def logistic_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
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


def logistic_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
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


def ramp_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """eps (3 u - u^3), u = L0 y/(3 eps) clamped to [-1, 1]."""
    workers, _, lanes = out.shape
    for j in range(workers):
        for lane in range(lanes):
            u = min(max(theta[1, lane] * x[0, lane] / (3.0 * theta[0, lane]), -1.0), 1.0)
            out[j, 0, lane] = theta[0, lane] * u * (3.0 - u * u)


def ramp_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """|S'|, |S''| = L0 (1 - u^2) and S = (eps a/4)(6 u^2 - u^4) + 2 eps (|y| - a)_+, a = 3 eps/L0."""
    for lane in range(x.shape[1]):
        eps = theta[0, lane]
        a = 3.0 * eps / theta[1, lane]
        u = min(abs(x[0, lane]) / a, 1.0)
        out[0, lane] = eps * u * (3.0 - u * u)
        out[1, lane] = theta[1, lane] * (1.0 - u * u)
        out[2, lane] = 0.25 * eps * a * (6.0 * u * u - u**4) + 2.0 * eps * max(abs(x[0, lane]) - a, 0.0)


def hyperbola_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """(x y - 1)(y, x)."""
    workers, _, lanes = out.shape
    for j in range(workers):
        for lane in range(lanes):
            rest = x[0, lane] * x[1, lane] - 1.0
            out[j, 0, lane] = rest * x[1, lane]
            out[j, 1, lane] = rest * x[0, lane]


def hyperbola_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """The Hessian is [[y^2, 2xy - 1], [2xy - 1, x^2]]; its trace is >= 0."""
    for lane in range(x.shape[1]):
        a = x[0, lane]
        b = x[1, lane]
        rest = a * b - 1.0
        out[0, lane] = abs(rest) * math.hypot(a, b)
        out[1, lane] = 0.5 * (a * a + b * b) + math.hypot(0.5 * (a * a - b * b), 2.0 * a * b - 1.0)
        out[2, lane] = 0.5 * rest * rest


def gaussian_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """2 x e^(x^2)."""
    workers, _, lanes = out.shape
    for j in range(workers):
        for lane in range(lanes):
            out[j, 0, lane] = 2.0 * x[0, lane] * math.exp(x[0, lane] * x[0, lane])


def gaussian_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """2 |x| e^(x^2), (2 + 4 x^2) e^(x^2), e^(x^2) - 1."""
    for lane in range(x.shape[1]):
        square = x[0, lane] * x[0, lane]
        growth = math.exp(square)
        out[0, lane] = 2.0 * abs(x[0, lane]) * growth
        out[1, lane] = (2.0 + 4.0 * square) * growth
        out[2, lane] = math.expm1(square)


def chirp_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """s cos s - weight s^2, s = e^(x/2)."""
    workers, _, lanes = out.shape
    for j in range(workers):
        for lane in range(lanes):
            s = math.exp(0.5 * x[0, lane])
            out[j, 0, lane] = s * math.cos(s) - theta[0, lane] * s * s


def chirp_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """|f'|, |f''| = |(s/2) cos s - (s^2/2) sin s - weight s^2| and f + 2."""
    for lane in range(x.shape[1]):
        s = math.exp(0.5 * x[0, lane])
        out[0, lane] = abs(s * math.cos(s) - theta[0, lane] * s * s)
        out[1, lane] = abs(0.5 * s * math.cos(s) - 0.5 * s * s * math.sin(s) - theta[0, lane] * s * s)
        if out.shape[0] > 2:
            out[2, lane] = 2.0 * math.sin(s) + 2.0


def _problem(family: Any, gradient: Kernel, measure: Kernel, constants: Mapping[str, float],
             parameters: Mapping[str, Any], facts: Mapping[str, float], *, start: Any, dim: int = 1,
             optimum: float | None = 0.0, bounded: bool = True) -> Problem:  # fmt: skip
    return Problem(
        name=f"zoo.{family.__name__}", gradient=gradient, constants=constants, dim=dim, measure=measure,
        measures=MEASURES if bounded else MEASURES[:2], start=start, optimum=optimum, rule=RULE, facts=facts,
        paper=PAPER, family=family, arguments=parameters,
    )  # fmt: skip


def power_norm(p: float = 4.0, L1: float = 1.0, d: int = 1) -> Problem:
    """||x||^p/p in d dimensions, p > 2: every L1 > 0 is possible, with L0 = ((p-2)/L1)^(p-2).

    (p-1) r^(p-2) - L1 r^(p-1) is largest at r = (p-2)/L1, with that value: the pair is tight.
    """
    p = checks.number("p", p, 2.0, open_low=True)
    L1 = checks.number("L1", L1, 0.0, open_low=True)
    parameters = {"p": p, "L1": L1, "d": checks.count("d", d)}
    facts = {"L0": ((p - 2.0) / L1) ** (p - 2.0), "L1": L1}
    return _problem(
        power_norm, radial_gradient, radial_measure, {"p": p}, parameters, facts, start=1.0, dim=d
    )


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


def polynomial(coefficients: Sequence[float] = (0.0, 0.0, -0.5, 0.0, 0.25), L1: float = 1.0) -> Problem:
    """c_0 + c_1 x + ... + c_n x^n, n >= 2: every L1 > 0 is possible, with the L0 of `polynomial_L0`, which is tight.

    The default is the double well x^4/4 - x^2/2.  The gap is measured if n is even and c_n > 0.
    """
    c = tuple(checks.number("coefficient", value) for value in coefficients)
    L1 = checks.number("L1", L1, 0.0, open_low=True)
    if len(c) < 3 or c[-1] == 0.0:
        raise ValueError(f"coefficients = {c} must be those of degree 2 or more, the last one not 0.")
    f = np.polynomial.Polynomial(c)
    bounded = len(c) % 2 == 1 and c[-1] > 0.0
    minimum = float(f(f.deriv().roots().real).min()) if bounded else 0.0
    constants = {"minimum": minimum} | {f"c{k}": value for k, value in enumerate(c)}
    facts = {"L0": polynomial_L0(c, L1), "L1": L1}
    return _problem(
        polynomial, polynomial_gradient, polynomial_measure, constants, {"coefficients": c, "L1": L1}, facts,
        start=3.0, optimum=None, bounded=bounded,
    )  # fmt: skip


def cosh(b: float = 1.0, scale: float = 1.0) -> Problem:
    """scale cosh(b x), (scale b^2, b)-smooth: f'' = sqrt((scale b^2)^2 + (b f')^2), tight at 0 and at infinity."""
    b = checks.number("b", b, 0.0, open_low=True)
    scale = checks.number("scale", scale, 0.0, open_low=True)
    both = {"b": b, "scale": scale}
    return _problem(
        cosh, cosh_gradient, cosh_measure, both, both, {"L0": scale * b * b, "L1": b}, start=5.0 / b
    )


def _direction(norm: float, d: int) -> np.ndarray[Any, Any]:
    """(1, 2, ..., d) scaled to the norm: no coordinate is special."""
    checks.number("norm", norm, 0.0, open_low=True)
    a = np.arange(1.0, checks.count("d", d) + 1.0)
    return np.asarray(norm * a / np.linalg.norm(a))


def exponential(norm: float = 1.0, d: int = 1) -> Problem:
    """exp(<a,x>), ||a|| = norm, a along (1, ..., d): (0, norm)-smooth with equality everywhere; inf f = 0."""
    rows = {f"a{i}": value for i, value in enumerate(_direction(norm, d).tolist())}
    facts = {"L0": 0.0, "L1": norm}
    return _problem(exponential, exponential_gradient, exponential_measure, rows, {"norm": norm, "d": d}, facts,
                    start=1.0, dim=d, optimum=None)  # fmt: skip


def logistic(norm: float = 1.0, d: int = 1) -> Problem:
    """log(1 + exp(-<a,x>)), ||a|| = norm, d <= 2: (0, norm)-smooth, tight as <a,x> -> infinity, and (norm^2/4, 0)-smooth.

    |f'| = norm sigma(-z), |f''| = norm^2 sigma(z) sigma(-z); the fact L is norm^2/4; inf f = 0.
    """
    _planar(d)
    rows = {f"a0_{i}": value for i, value in enumerate(_direction(norm, d).tolist())}
    facts = {"L0": 0.0, "L1": norm, "L": norm * norm / 4.0}
    return _problem(logistic, logistic_gradient, logistic_measure, rows, {"norm": norm, "d": d}, facts,
                    start=-2.0, dim=d, optimum=None)  # fmt: skip


def _planar(d: int) -> None:
    if checks.count("d", d) > 2:
        raise ValueError(f"d = {d} must be 1 or 2, where the norm of the Hessian is in closed form.")


def logistic_regression(margin: float = 0.5, n: int = 8) -> Problem:
    """Mean logistic loss of n separable points in the plane: (0, R^2/margin)-smooth; inf f = 0, not attained.

    With <a_k, u> >= margin for a unit u and ||a_k|| <= R: ||grad f|| >= <-grad f, u> >= margin mean sigma(-z_k),
    and ||Hess f|| <= R^2 mean sigma(-z_k).  Here u = (1, 0) and a_k = (margin (1 + k mod 3), 4 k/n - 2).
    """
    margin = checks.number("margin", margin, 0.0, open_low=True)
    k = np.arange(checks.count("n", n))
    a = np.stack([margin * (1.0 + k % 3), 4.0 * k / n - 2.0], axis=1)
    rows = {f"a{j}_{i}": float(a[j, i]) for j in range(n) for i in range(2)}
    facts = {"L0": 0.0, "L1": float(np.max(np.sum(a * a, axis=1))) / margin, "margin": margin}
    return _problem(logistic_regression, logistic_gradient, logistic_measure, rows, {"margin": margin, "n": n},
                    facts, start=-2.0, dim=2, optimum=None)  # fmt: skip


def ramp(eps: float = 0.1, L0: float = 1.0) -> Problem:
    """S(y; eps, L0): a bowl of width 3 eps/L0 and then slope 2 eps; (L0, 0)-smooth, tight at 0."""
    rows = {
        "eps": checks.number("eps", eps, 0.0, open_low=True),
        "L0": checks.number("L0", L0, 0.0, open_low=True),
    }
    return _problem(
        ramp, ramp_gradient, ramp_measure, rows, rows, {"L0": L0, "L1": 0.0}, start=10.0 * eps / L0
    )


def hyperbola() -> Problem:
    """(xy - 1)^2/2, not (L0, L1)-smooth: on xy = 1 the gradient is 0 and ||Hess f|| = x^2 + 1/x^2."""
    return _problem(hyperbola, hyperbola_gradient, hyperbola_measure, {}, {}, {}, start=(2.0, 2.0), dim=2,
                    optimum=1.0)  # fmt: skip


def gaussian_exponential() -> Problem:
    """exp(x^2), not (L0, L1)-smooth: f''/f' = 2x + 1/x is unbounded while f' -> infinity."""
    return _problem(gaussian_exponential, gaussian_gradient, gaussian_measure, {}, {}, {}, start=1.0)


def chirp() -> Problem:
    """2 sin(e^(x/2)), not (L0, L1)-smooth: f' = 0 and |f''| = e^x/2 wherever cos(e^(x/2)) = 0.

    It is the sum of e^x and of `chirped_exponential`, which both are: the class is not closed under sums.
    """
    return _problem(chirp, chirp_gradient, chirp_measure, {"weight": 0.0}, {}, {}, start=2.0, optimum=None)


def chirped_exponential() -> Problem:
    """-e^x + 2 sin(e^(x/2)), (1/2, 2)-smooth: with s = e^(x/2), |f'| >= s^2 - s and |f''| <= 3 s^2/2 + s/2.

    Hence 1/2 + 2|f'| - |f''| >= (s^2 - 5 s + 1)/2, positive outside 0.21 < s < 4.8; on that interval it is
    evaluated.  f is not bounded from below.
    """
    return _problem(chirped_exponential, chirp_gradient, chirp_measure, {"weight": 1.0}, {}, {"L0": 0.5, "L1": 2.0},
                    start=0.0, optimum=None, bounded=False)  # fmt: skip


PROBLEMS = [power_norm, polynomial, cosh, exponential, logistic, logistic_regression, ramp, hyperbola,
            gaussian_exponential, chirp, chirped_exponential]  # fmt: skip
