"""Closed-form drift of Adam: golden roots and areas, brute force, many digits, and laws."""

import itertools
import math
from collections.abc import Callable, Sequence

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterexamples.drift import (
    batch_problem,
    critical_beta2,
    diverging_area,
    drift,
    first_order_beta2,
    periodic_critical_beta2,
    periodic_drift,
    quadratics_bias,
    update_bound,
)

TWO_HITS = [10.0, 10.0] + [-1.0] * 8
WEIGHTS = st.floats(0.0, 0.999)
POSITIVE_WEIGHTS = st.floats(0.01, 0.999)
SEQUENCES = st.lists(
    st.one_of(st.floats(0.01, 100.0), st.floats(-100.0, -0.01)), min_size=1, max_size=12
)  # no zeros, so v > 0


def large_then_small(n: int, C: float) -> list[float]:
    return [C] + [-1.0] * (n - 1)


def simulated_drift(gradients: Sequence[float], beta1: float, beta2: float) -> float:
    """Adam's recursion from m = v = 0 until the start is forgotten to below 1e-17, then one period."""
    memory = max(beta1, beta2, 0.1)
    periods = math.ceil(40.0 / -math.log(memory) / len(gradients)) + 1
    m = v = 0.0
    for _ in range(periods):
        total = 0.0
        for g in gradients:
            m = beta1 * m + (1.0 - beta1) * g
            v = beta2 * v + (1.0 - beta2) * g * g
            total += m / math.sqrt(v)
    return total


def precise_drift(beta1: float, beta2: float, n: int, C: float) -> mpmath.mpf:
    """The average over the infinite past, in 60 digits; the betas are taken as the exact doubles."""

    def share(beta: mpmath.mpf, k: int) -> mpmath.mpf:
        return (1 - beta) * beta**k / (1 - beta**n)

    b1, b2, c = mpmath.mpf(beta1), mpmath.mpf(beta2), mpmath.mpf(C)
    return mpmath.fsum(
        ((c + 1) * share(b1, k) - 1) / mpmath.sqrt(1 + (c * c - 1) * share(b2, k)) for k in range(n)
    )


# Values of the drift.


@pytest.mark.parametrize("n", [2, 3, 10, 101])
def test_sign_descent_takes_n_minus_2_wrong_steps_per_period(n: int) -> None:
    assert drift(0.0, 0.0, n, n) == pytest.approx(-(n - 2), abs=1e-12)


@pytest.mark.parametrize(
    ("beta1", "beta2", "n", "C"),
    [
        (0.9, 0.99, 101, 101.0),
        (0.0, 0.9, 10, 10.0),
        (0.5, 0.0, 4, 4.0),
        (0.99, 0.3, 7, 40.0),
        (0.0, 0.5, 1, -3.0),
        (0.3, 0.95, 6, 0.2),
    ],
)
def test_equals_the_simulated_recursion(beta1: float, beta2: float, n: int, C: float) -> None:
    expected = simulated_drift(large_then_small(n, C), beta1, beta2)
    # Both sums lose at most about n 2^-53 of their largest term, which is below 1e3 here.
    assert drift(beta1, beta2, n, C) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize(("beta1", "beta2"), [(0.0, 0.9), (0.9, 0.5), (0.99, 0.999)])
def test_any_sequence_equals_the_simulated_recursion(beta1: float, beta2: float) -> None:
    gradients = [3.0, -0.5, 0.25, -7.0, 1.0, 1.0]
    expected = simulated_drift(gradients, beta1, beta2)
    assert periodic_drift(gradients, beta1, beta2) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("one_minus_beta2", [1e-12, 1e-9, 1e-4])
@pytest.mark.parametrize(
    ("beta1", "n", "C"), [(0.0, 10, 10.0), (0.9, 101, 101.0), (1.0 - 1e-12, 50, 50.0), (0.9, 10, 9.0)]
)
def test_keeps_its_digits_near_one(beta1: float, n: int, C: float, one_minus_beta2: float) -> None:
    # For C = n - 1 the sum itself vanishes like 1 - beta2, so the error is absolute: a few n 2^-53 times the
    # largest term, which is C / sqrt((C^2 + n - 1) / n) < sqrt(n) at beta1 = 0 and less with momentum.
    beta2 = 1.0 - one_minus_beta2
    with mpmath.workdps(60):
        expected = precise_drift(beta1, beta2, n, C)
        for value in (drift(beta1, beta2, n, C), periodic_drift(large_then_small(n, C), beta1, beta2)):
            assert abs(mpmath.mpf(float(value)) - expected) < 8 * n**1.5 * 2.0**-53


@pytest.mark.parametrize("C", [1e-150, 1e-10, -1e-10, 1e150])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_extreme_ratios(n: int, C: float) -> None:
    with mpmath.workdps(400):
        expected = float(precise_drift(0.5, 0.9, n, C))
    assert drift(0.5, 0.9, n, C) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_broadcasts_over_all_four_arguments() -> None:
    beta1, beta2 = np.array([0.0, 0.9]), np.array([[0.0], [0.5], [0.999]])
    n, C = np.array([2, 10, 37])[:, None, None], np.array([4.0, 50.0])[:, None, None, None]
    together = drift(beta1, beta2, n, C)
    assert together.shape == (2, 3, 3, 2)
    for i, j, k, q in itertools.product(range(2), range(3), range(3), range(2)):
        alone = drift(beta1[q], beta2[k, 0], int(n[j, 0, 0]), C[i, 0, 0, 0])
        assert together[i, j, k, q] == pytest.approx(float(alone), rel=1e-13, abs=1e-13)


def test_long_periods_are_summed_in_blocks() -> None:
    # 1000 cells and 5000 terms are several blocks; one cell is a single block.
    beta2 = np.linspace(0.0, 0.999, 1000)
    blocks = drift(0.9, beta2, 5000, 5000.0)
    assert blocks[-1] == pytest.approx(float(drift(0.9, 0.999, 5000, 5000.0)), rel=1e-12)


@given(n=st.integers(1, 12), C=st.floats(0.01, 100.0), beta1=WEIGHTS, beta2=WEIGHTS)
def test_equals_the_drift_of_its_sequence(n: int, C: float, beta1: float, beta2: float) -> None:
    expected = float(periodic_drift(large_then_small(n, C), beta1, beta2))
    # v is an average of 1 and C^2 >= 1e-4 and abs(m) <= 100, so a term is at most 1e4.
    assert drift(beta1, beta2, n, C) == pytest.approx(expected, rel=1e-10, abs=1e-9)


@given(
    gradients=SEQUENCES,
    scale=st.floats(1e-80, 1e80),
    flip=st.sampled_from([1.0, -1.0]),
    beta1=WEIGHTS,
    beta2=POSITIVE_WEIGHTS,
)
def test_only_ratios_of_gradients_matter_and_a_flip_flips_the_drift(
    gradients: list[float], scale: float, flip: float, beta1: float, beta2: float
) -> None:
    scaled = periodic_drift(flip * scale * np.array(gradients), beta1, beta2)
    assert flip * scaled == pytest.approx(float(periodic_drift(gradients, beta1, beta2)), rel=1e-9, abs=1e-9)


@given(gradients=SEQUENCES, shift=st.integers(0, 11), beta1=WEIGHTS, beta2=POSITIVE_WEIGHTS)
def test_the_start_of_the_period_does_not_matter(
    gradients: list[float], shift: int, beta1: float, beta2: float
) -> None:
    rotated = periodic_drift(np.roll(gradients, shift), beta1, beta2)
    assert rotated == pytest.approx(float(periodic_drift(gradients, beta1, beta2)), rel=1e-9, abs=1e-9)


# Critical values.


@pytest.mark.parametrize(
    ("n", "C", "beta1", "roots"),
    [
        (3, 3, 0.0, [0.472313]),
        (3, 3, 0.5, []),
        (3, 3, 0.9, []),
        (4, 4, 0.0, [0.700635]),
        (4, 4, 0.5, [0.460901]),
        (4, 4, 0.9, []),
        (5, 5, 0.0, [0.810744]),
        (5, 5, 0.5, [0.690017]),
        (5, 5, 0.9, []),
        (10, 10, 0.0, [0.955443]),
        (10, 10, 0.5, [0.943389]),
        (10, 10, 0.9, [0.064885, 0.774657]),
        (10, 10, 0.99, []),
        (50, 50, 0.0, [0.998358]),
        (50, 50, 0.5, [0.998289]),
        (50, 50, 0.9, [0.997453]),
        (50, 50, 0.99, [0.138059, 0.980820]),
        (10, 90, 0.0, [0.466398]),
        (10, 90, 0.5, []),
        (20, 380, 0.0, [0.629233]),
        (20, 380, 0.5, [0.120755, 0.599661]),
        (20, 380, 0.9, []),
        (101, 101, 0.0, [0.9996028]),
        (101, 101, 0.5, [0.9995947]),
        (101, 101, 0.9, [0.9995159]),
        (101, 101, 0.99, [0.000934, 0.997640]),
        # Reddi et al., Theorem 1: their beta2 = 1 / (1 + C^2) lies far inside.
        (3, 2.01, 0.0, [0.98689]),
        (3, 10, 0.0, [0.09835]),
    ],
)
def test_critical_values_by_bisection(n: int, C: float, beta1: float, roots: list[float]) -> None:
    # The expected values come from a bisection in another program, printed to 5 to 7 digits.
    found = critical_beta2(beta1, n, C)
    digits = max((len(str(root)) - 2 for root in roots), default=6)
    assert found == pytest.approx(roots, abs=10.0 ** -min(digits, 6))


@pytest.mark.parametrize(
    ("beta1", "n", "C"), [(0.0, 10, 10.0), (0.9, 10, 10.0), (0.99, 50, 50.0), (0.99, 101, 101.0)]
)
def test_roots_have_all_their_digits(beta1: float, n: int, C: float) -> None:
    # The error is that of D, about n 2^-53, over the slope of D, which is above 1 at these roots.
    with mpmath.workdps(40):
        for root in critical_beta2(beta1, n, C):
            start = (float(root) * (1.0 - 1e-9), float(root))
            exact = mpmath.findroot(lambda beta2: precise_drift(beta1, beta2, n, C), start)
            assert abs(mpmath.mpf(float(root)) - exact) < n * 2.0**-53


def test_a_pair_of_roots_closer_than_the_scan_is_found() -> None:
    # For n = C = 10 the two roots merge near beta1 = 0.94012694616; at 1e-9 below, they are 1.2e-4 apart
    # while the scan steps by more than 0.01.
    lower, upper = critical_beta2(0.940126945, 10, 10.0)
    assert 0.0 < upper - lower < 2e-4
    assert drift(0.940126945, 0.5 * (lower + upper), 10, 10.0) < 0.0
    assert critical_beta2(0.9402, 10, 10.0).size == 0


def test_critical_values_of_the_reddi_problem_by_period() -> None:
    # Shi et al. plot against u = -log10(1 - beta2).
    u = {n: -math.log10(1.0 - critical_beta2(0.0, n, n)[-1]) for n in (3, 5, 10, 20, 30)}
    assert u == pytest.approx({3: 0.2776, 5: 0.7229, 10: 1.3511, 20: 1.9739, 30: 2.3341}, abs=6e-5)


def test_two_components_have_their_root_at_zero() -> None:
    # n = 2, sign descent: one step each way, D = 0 exactly; positive beta2 converges.
    assert critical_beta2(0.0, 2, 2.0).tolist() == [0.0]
    assert drift(0.0, 1e-3, 2, 2.0) > 0.0


def test_two_large_gradients_in_a_row() -> None:
    assert periodic_critical_beta2(TWO_HITS, 0.0) == pytest.approx([0.634372], abs=1e-6)


def test_both_critical_values_share_their_scan() -> None:
    assert periodic_critical_beta2(large_then_small(10, 10.0), 0.9) == pytest.approx(
        critical_beta2(0.9, 10, 10.0), abs=1e-14
    )


def test_a_drift_that_vanishes_identically_has_no_critical_value() -> None:
    with pytest.raises(ValueError, match="vanishes at every point"):
        critical_beta2(0.0, 2, 1.0)


def test_smallest_diverging_period_of_reddi_theorem_2() -> None:
    smallest = {
        (beta1, beta2): next(n for n in range(3, 200) if drift(beta1, beta2, n, n) < 0.0)
        for beta1, beta2 in [(0.0, 0.5), (0.0, 0.9), (0.0, 0.99), (0.9, 0.95), (0.9, 0.999)]
    }
    assert list(smallest.values()) == [4, 7, 21, 17, 74]


# First order.


def first_order_by_definition(beta1: float, n: int, C: float, order: str) -> float:
    """1 - beta2 from moments of the gradients and sums over lags, in place of closed forms."""
    gradients = np.array(large_then_small(n, C))
    mean, square = float(np.mean(gradients)), float(np.mean(gradients**2))
    skew = float(np.mean(gradients**3)) - mean * square
    e = 2.0 * mean * square / skew
    if order == "replacement":
        return e * (1.0 - beta1) / ((1.0 - beta1) - e * beta1)
    lags = np.arange(100 * n)
    shares = (1.0 - beta1) * beta1**lags
    if order == "cyclic":
        return e / (0.5 - float(np.sum(shares * (lags % n))) / (n - 1))
    inside = np.where(lags < n, lags - lags * (lags + 1) / (2 * n), (n - 1) / 2)
    return e / (0.5 - float(np.sum(shares * inside)) / (n - 1))


@pytest.mark.parametrize("order", ["cyclic", "reshuffled", "replacement"])
@pytest.mark.parametrize(("beta1", "n", "C"), [(0.0, 10, 10.0), (0.9, 50, 50.0), (0.5, 20, 380.0)])
def test_first_order_equals_its_definition(beta1: float, n: int, C: float, order: str) -> None:
    expected = 1.0 - first_order_by_definition(beta1, n, C, order)
    assert first_order_beta2(beta1, n, C, order) == pytest.approx(
        expected if expected >= 0.0 else math.nan, abs=1e-12, nan_ok=True
    )


@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_first_order_tends_to_the_exact_root(beta1: float) -> None:
    ratios = [
        (1.0 - critical_beta2(beta1, n, n)[-1]) / (1.0 - float(first_order_beta2(beta1, n, n, "cyclic")))
        for n in (50, 100, 1000)
    ]
    # The next term is of relative order 1 / n: 0.0054, 0.0030, 0.0003 for beta1 = 0.
    assert ratios == pytest.approx([1.0, 1.0, 1.0], abs=6e-3)
    assert abs(ratios[0] - 1.0) > abs(ratios[1] - 1.0) > abs(ratios[2] - 1.0)
    assert ratios[2] == pytest.approx(1.0, abs=5e-4)


def test_first_order_by_sampling_order_for_large_n() -> None:
    # C = n, beta1 = 0: 1 - beta2 ~ 4 / n^2 once per epoch, 2 / n^2 with replacement.
    n = 1000
    scaled = {
        order: n * n * (1.0 - float(first_order_beta2(0.0, n, n, order)))
        for order in ("cyclic", "reshuffled", "replacement")
    }
    assert scaled == pytest.approx({"cyclic": 4.0, "reshuffled": 4.0, "replacement": 2.0}, rel=2e-3)


def test_first_order_broadcasts_and_is_nan_only_without_a_root() -> None:
    roots = first_order_beta2([[0.0], [0.9]], [10, 50, 10], [10.0, 50.0, 8.0], "cyclic")
    assert roots.shape == (2, 3)
    assert np.isnan(roots).tolist() == [[False, False, True]] * 2  # C = 8 < n - 1: S < 0
    # With replacement q = 1 - e beta1 / (1 - beta1) and e = 0.0222 at n = C = 10: q < 0 from beta1 = 0.98.
    assert np.isnan(first_order_beta2(0.99, 10, 10.0, "replacement"))


# The phase diagram.


@pytest.mark.parametrize(
    ("n", "equal", "equal_safe", "steep", "steep_safe"),
    [
        (3, 0.136, 0.170, 0.022, 0.030),
        (4, 0.354, 0.413, 0.045, 0.062),
        (10, 0.857, 0.892, 0.191, 0.255),
        (50, 0.994, 0.999, 0.545, 0.696),
        (200, 0.9997, 1.000, 0.705, 0.895),
    ],
)
def test_diverging_areas(n: int, equal: float, equal_safe: float, steep: float, steep_safe: float) -> None:
    # C = n is a = 1 in Zhang et al., C = n (n - 1) is a = 1 / (n - 1)^2; midpoints of 200 x 200 cells.
    steep_C = n * (n - 1)
    assert diverging_area(n, n) == pytest.approx(equal, abs=6e-4)
    assert diverging_area(n, n, safe=True) == pytest.approx(equal_safe, abs=6e-4)
    assert diverging_area(n, steep_C) == pytest.approx(steep, abs=6e-4)
    assert diverging_area(n, steep_C, safe=True) == pytest.approx(steep_safe, abs=6e-4)


@pytest.mark.parametrize("ratio", [lambda n: n, lambda n: n * (n - 1)], ids=["equal", "steep"])
def test_diverging_regions_are_nested(ratio: Callable[[int], int]) -> None:
    midpoints = (np.arange(40) + 0.5) / 40
    wrong = [
        drift(midpoints, midpoints[:, None], n, ratio(n)) < 0.0 for n in (3, 4, 5, 6, 8, 10, 15, 20, 30, 50)
    ]
    for smaller, larger in itertools.pairwise(wrong):
        assert not np.any(smaller & ~larger)


def test_batches_shrink_the_diverging_region() -> None:
    expected = {1: (0.99886, 0.99838), 4: (0.99496, 0.98146), 10: (0.98383, 0.87391), 20: (0.93857, 0.32396)}
    for B, roots in expected.items():
        n, C = batch_problem(60, B)
        assert C - (n - 1) == pytest.approx(1.0 / B)
        found = [critical_beta2(beta1, n, C)[-1] for beta1 in (0.0, 0.9)]
        assert found == pytest.approx(roots, abs=6e-6)
    critical = [critical_beta2(0.0, *batch_problem(60, B))[-1] for B in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20)]
    assert all(larger < smaller for smaller, larger in itertools.pairwise(critical))
    first = [float(first_order_beta2(0.0, *batch_problem(60, B), "cyclic")) for B in (1, 2, 3, 4, 5, 6)]
    assert 1.0 - np.array(first) == pytest.approx(1.0 - np.array(critical[:6]), rel=0.02)


def test_a_full_batch_always_goes_the_right_way() -> None:
    n, C = batch_problem(60, 60)
    assert drift(0.5, [0.1, 0.9, 0.999], n, C) == pytest.approx(1.0)


# Ten quadratics.


def test_first_order_of_the_quadratics_bias() -> None:
    # S = x / (10 a / 9 - x) and C = 9 + O(x) give x = -(200 / 9) (1 - beta2) a for beta1 = 0.
    for one_minus_beta2 in (1e-4, 1e-6, 1e-8):
        slope = quadratics_bias(0.0, 1.0 - one_minus_beta2) / one_minus_beta2
        assert slope == pytest.approx(-200.0 / 9.0, rel=30.0 * one_minus_beta2 + 1e-6)


@pytest.mark.parametrize(("beta1", "beta2"), [(0.0, 0.96), (0.0, 0.999), (0.5, 0.95), (0.9, 0.99)])
def test_the_field_of_the_quadratics_vanishes_at_the_bias_and_points_to_it(
    beta1: float, beta2: float
) -> None:
    limit = quadratics_bias(beta1, beta2)

    def field(x: float) -> float:
        gradients = [2.0 * (x - 1.0)] + [-0.2 * (x - 10.0 / 9.0)] * 9
        return float(periodic_drift(gradients, beta1, beta2))

    assert limit < 0.0
    assert field(limit) == pytest.approx(0.0, abs=1e-12)
    assert field(1.01 * limit) < 0.0 < field(0.99 * limit)


def test_adam_settles_at_the_quadratics_bias() -> None:
    def mean_over_last_period(lr: float) -> float:
        beta2, x, v, total = 0.99, 0.0, 0.0, 0.0
        for t in range(100_000):
            g = 2.0 * (x - 1.0) if t % 10 == 0 else -0.2 * (x - 10.0 / 9.0)
            v = beta2 * v + (1.0 - beta2) * g * g
            x -= lr * g / math.sqrt(v)
            total = total + x if t % 10 else x
        return total / 10.0

    # A constant step adds a bias of about 20 lr; extrapolation to lr = 0 leaves a second order in lr.
    vanishing_step = 2.0 * mean_over_last_period(0.005) - mean_over_last_period(0.01)
    assert vanishing_step == pytest.approx(quadratics_bias(0.0, 0.99), abs=2e-3)


def test_the_quadratics_bias_is_linear_and_exists_above_the_critical_value() -> None:
    assert quadratics_bias(0.0, 0.99, a=-1000.0) == pytest.approx(
        -1000.0 * quadratics_bias(0.0, 0.99), rel=1e-14
    )
    critical = critical_beta2(0.0, 10, 10.0)[0]
    assert math.isnan(quadratics_bias(0.0, critical - 1e-6))
    assert quadratics_bias(0.0, critical + 1e-6) < -1e4


# The bound on the update.


def test_update_bound_values() -> None:
    beta1, beta2 = [0.9, 0.9, 0.5, 0.9, 0.99], [0.999, 0.99, 0.3, 0.82, 0.99]
    assert update_bound(beta1, beta2) == pytest.approx([7.2703, 2.3452, 1.4639, 2.1344, 1.0], abs=6e-5)
    # m = g when beta1 = 0, so the supremum is 1 / sqrt(1 - beta2), reached by a first gradient.
    assert update_bound(0.0, [0.0, 0.5]) == pytest.approx([1.0, math.sqrt(2.0)])
    assert np.isinf(update_bound([0.5, 0.5, 0.1], [0.25, 0.2, 0.0])).all()


@given(
    gradients=st.lists(st.floats(-1e3, 1e3).filter(lambda g: abs(g) > 1e-3), min_size=1, max_size=40),
    beta1=WEIGHTS,
    beta2=WEIGHTS,
)
def test_no_sequence_exceeds_the_update_bound(gradients: list[float], beta1: float, beta2: float) -> None:
    bound = float(update_bound(beta1, beta2))
    assert bound >= 1.0 - 1e-12
    m = v = 0.0
    for g in gradients:
        m = beta1 * m + (1.0 - beta1) * g
        v = beta2 * v + (1.0 - beta2) * g * g
        assert abs(m) <= bound * math.sqrt(v) * (1.0 + 1e-9)


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.999), (0.9, 0.99), (0.5, 0.3), (0.9, 0.9)])
def test_the_extremal_sequence_reaches_the_update_bound(beta1: float, beta2: float) -> None:
    # Age j carries (beta1 / beta2)^j; what 400 steps leave out of the sums is (beta1^2 / beta2)^400 < 1e-17.
    j = np.arange(400)
    g = (beta1 / beta2) ** j
    m = (1.0 - beta1) * np.sum(beta1**j * g)
    v = (1.0 - beta2) * np.sum(beta2**j * g * g)
    assert m / math.sqrt(v) == pytest.approx(float(update_bound(beta1, beta2)), rel=1e-9)


# Errors.


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: drift(1.0, 0.9, 10, 10.0), r"beta1 = 1\.0 is outside \[0, 1\)"),
        (lambda: drift(0.9, math.nan, 10, 10.0), r"beta2 = nan is outside"),
        (lambda: drift(0.9, 0.9, 0, 10.0), "n = 0 is not an integer of at least 1"),
        (lambda: drift(0.9, 0.9, 2.5, 10.0), r"n = 2\.5 is not an integer"),
        (lambda: drift(0.9, 0.9, 10, math.inf), "C = inf has a size outside"),
        (lambda: drift(0.9, 0.9, 10, 0.0), r"C = 0\.0 has a size outside"),
        (lambda: periodic_drift([1.0, math.nan], 0.9, 0.9), "nan.* is not one period"),
        (lambda: periodic_drift([0.0, 0.0], 0.9, 0.9), "not one period"),
        (lambda: periodic_drift([1.0, 0.0], 0.9, 0.0), "v vanishes at the gradient 0"),
        (lambda: first_order_beta2(0.9, 10, 10.0, "cyclical"), "did you mean cyclic"),
        (lambda: first_order_beta2(0.9, 10, 10.0, "reshuffle"), "did you mean reshuffled"),
        (lambda: first_order_beta2(0.9, 10, 10.0, "???"), "choose from cyclic, replacement, reshuffled"),
        (lambda: first_order_beta2(0.9, 1, 10.0, "cyclic"), "at least 2"),
        (lambda: diverging_area(10, 9.0), "is not above n - 1"),
        (lambda: diverging_area(10, 10.0, cells=0), "cells = 0"),
        (lambda: batch_problem(60, 7), "B = 7 does not cut N = 60"),
        (lambda: batch_problem(60, 0), "B = 0 does not cut"),
        (lambda: quadratics_bias(0.0, 0.99, math.inf), "a = inf is not finite"),
    ],
)
def test_errors_name_the_value_and_the_rule(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
