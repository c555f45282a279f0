"""The zoo: gradients, Hessians and gaps against each other, pairs by hand, the negative examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import clipping, zoo
from theory_sim.engine.evaluate import gradients, measures
from theory_sim.evidence.smoothness import Finding, box, curvature

SEXTIC = (0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 1.0 / 6.0)
EVERY = [
    *(constructor() for constructor in zoo.PROBLEMS),
    zoo.power_norm(3.0, d=3),
    zoo.power_norm(2.5, L1=0.5, d=2),
    zoo.polynomial(SEXTIC, 2.0),
    zoo.polynomial((1.0, -2.0, 0.0, 3.0)),  # a cubic: no minimum
    zoo.cosh(3.0, 0.5),
    zoo.exponential(2.0, 3),
    zoo.logistic(2.0, 2),
    zoo.logistic_regression(1.0, 5),
    zoo.ramp(0.5, 3.0),
]
FACTS = [problem for problem in EVERY if problem.facts]


@pytest.mark.parametrize("problem", EVERY, ids=str)
def test_gradient_is_the_derivative_of_the_gap(problem: ts.Problem) -> None:
    points = np.random.default_rng(5).uniform(-2.0, 2.0, (200, problem.dim))
    gradient = gradients(problem, points)
    found = measures(problem, points)
    assert found["gradient_norm"] == pytest.approx(np.linalg.norm(gradient, axis=1), rel=1e-11, abs=1e-13)
    if "gap" not in found:
        return
    h = 1e-5
    for i, unit in enumerate(np.eye(problem.dim)):
        up, down = (measures(problem, points + s * h * unit)["gap"] for s in (1, -1))
        # Central difference: h^2/6 |f'''| + rounding of f/h; |f'''| < 4e3 and f < 200 here (exp(x^2) at 2).
        scale = 1e-7 * (1.0 + np.abs(gradient[:, i])) + 1e-10 * found["gap"]
        assert np.all(np.abs((up - down) / (2 * h) - gradient[:, i]) <= scale)


@pytest.mark.parametrize("problem", EVERY, ids=str)
def test_curvature_is_the_norm_of_the_differenced_hessian(problem: ts.Problem) -> None:
    points = np.random.default_rng(6).uniform(-2.0, 2.0, (200, problem.dim))
    found = curvature(problem, points)
    exact = measures(problem, points)["curvature"]
    # The third derivative of the ramp has a kink, and |x|^2.5 one near 0, where the error is larger.
    assert np.all(np.abs(found.hessian - exact) <= 20.0 * found.error + 1e-7 * (1.0 + exact))


@pytest.mark.parametrize("problem", FACTS, ids=str)
def test_the_stated_pair_is_not_refuted(problem: ts.Problem) -> None:
    found = curvature(problem, box([-3.0] * problem.dim, [3.0] * problem.dim, 501))
    assert found.check(problem.facts["L0"], problem.facts["L1"]).finding is not Finding.REFUTED


# A smaller pair is refuted: L0 by 1 % where L0 > 0, else L1 by 1 %.
TIGHT = [
    zoo.power_norm(3.0),
    zoo.power_norm(4.0, L1=2.0, d=2),
    zoo.polynomial(),
    zoo.polynomial((0, 0, 0, 0, 1), 2.0),
    zoo.polynomial(SEXTIC, 2.0),
    zoo.cosh(3.0, 0.5),
    zoo.exponential(2.0, 2),
    zoo.logistic(2.0),
    zoo.ramp(),
]


@pytest.mark.parametrize("problem", TIGHT, ids=str)
def test_a_smaller_pair_is_refuted(problem: ts.Problem) -> None:
    found = curvature(problem, box([-6.0] * problem.dim, [6.0] * problem.dim, 2001))
    L0, L1 = problem.facts["L0"], problem.facts["L1"]
    pair = (0.99 * L0, L1) if L0 > 0.0 else (0.0, 0.99 * L1)
    report = found.check(*pair)
    assert report.finding is Finding.REFUTED
    assert report.excess > 0.0


def test_polynomial_constants() -> None:
    # x^(2k): 2k ((2k-2)/L1)^(2k-2): 4 (2/L1)^2 and 6 (4/L1)^4.
    for L1 in (0.5, 1.0, 2.0):
        assert zoo.polynomial_L0((0, 0, 0, 0, 1), L1) == pytest.approx(16.0 / L1**2)
        assert zoo.polynomial_L0((0,) * 6 + (1,), L1) == pytest.approx(1536.0 / L1**4)
    assert zoo.polynomial_L0((5, 1, 2), 1.0) == pytest.approx(4.0)  # quadratic 2 x^2: f'' = 4 where f' = 0
    # x^4/4 - x^2/2 at L1 = 1: 3x^2 - 1 - x^3 + x is stationary at 3x^2 - 6x - 1 = 0, x = 1 + 2/sqrt(3).
    x = 1.0 + 2.0 / math.sqrt(3.0)
    assert zoo.polynomial_L0((0, 0, -0.5, 0, 0.25), 1.0) == pytest.approx(3 * x * x - 1 - x**3 + x, rel=1e-12)


@given(
    coefficients=st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=5),
    lead=st.floats(0.5, 2.0),
    L1=st.floats(0.2, 5.0),
)
def test_polynomial_L0_is_the_maximum(coefficients: list[float], lead: float, L1: float) -> None:
    f = np.polynomial.Polynomial([*coefficients, lead])
    L0 = zoo.polynomial_L0(f.coef, L1)
    x = np.linspace(-60.0, 60.0, 24001)
    excess = np.abs(f.deriv(2)(x)) - L1 * np.abs(f.deriv()(x)) - L0
    size = 1.0 + L0
    assert excess.max() <= 1e-9 * size
    if L0 > 0.0 and L1 >= 1.0:
        # The maximum lies within |x| <= 60 and is missed by at most (|f'''| + L1 |f''|) 0.0025.
        jump = 0.0025 * np.max(
            (np.abs(f.deriv(3)(x)) + L1 * np.abs(f.deriv(2)(x)))[np.abs(excess) <= 0.5 * size]
        )
        assert excess.max() >= -2.0 * jump - 1e-9 * size


def test_minima() -> None:
    def at(problem: ts.Problem, x: float) -> float:
        return float(measures(problem, np.array([[x]]))["gap"][0])

    assert at(zoo.polynomial(), 1.0) == pytest.approx(0.0, abs=1e-15)  # wells at +-1
    assert at(zoo.polynomial(), 0.0) == pytest.approx(0.25)
    # x^6/6 - x^4 + x^2 is least at x^2 = 2 + sqrt 2, with the value -(2/3)(1 + sqrt 2).
    assert at(zoo.polynomial(SEXTIC), 0.0) == pytest.approx(2.0 / 3.0 * (1.0 + math.sqrt(2.0)))
    assert at(zoo.cosh(2.0, 3.0), 0.0) == 0.0
    assert at(zoo.chirp(), 2.0 * math.log(1.5 * math.pi)) == pytest.approx(0.0, abs=1e-15)
    assert "gap" not in zoo.chirped_exponential().measures  # unbounded
    assert "gap" not in zoo.polynomial((0, 0, 0, 1)).measures


def test_negative_examples_refute_large_pairs() -> None:
    x = np.array([200.0])
    # On xy = 1 the gradient vanishes and the Hessian has the norm x^2 + 1/x^2 = 40000.
    report = curvature(zoo.hyperbola(), np.stack([x, 1.0 / x], axis=1)).check(39_000.0, 1e6)
    assert report.finding is Finding.REFUTED
    assert report.hessian == pytest.approx(40_000.0, rel=1e-6)
    # exp(x^2): f''/f' = 2x + 1/x exceeds 40 beyond 20.
    assert (
        curvature(zoo.gaussian_exponential(), box(20.0, 25.0, 11)).check(1e100, 40.0).finding
        is Finding.REFUTED
    )
    # 2 sin e^(x/2) at e^(x/2) = pi/2 + 100 pi: f' = 0, |f''| = s^2/2 = 49847.
    zero = np.array([[2.0 * math.log(100.5 * math.pi)]])
    assert curvature(zoo.chirp(), zero).check(49_000.0, 100.0).finding is Finding.REFUTED


def test_the_class_is_not_closed_under_sums() -> None:
    points = box(-10.0, 20.0, 300)
    terms = zoo.exponential(), zoo.chirped_exponential()
    assert sum(gradients(term, points) for term in terms) == pytest.approx(
        gradients(zoo.chirp(), points), rel=1e-7, abs=1e-7
    )
    for term in terms:
        assert (
            curvature(term, points).check(term.facts["L0"], term.facts["L1"]).finding is not Finding.REFUTED
        )


def test_logistic_regression_has_its_margin() -> None:
    problem = zoo.logistic_regression(0.25, 7)
    a = np.array([*problem.theta.values()]).reshape(-1, problem.dim)
    assert a[:, 0].min() == 0.25 == problem.facts["margin"]
    assert problem.facts["L1"] == pytest.approx(np.max(np.sum(a**2, axis=1)) / 0.25)


def test_bad_arguments() -> None:
    for build, message in (
        (lambda: zoo.power_norm(2.0), r"p = 2.0 must be a finite number in \(2"),
        (lambda: zoo.power_norm(3.0, L1=0.0), "L1 = 0.0 must be"),
        (lambda: zoo.power_norm(3.0, d=0), "d = 0 must be an integer"),
        (lambda: zoo.polynomial((0.0, 1.0)), "degree 2 or more"),
        (lambda: zoo.polynomial((0.0, 1.0, 0.0)), "degree 2 or more"),
        (lambda: zoo.polynomial((0.0, 1.0, math.nan)), "coefficient = nan"),
        (lambda: zoo.polynomial(L1=-1.0), "L1 = -1.0 must be"),
        (lambda: zoo.cosh(0.0), "b = 0.0 must be"),
        (lambda: zoo.cosh(1.0, math.inf), "scale = inf must be"),
        (lambda: zoo.exponential(-1.0), "norm = -1.0 must be"),
        (lambda: zoo.logistic(1.0, 3), "d = 3 must be 1 or 2"),
        (lambda: zoo.logistic_regression(0.0), "margin = 0.0 must be"),
        (lambda: zoo.ramp(0.0), "eps = 0.0 must be"),
        (lambda: clipping.skewed(1.0, 0.5), "p = 0.5 must be"),
        (lambda: clipping.skewed(0.0), "sigma = 0.0 must be"),
    ):
        with pytest.raises(ValueError, match=message):
            build()
    with pytest.raises(ValueError, match=r"points have shape \(3, 1\); zoo.hyperbola needs \(N, 2\)"):
        measures(zoo.hyperbola(), np.zeros((3, 1)))


def test_skewed_noise_has_mean_0_and_its_variance() -> None:
    problem = clipping.skewed(2.0, 0.1)
    values = gradients(problem, np.zeros((2, 1)), uniforms=[[0.05, 0.5]])[:, 0]  # below and above p
    assert values[0] == pytest.approx(problem.facts["peak"]) == 6.0  # 2 sqrt(0.9/0.1)
    assert 0.1 * values[0] + 0.9 * values[1] == pytest.approx(0.0, abs=1e-15)
    assert 0.1 * values[0] ** 2 + 0.9 * values[1] ** 2 == pytest.approx(4.0)


@given(sigma=st.floats(0.1, 5.0), p=st.floats(0.001, 0.499), share=st.floats(0.05, 1.5))
def test_clipping_bias_is_the_zero_of_the_clipped_mean(sigma: float, p: float, share: float) -> None:
    peak = sigma * math.sqrt((1 - p) / p)
    c = share * peak
    x = float(clipping.clipping_bias(sigma, p, c))
    high, low = x + peak, x - sigma * math.sqrt(p / (1 - p))
    mean = p * max(-c, min(c, high)) + (1 - p) * max(-c, min(c, low))
    assert mean == pytest.approx(0.0, abs=1e-12 * (1.0 + peak))
    assert x <= float(clipping.worst_bias(sigma, c)) * (1.0 + 1e-12) + 1e-15
    assert float(clipping.worst_bias(sigma, c)) <= min(sigma, sigma**2 / (4 * c)) * (1.0 + 1e-12)
