"""Objectives of one coordinate that several problems share, as plain functions for their rules.

Each is a pair, its value above the minimum and the size of its derivative; ``*_slope`` is the
derivative itself.
"""

from __future__ import annotations

import math


def well(x: float, L0: float, L1: float) -> tuple[float, float]:
    """E - E* and |E'| of the (L0, L1)-smooth well E, quadratic for |x| <= 1/L1 and exponential beyond."""
    size = abs(x)
    if L1 * size <= 1.0:
        return 0.5 * L0 * size * size, L0 * size
    growth = math.exp(L1 * size - 1.0) * L0 / L1
    return growth / L1 - L0 / (2.0 * L1 * L1), growth


def well_slope(x: float, L0: float, L1: float) -> float:
    """E' = L0 x for |x| <= 1/L1, sgn(x) (L0/L1) e^(L1 |x| - 1) beyond."""
    if L1 * abs(x) <= 1.0:
        return L0 * x
    return math.copysign(L0 / L1, x) * math.exp(L1 * abs(x) - 1.0)


def logarithm(x: float, a: float = 1.0) -> tuple[float, float]:
    """f = a (|x| - ln(1 + |x|)), convex, and |f'| < a."""
    size = abs(x)
    return a * (size - math.log1p(size)), a * size / (1.0 + size)


def logarithm_slope(x: float, a: float = 1.0) -> float:
    """f' = a x/(1 + |x|)."""
    return a * x / (1.0 + abs(x))


def ramp(y: float, L0: float, eps: float) -> tuple[float, float]:
    """The ramp S = (eps a/4)(6 u^2 - u^4) + 2 eps (|y| - a)_+, a = 3 eps/L0, u = min(|y|/a, 1), and |S'|."""
    a = 3.0 * eps / L0
    u = min(abs(y) / a, 1.0)
    core = 0.25 * eps * a * (6.0 * u * u - u**4)
    return core if abs(y) <= a else core + 2.0 * eps * (abs(y) - a), eps * u * (3.0 - u * u)


def ramp_slope(y: float, L0: float, eps: float) -> float:
    """S' = eps (3 u - u^3), u = L0 y/(3 eps) clamped to [-1, 1]."""
    u = min(max(L0 * y / (3.0 * eps), -1.0), 1.0)
    return eps * u * (3.0 - u * u)


def bowl(x: float) -> tuple[float, float]:
    """f = x^2/(1 + x^2), smooth and non-convex, and |f'|."""
    return x * x / (1.0 + x * x), abs(bowl_slope(x))


def bowl_slope(x: float) -> float:
    """f' = 2 x/(1 + x^2)^2, at most 3 sqrt(3)/8."""
    weight = 1.0 + x * x
    return 2.0 * x / (weight * weight)
