"""The hard functions E and F: seams, gradients, starts, facts, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples.generalized_smooth import hard_function, ramp_start, well, well_start
from counterexamples.zoo import ramp
from theory_sim.engine.evaluate import gradients, measures
from theory_sim.evidence.smoothness import Finding, box, curvature

CONSTANTS = {"L0": st.floats(0.1, 10.0), "L1": st.floats(0.1, 10.0)}


@given(**CONSTANTS, side=st.sampled_from((-1.0, 1.0)))
def test_E_is_twice_continuously_differentiable_at_its_seam(L0: float, L1: float, side: float) -> None:
    # At |x| = 1/L1: E = L0/L1^2 - L0/(2 L1^2) above its minimum, |E'| = L0/L1, E'' = L0 on both sides.
    problem = well(L0, L1)
    h = 1e-6 / L1
    points = (side * (1.0 / L1 + h * np.arange(-2.0, 3.0)))[:, None]
    slope = side * gradients(problem, points)[:, 0]
    found = measures(problem, points)
    assert slope[2] == pytest.approx(L0 / L1, rel=1e-12)
    assert found["gap"][2] == pytest.approx(0.5 * L0 / L1**2, rel=1e-12)
    # One-sided second derivatives; E'' grows like L0 e^(L1 h) outside: 1e-6.
    assert (slope[2] - slope[0]) / (2 * h) == pytest.approx(L0, rel=1e-5)
    assert (slope[4] - slope[2]) / (2 * h) == pytest.approx(L0, rel=1e-5)


@given(**CONSTANTS, eps=st.floats(0.01, 1.0), side=st.sampled_from((-1.0, 1.0)))
def test_S_is_twice_continuously_differentiable_at_its_seam(
    L0: float, L1: float, eps: float, side: float
) -> None:
    # At |y| = a = 3 eps/L0: S = 5 eps a/4, |S'| = 2 eps, S'' = 0 on both sides.
    problem = hard_function(L0, L1, eps, delta=1e4)
    a = 3.0 * eps / L0
    h = 1e-5
    y = side * a * (1.0 + h * np.arange(-1.0, 2.0))
    points = np.stack([np.zeros(3), y], axis=1)
    slope = side * gradients(problem, points)[:, 1]
    assert slope == pytest.approx(np.full(3, 2.0 * eps), rel=1e-9)  # S' = 2 eps - 3 eps h^2 inside
    assert measures(problem, points)["gap"][1] == pytest.approx(1.25 * eps * a, rel=1e-12)
    assert abs(slope[1] - slope[0]) / (a * h) <= 2.0 * L0 * h + 1e-15 * eps / (
        a * h
    )  # S'' = 2 L0 h at distance a h, averaged L0 h
    assert slope[2] == pytest.approx(slope[1], rel=1e-15)


@given(**CONSTANTS, eps=st.floats(0.05, 1.0), u=st.floats(-3.0, 3.0), v=st.floats(-3.0, 3.0))
def test_gradient_is_the_derivative_of_the_gap(L0: float, L1: float, eps: float, u: float, v: float) -> None:
    problem = hard_function(L0, L1, eps, delta=1e4)
    point = np.array([u / L1, 3.0 * v * eps / L0])
    gradient = gradients(problem, point[None])[0]
    assert measures(problem, point[None])["gradient_norm"][0] == pytest.approx(
        np.linalg.norm(gradient), rel=1e-12
    )
    for i, size in enumerate((1.0 / L1, 3.0 * eps / L0)):
        h = np.eye(2)[i] * size * 1e-5
        up, down = (measures(problem, (point + s * h)[None])["gap"][0] for s in (1, -1))
        gap = measures(problem, point[None])["gap"][0]
        # Truncation h^2 |f'''|/6, across the seam h |jump of f'''|, and the rounding of the gap over h.
        slack = 1e-8 * (abs(gradient[i]) + (L0 / L1, eps)[i]) + 1e-15 * gap / (size * 1e-5)
        assert (up - down) / (2.0 * h[i]) == pytest.approx(gradient[i], abs=slack)


@pytest.mark.parametrize("d", [1, 4])
def test_the_well_is_the_sum_over_coordinates(d: int) -> None:
    problem = well(2.0, 0.5, 7.0, d)
    x = np.linspace(-4.0, 3.0, d)[None]
    single = well(2.0, 0.5, 7.0)
    slopes = gradients(single, x.T)[:, 0]
    found = measures(problem, x)
    assert gradients(problem, x)[0] == pytest.approx(slopes, rel=1e-15)
    assert found["gap"][0] == pytest.approx(measures(single, x.T)["gap"].sum(), rel=1e-12)
    assert found["gradient_norm"][0] == pytest.approx(np.linalg.norm(slopes), rel=1e-12)


@given(**CONSTANTS, delta=st.floats(1e-3, 1e6))
def test_the_well_starts_at_its_gap(L0: float, L1: float, delta: float) -> None:
    problem = well(L0, L1, delta)
    found = measures(problem, np.array([[problem.start]]))
    assert found["gap"][0] == pytest.approx(delta, rel=1e-9)
    assert found["gradient_norm"][0] == pytest.approx(problem.facts["M"], rel=1e-9)
    assert well_start(L0, L1, delta) == problem.start


@given(**CONSTANTS, eps=st.floats(0.01, 1.0), surplus=st.floats(1.01, 1e4))
def test_the_hard_function_starts_at_its_gap_split_equally(
    L0: float, L1: float, eps: float, surplus: float
) -> None:
    delta = surplus * max(L0 / L1**2, 7.5 * eps**2 / L0)
    problem = hard_function(L0, L1, eps, delta)
    x0, y0 = problem.start
    assert x0 >= 1.0 / L1
    assert y0 >= 3.0 * eps / L0
    assert measures(problem, np.array([[x0, y0]]))["gap"][0] == pytest.approx(delta, rel=1e-9)
    assert measures(problem, np.array([[x0, 0.0]]))["gap"][0] == pytest.approx(0.5 * delta, rel=1e-9)
    assert gradients(problem, np.array([[x0, y0]]))[0] == pytest.approx(
        [problem.facts["M"], 2 * eps], rel=1e-9
    )


def test_facts_by_hand() -> None:
    # L0 = L1 = 1, eps = 0.1, delta = 64: M = 32 + 1/2, x0 = 1 + ln 32.5, threshold 2 x0/M,
    # bound (32 - 0.0375) 32.5/(8 * 0.01 x0).
    facts = hard_function().facts
    x0 = 1.0 + math.log(32.5)
    assert facts["M"] == 32.5
    assert facts["critical_lr"] == pytest.approx(2.0 * x0 / 32.5)
    assert facts["lower_bound"] == pytest.approx((32.0 - 0.0375) * 32.5 / (0.08 * x0))
    assert (facts["L0"], facts["L1"], facts["target"], facts["gap"]) == (1.0, 1.0, 0.1, 64.0)
    # The well with delta below L0/(2 L1^2) starts in its core, where every step below 2/L0 converges.
    assert well(3.0, 1.0, 0.5).facts["critical_lr"] == pytest.approx(2.0 / 3.0)
    assert well(d=3, delta=5.0).facts["gap"] == 15.0


def test_parameters_are_axes_and_move_the_start() -> None:
    problem = hard_function().replace(delta=256.0, L1=2.0)
    assert problem.start == hard_function(L1=2.0, delta=256.0).start
    assert problem.facts == hard_function(L1=2.0, delta=256.0).facts


@pytest.mark.parametrize("problem", [well(2.0, 3.0), hard_function(2.0, 0.5), well(0.3, 1.0, d=2)], ids=str)
def test_the_pair_holds_and_a_smaller_one_does_not(problem: ts.Problem) -> None:
    size = [4.0 / problem.facts["L1"]] * problem.dim
    found = curvature(problem, box(-np.array(size), size, 2001))
    L0, L1 = problem.facts["L0"], problem.facts["L1"]
    # d = 2 holds too: the Hessian is diagonal, and |f_i''| <= L0 + L1 |f_i'| <= L0 + L1 ||grad f||.
    assert found.check(L0, L1).finding is not Finding.REFUTED
    assert found.check(L0, 0.5 * L1).finding is Finding.REFUTED


@pytest.mark.parametrize("share", [0.999, 1.001])
def test_gradient_descent_converges_below_the_threshold_only(share: float) -> None:
    problem = well(1.0, 2.0, 50.0)
    grid = ts.simulate(problem, ts.gd(share * problem.facts["critical_lr"]), steps=5_000)
    assert grid.verdict.item() == ("CONVERGED" if share < 1.0 else "DIVERGED")


def test_bad_arguments() -> None:
    for build, message in (
        (lambda: well(0.0), r"L0 = 0.0 must be a finite number in \(0"),
        (lambda: well(1.0, 0.0), "L1 = 0.0 must be"),
        (lambda: well(1.0, -1.0), "L1 = -1.0 must be"),
        (lambda: well(delta=0.0), "delta = 0.0 must be"),
        (lambda: well(d=0), "d = 0 must be"),
        (lambda: hard_function(L1=math.nan), "L1 = nan must be"),
        (lambda: hard_function(eps=0.0), "eps = 0.0 must be"),
        (lambda: hard_function(delta=1.0), r"delta = 1.0 must be a finite number in \(1"),
        (lambda: hard_function(delta=math.inf), "delta = inf must be"),
    ):
        with pytest.raises(ValueError, match=message):
            build()


@pytest.mark.parametrize("split", [0.25, 0.5, 0.9])
def test_the_gap_is_split_as_asked_and_the_pieces_add_up(split: float) -> None:
    delta = 40.0
    whole = hard_function(2.0, 1.5, 0.2, delta, split)
    y0 = ramp_start(2.0, 0.2, (1.0 - split) * delta)
    parts = [(well(2.0, 1.5, split * delta), None), (ramp(0.2, 2.0), y0)]
    # F is separable: a run of F is a run of each part.
    run, of_x, of_y = (
        ts.simulate(problem, ts.gd(0.01), steps=300, x0=x0, checkpoints=(1, 300))
        for problem, x0 in [(whole, None), *parts]
    )
    assert run.x.values[..., 0] == pytest.approx(of_x.x.values, rel=1e-13)
    assert run.x.values[..., 1] == pytest.approx(of_y.x.values, rel=1e-13)
    assert measures(ramp(0.2, 2.0), np.array([[y0]]))["gap"] == pytest.approx(
        (1.0 - split) * delta, rel=1e-13
    )
    assert measures(whole, np.array([whole.start]))["gap"] == pytest.approx(delta, rel=1e-13)


@pytest.mark.parametrize("split", [0.0, 1.0, 0.001])
def test_a_split_that_leaves_a_coordinate_in_its_core_is_refused(split: float) -> None:
    with pytest.raises(ValueError, match=r"split = |delta = "):
        hard_function(split=split)
