"""Constants of compressors derived again by sympy, and compared with what the constructors state."""

import pytest
import sympy
from sympy import Rational, sqrt

from theory_sim import compressors


def test_the_scaled_sign_loses_all_but_its_mean_magnitude() -> None:
    # ||x - (||x||_1/d) sgn x||^2 = sum (|x_i| - mean)^2 = ||x||^2 - ||x||_1^2/d, and ||x||_1 >= ||x||.
    a = sympy.symbols("a1:5", nonnegative=True)
    mean = sum(a) / len(a)
    lost = sum((one - mean) ** 2 for one in a)
    assert sympy.expand(lost - (sum(one**2 for one in a) - sum(a) ** 2 / len(a))) == 0
    worst = [lost.subs(dict(zip(a, hot, strict=True))) for hot in sympy.eye(4).tolist()]
    assert worst == [1 - Rational(1, 4)] * 4
    assert compressors.l1_sign().delta(4) == 0.25


def test_the_rms_sign_loses_most_on_a_one_hot_vector() -> None:
    # (|x_i| - r)^2 summed with r = ||x||/sqrt d: 2 ||x||^2 - 2 r ||x||_1, for ||x|| = 1
    # largest at ||x||_1 = 1.
    d, total = sympy.symbols("d total", positive=True)
    lost = 1 - 2 * total / sqrt(d) + d * (1 / sqrt(d)) ** 2
    assert sympy.simplify(lost - 2 * (1 - total / sqrt(d))) == 0
    for size in (5, 64, 1024):
        expected = lost.subs({total: 1, d: size})
        assert 1.0 - compressors.rms_sign().delta(size) == pytest.approx(float(expected), rel=1e-14)


def test_natural_compression_has_variance_one_eighth() -> None:
    # 1 <= t <= 2 rounds to 1 or 2 without bias: the variance is (2 - t)(t - 1).
    t = sympy.symbols("t", positive=True)
    ratio = (2 - t) * (t - 1) / t**2
    (place,) = sympy.solve(sympy.diff(ratio, t), t)
    assert (place, ratio.subs(t, place)) == (Rational(4, 3), Rational(1, 8))
    assert compressors.natural().omega(7) == 0.125


def test_the_nearest_power_of_two_is_a_third_off_at_most() -> None:
    # Between 1 and 2 the nearest changes at 3/2; |1 - t|/t grows on [1, 3/2], |2 - t|/t falls on [3/2, 2].
    t = sympy.symbols("t", positive=True)
    assert sympy.simplify(sympy.diff((t - 1) / t, t)) == 1 / t**2
    assert sympy.simplify(sympy.diff((2 - t) / t, t)) == -2 / t**2
    assert compressors.nearest_power().delta(3) == pytest.approx(float(1 - Rational(1, 3) ** 2), rel=1e-15)


def test_terngrad_is_worst_beside_equal_small_entries() -> None:
    # x = (1, a, ..., a) with n others: E ||C(x)||^2 = ||x||_inf ||x||_1 = 1 + n a, so omega = (1
    # + n a)/(1 + n a^2) - 1.
    a, n = sympy.symbols("a n", positive=True)
    omega = (1 + n * a) / (1 + n * a**2) - 1
    places = sympy.solve(sympy.diff(omega, a), a)
    (largest,) = [sympy.simplify(omega.subs(a, place)) for place in places if place.subs(n, 3) > 0]
    assert sympy.simplify(largest - (sqrt(n + 1) - 1) / 2) == 0
    for d in (2, 16, 100):
        assert compressors.terngrad().omega(d) == pytest.approx(float(largest.subs(n, d - 1)), rel=1e-14)


def test_qsgd_is_worst_on_flat_vectors_of_the_first_regime() -> None:
    # Level l = s/sqrt d <= 1/2 in every coordinate: the variance is d l (1 - l)/s^2 = sqrt d/s - 1.
    d, s = sympy.symbols("d s", positive=True)
    level = s / sqrt(d)
    assert sympy.simplify(d * level * (1 - level) / s**2 - (sqrt(d) / s - 1)) == 0
    # h(l) = l (1 - l) on [0, 1] stays below its tangent parabola l0/2 + (1 - 2 l0)/(2 l0)
    # l^2: the gap is a square.
    x, x0 = sympy.symbols("x x0", positive=True)
    gap = x0 / 2 + (1 - 2 * x0) / (2 * x0) * x**2 - x * (1 - x)
    assert sympy.simplify(gap - (x - x0) ** 2 / (2 * x0)) == 0
    assert compressors.qsgd(levels=2).omega(64) == pytest.approx(3.0, rel=1e-14)


def test_the_law_of_scaling() -> None:
    # E ||C/(1 + w) - x||^2 <= (1 + w)/(1 + w)^2 - 2/(1 + w) + 1 = w/(1 + w) for ||x|| = 1.
    w = sympy.symbols("w", positive=True)
    assert sympy.simplify((1 + w) / (1 + w) ** 2 - 2 / (1 + w) + 1 - w / (1 + w)) == 0
    omega = compressors.terngrad().omega(25)
    scaled = compressors.terngrad(shrink=1.0 / (1.0 + omega))
    assert scaled.delta(25) == pytest.approx(1.0 / (1.0 + omega), rel=1e-14)
