"""Theorem >= performance estimation >= search, for gradient descent and the heavy ball."""

from __future__ import annotations

import math

import numpy as np
import pytest

import theory_sim as ts
from paper_checks.theorems import momentum
from paper_checks.worst_case import CASES, Case, Gap
from theory_sim.adversary import least_value, piecewise, search
from theory_sim.optimizers.momentum import gd, sgdm

SOLVER = 1e-6  # CLARABEL stops at a relative gap of 1e-8; some programs are badly scaled
TIGHT = {
    momentum.GD_CONVEX,
    momentum.GD_NONCONVEX,
    momentum.GD_STRONGLY_CONVEX,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_bound_is_above_the_estimate_is_above_the_search(case: Case) -> None:
    pytest.importorskip("PEPit")
    gap = Gap(case, case.bound(), case.estimate(), case.search().ratio)
    print(gap)
    if case.theorem.constants != "recalled":
        assert gap.theorem >= gap.estimate * (1.0 - SOLVER)
    assert gap.estimate >= gap.search * (1.0 - SOLVER)
    if case.theorem in TIGHT:
        assert gap.estimate == pytest.approx(gap.theorem, rel=1e-3)
    # The worst functions known are of the family that is searched; 1e-3 is what its budget reaches.
    assert gap.search == pytest.approx(gap.estimate, rel=1e-3)


@pytest.mark.parametrize("T", [1, 2, 5, 20])
def test_the_huber_function_attains_the_bound_of_gradient_descent(T: int) -> None:
    # f' = 1/(2T+1) along the path of T steps from 1, which ends at 1 - T/(2T+1) = (T+1)/(2T+1), outside the knot.
    knot = 1.0 / (2 * T + 1)
    run = ts.simulate(piecewise((knot,), (1.0, 0.0), 1.0), gd(1.0), steps=T)
    assert run.gap_final.item() == pytest.approx(1.0 / (4 * T + 2), rel=1e-12)


def test_the_problem_of_a_search_attains_its_ratio() -> None:
    found = search(sgdm(0.5, 0.6), 3, "gap over delta", low=0.1, generations=20)
    run = ts.simulate(found.problem, sgdm(0.5, 0.6), steps=3, checkpoints=(1,), running=True)
    assert run.gap_final.item() / run.gap_mean.values.ravel()[0] == pytest.approx(found.ratio, rel=1e-9)
    assert found.problem.facts["mu"] >= 0.1
    assert found.problem.facts["L"] <= 1.0
    again = search(sgdm(0.5, 0.6), 3, "gap over delta", low=0.1, generations=20)
    assert again.ratio == found.ratio


def test_a_search_in_two_coordinates_is_one_of_the_family() -> None:
    # Quadratics of curvature .1 and 1: distance contracts by max(|1 - .15|, |1 - 1.5|) at best in one coordinate.
    found = search(gd(1.5), 2, "distance over R", low=0.1, d=2, generations=60)
    assert found.problem.dim == 2
    assert found.ratio == pytest.approx(0.85**2, rel=1e-3)


def test_piecewise_function_by_hand() -> None:
    # f'' = 1 on x < 1, -1 on (1, 1.5), 1 above: f'(1.5) = 1/2, f(2) = 1/2 + 3/8 + 1/4 + 1/8 = 5/4, f'(2) = 1.
    problem = piecewise((1.0, 1.5), (1.0, -1.0, 1.0), 2.0)
    run = ts.simulate(problem, gd(0.5), steps=1, running=True)
    assert run.gap_mean.item() == pytest.approx(1.25, rel=1e-15)
    assert run.gradient_square_mean.item() == 1.0
    assert run.x_final.item() == 1.5
    assert run.gap_final.item() == pytest.approx(0.875, rel=1e-15)
    assert problem.facts == {"L": 1.0, "mu": -1.0}


def test_least_value_against_a_fine_grid() -> None:
    rng = np.random.default_rng(7)
    for _ in range(30):
        knots = np.sort(rng.uniform(-1.0, 1.0, 4))
        curvatures = rng.uniform(-1.0, 1.0, 5)
        curvatures[[0, -1]] = np.abs(curvatures[[0, -1]]) + 0.1
        x = np.linspace(-40.0, 40.0, 800_001)
        second = curvatures[np.searchsorted(knots, 0.5 * (x[1:] + x[:-1]))]
        slope = np.concatenate([[0.0], np.cumsum(second * np.diff(x))])
        slope -= np.interp(0.0, x, slope)
        value = np.concatenate([[0.0], np.cumsum(0.5 * (slope[1:] + slope[:-1]) * np.diff(x))])
        value -= np.interp(0.0, x, value)
        # The grid has steps of 1e-4: f within 1e-8 of its minimum, f' within 1e-4 of its knots over a length of 10.
        assert least_value(knots[:, None], curvatures[:, None])[0] == pytest.approx(value.min(), abs=2e-3)
    assert least_value(np.array([[0.5]]), np.array([[1.0], [-0.1]]))[0] == -math.inf
    assert least_value(np.array([[0.5]]), np.array([[1.0], [0.0]]))[0] == 0.0
    assert least_value(np.array([[-0.5]]), np.array([[0.0], [-1.0]]))[0] == -math.inf


@pytest.mark.parametrize(
    ("knots", "curvatures", "message"),
    [
        ((1.0, 0.5), (1.0, 1.0, 1.0), "must increase"),
        ((1.0,), (1.0,), "one number more"),
        ((1.0,), (1.0, -1.0), "not bounded from below"),
    ],
)
def test_bad_functions_are_refused(knots: tuple, curvatures: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        piecewise(knots, curvatures)


def test_a_case_outside_its_theorem_is_refused() -> None:
    case = Case(momentum.GD_CONVEX, gd(1.5), 2, "gap over L R^2", 0.0, {"distance_1": 1.0})
    with pytest.raises(ValueError, match="has no bound: its conditions are FAILS"):
        case.bound()
