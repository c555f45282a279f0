"""The smoothness checker: closed forms, refutations with their point, values that are not finite, bad arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import theory_sim as ts
from theory_sim.evidence.smoothness import Finding, box, curvature, gradient_at


def test_two_cosh_in_closed_form() -> None:
    # f = 2 cosh x: f'' = sqrt(4 + f'^2), so max f'' - L1 |f'| = sqrt(4 + g^2) - L1 g, at L1 < 1 at the end of
    # the region or at 0, at L1 >= 1 at 0.
    found = curvature(lambda x: 2.0 * math.sinh(x), box(-5.0, 5.0))
    g = 2.0 * math.sinh(5.0)
    expected = [math.sqrt(4 + g * g), math.sqrt(4 + g * g) - 0.5 * g, 2.0, 2.0]
    assert found.least_L0([0.0, 0.5, 1.0, 3.0]) == pytest.approx(expected, rel=1e-10)
    assert found.hessian == pytest.approx(2.0 * np.cosh(found.points[:, 0]), rel=1e-10)


def test_a_refuted_pair_comes_with_its_point() -> None:
    # f = x^4: 12 x^2 - 4 |x|^3 is largest at |x| = 2, with the value 16.
    found = curvature(lambda x: 4.0 * x**3, box(-4.0, 4.0, 801))
    report = found.check(15.0, 1.0)
    assert report.finding is Finding.REFUTED
    assert abs(report.point[0]) == pytest.approx(2.0)
    assert (report.hessian, report.gradient) == pytest.approx((48.0, 32.0), rel=1e-9)
    assert report.excess == pytest.approx(1.0, rel=1e-7)
    assert report.error < 1e-8
    assert (report.sampled, report.undecided, report.undecided_at) == (801, 0, ())


def test_a_tight_pair_is_not_refuted_and_nothing_is_called_proved() -> None:
    found = curvature(lambda x: 4.0 * x**3, box(-4.0, 4.0, 801))
    assert found.check(16.0, 1.0).finding is Finding.NOT_REFUTED
    assert {finding.value for finding in Finding} == {"REFUTED", "NOT_REFUTED", "UNDECIDED"}


def test_between_the_points_a_violation_is_missed() -> None:
    # The bump of width 1e-3 at 0.55 lies between the points 0.5 and 0.6: a sampled check cannot see it.
    def gradient(x: float) -> float:
        return 0.0 if abs(x - 0.55) > 1e-3 else (x - 0.55) * (1e-6 - (x - 0.55) ** 2) * 1e9

    coarse, fine = (curvature(gradient, box(0.0, 1.0, n)) for n in (11, 4001))
    assert coarse.least_L0(1.0) < 100.0
    assert fine.least_L0(1.0) > 900.0


@given(
    entries=st.lists(st.floats(-10.0, 10.0), min_size=6, max_size=6),
    point=st.lists(st.floats(-5.0, 5.0), min_size=3, max_size=3),
)
def test_a_quadratic_has_its_spectral_norm(entries: list[float], point: list[float]) -> None:
    H = np.zeros((3, 3))
    H[np.triu_indices(3)] = entries
    H = H + H.T - np.diag(np.diag(H))
    found = curvature(lambda x: H @ x, np.array([point]))
    # The differences are exact up to rounding: 8 eps |g|/h at h = 0.1.
    assert found.hessian[0] == pytest.approx(np.linalg.norm(H, 2), abs=1e-10)
    assert found.gradient[0] == pytest.approx(np.linalg.norm(H @ np.array(point)), abs=1e-10)


@given(x=st.floats(-3.0, 3.0), b=st.floats(0.5, 40.0))
def test_the_estimated_error_is_one(x: float, b: float) -> None:
    found = curvature(lambda y: math.sin(b * y), np.array([[x]]))
    # An estimate, not a bound; the argument b x has its own rounding, b eps |b x| after
    # differencing at h ~ 1e-3.
    actual = abs(found.hessian[0] - abs(b * math.cos(b * x)))
    assert actual <= 20.0 * found.error[0] + 1e-9 * b


def test_a_wave_that_every_largest_step_maps_onto_itself_is_not_flat() -> None:
    found = curvature(lambda x: math.sin(2.0 * math.pi * 10.0 * x), np.array([[0.0]]))
    assert found.hessian[0] == pytest.approx(20.0 * math.pi, rel=1e-8)


def test_values_that_are_not_finite_are_reported() -> None:
    # math.exp raises OverflowError beyond 709.78, numpy returns infinity.
    for gradient in (math.exp, np.exp):
        found = curvature(gradient, box(700.0, 720.0, 21))
        report = found.check(0.0, 1.0)
        assert report.finding is Finding.UNDECIDED
        assert report.undecided >= 11
        assert 708.0 <= report.undecided_at[0] <= 711.0
        with pytest.raises(ValueError, match=r"not finite at 1\d of 21 points, first at x = \(7"):
            found.least_L0(1.0)


def test_a_refutation_stands_beside_values_that_are_not_finite() -> None:
    report = curvature(np.exp, box(700.0, 720.0, 21)).check(0.0, 0.5)
    assert report.finding is Finding.REFUTED
    assert report.undecided >= 11
    assert math.isfinite(report.excess)


def test_nan_everywhere_is_undecided() -> None:
    report = curvature(lambda x: math.nan, box(0.0, 1.0, 5)).check(1.0, 1.0)
    assert report.finding is Finding.UNDECIDED
    assert report.undecided == 5
    assert math.isnan(report.point[0])
    assert math.isnan(report.excess)


def test_a_jump_of_the_gradient_is_not_accurate() -> None:
    # f = |x| at its kink: the difference quotient 1/h settles at no step, whatever the pair.
    found = curvature(step, np.array([[0.0]]))
    assert found.error[0] > 1e7
    for L0 in (1.0, 1e3, 1e6):
        assert found.check(L0, 0.0).finding is Finding.UNDECIDED


def step(x: float) -> float:
    """The gradient of |x|."""
    return math.copysign(1.0, x) if x else 0.0


@pytest.mark.parametrize("L0", [0.0, 1.0, 1e6])
@pytest.mark.parametrize("L1", [0.0, 1.0, 100.0])
def test_a_kink_between_the_points_is_found(L0: float, L1: float) -> None:
    # On an even number of points none is at the kink, and every Hessian is 0.
    found = curvature(step, box(-1.0, 1.0, 2000))
    assert found.hessian.max() < 1e-9
    report = found.check(L0, L1)
    assert report.finding is Finding.REFUTED
    assert abs(report.point[0]) < 1e-8
    assert found.least_L0(L1) > 1e8


def test_a_spike_of_the_slope_between_the_points_is_found() -> None:
    # Slope 5e4 on a length of 1e-5 around 0.30003: the gradient is 0 before and 0.5 after.
    found = curvature(lambda x: min(max(5e4 * (x - 0.30003), 0.0), 0.5), box(0.0, 1.0, 1001))
    report = found.check(1e4, 1.0)
    assert report.finding is Finding.REFUTED
    assert report.point[0] == pytest.approx(0.300035, abs=5e-6)
    assert report.hessian == pytest.approx(5e4, rel=0.01)
    assert found.check(6e4, 1.0).finding is not Finding.REFUTED


def test_a_kink_in_the_plane_is_found() -> None:
    found = curvature(lambda z: np.array([step(z[0]), 0.0]), box([-1, -1], [1, 1], 500))
    report = found.check(1e3, 1.0)
    assert report.finding is Finding.REFUTED
    assert abs(report.point[0]) < 1e-3


@pytest.mark.parametrize(
    ("gradient", "low", "high", "L0", "L1"),
    [
        (np.exp, -5.0, 5.0, 0.0, 1.0),
        (lambda x: float(np.float32(np.exp(x))), -5.0, 5.0, 1e-3, 1.05),
        (lambda x: float(np.float32(np.tanh(x))), -9.0, 9.0, 1.01, 0.0),
        (lambda x: x - 1e8, 1e8 - 1.0, 1e8 + 1.0, 1.0 + 1e-6, 0.0),
        (lambda x: math.sin(1e7 * x) / 1e7, -1.0, 1.0, 1.0 + 1e-6, 0.0),
        (lambda x: 1.0 + 1e-17 * x, -1.0, 1.0, 1e-12, 0.0),
        (lambda x: 1e-300 * x, -1.0, 1.0, 1e-299, 0.0),
    ],
    ids=["exp", "float32 exp", "float32 tanh", "far", "fast", "flat", "tiny"],
)
def test_rounding_between_the_points_refutes_nothing(
    gradient: Any, low: float, high: float, L0: float, L1: float
) -> None:
    assert curvature(gradient, box(low, high, 2001)).check(L0, L1).finding is not Finding.REFUTED


def test_a_field_that_is_no_gradient_is_undecided() -> None:
    # The rotation (-y, x) has the antisymmetric Jacobian, which no Hessian is.
    found = curvature(lambda z: np.array([-z[1], z[0]]), box([-1, -1], [1, 1], 20))
    assert found.check(0.5, 0.0).finding is Finding.UNDECIDED


def test_problems_and_functions_agree(pull: ts.Problem) -> None:
    problem = pull.replace(curvature=3.0, target=0.5)
    points = box(-2.0, 2.0, 101)
    assert gradient_at(problem, points)[:, 0] == pytest.approx(3.0 * (points[:, 0] - 0.5), rel=1e-15)
    one, other = curvature(problem, points), curvature(lambda x: 3.0 * (x - 0.5), points)
    assert one.hessian == pytest.approx(other.hessian, rel=1e-13)
    assert one.check(3.0, 0.0).finding is Finding.NOT_REFUTED
    assert one.check(2.9, 0.0).finding is Finding.REFUTED


def indexed_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """(k + 1) x for component k."""
    for lane in range(x.shape[1]):
        out[0, 0, lane] = float(idx[0, lane] + 1) * x[0, lane]


def test_components_are_averaged() -> None:
    problem = ts.Problem("indexed", indexed_gradient, components=3)
    assert curvature(problem, np.array([[1.0]])).hessian[0] == pytest.approx(2.0)  # (1 + 2 + 3)/3


def test_box() -> None:
    assert box(-1.0, 1.0, 5).tolist() == [[-1.0], [-0.5], [0.0], [0.5], [1.0]]
    points = box([0.0, -2.0], [1.0, 2.0], 50)
    assert points.shape == (54, 2)
    assert {tuple(p) for p in points[:4].tolist()} == {(0, -2), (0, 2), (1, -2), (1, 2)}
    assert ((points >= [0.0, -2.0]) & (points <= [1.0, 2.0])).all()


def test_bad_arguments(pull: ts.Problem) -> None:
    found = curvature(lambda x: x, box(-1.0, 1.0, 5))
    with pytest.raises(ValueError, match="L1 = -1"):
        found.least_L0(-1.0)
    with pytest.raises(ValueError, match="L0 = nan"):
        found.check(math.nan, 1.0)
    with pytest.raises(ValueError, match="must be finite, with low < high"):
        box(1.0, 1.0)
    with pytest.raises(ValueError, match="must be finite, with low < high"):
        box([0.0, 0.0], [1.0, math.inf])
    with pytest.raises(ValueError, match="count = 1 must be an integer >= 2"):
        box(0.0, 1.0, 1)
    for points in (np.zeros(3), np.zeros((0, 1)), np.array([[math.nan]])):
        with pytest.raises(ValueError, match="must be finite, with shape"):
            curvature(lambda x: x, points)
    with pytest.raises(ValueError, match="returned 2 numbers at a point of 1 coordinates"):
        curvature(lambda x: [x, x], np.zeros((1, 1)))
    with pytest.raises(ValueError, match=r"points have shape \(1, 2\); pull needs \(N, 1\)"):
        curvature(pull, np.zeros((1, 2)))
    with pytest.raises(ValueError, match="pull has random gradients"):
        gradient_at(ts.Problem("pull", pull.gradient, pull.constants, draws=1), np.zeros((1, 1)))
