"""The phase-diagram problem of Shi et al.: gradients, measures, facts, errors."""

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import reddi, shi
from theory_sim.engine.evaluate import component_gradients


def test_gradients_by_hand() -> None:
    np.testing.assert_array_equal(component_gradients(shi.periodic(4), 0.3).ravel(), [4, -1, -1, -1])
    np.testing.assert_array_equal(component_gradients(shi.two_hit(4), 0.3).ravel(), [4, 4, -1, -1])
    # Period 3 of the two-hit sequence: two large, one small.
    np.testing.assert_array_equal(component_gradients(shi.two_hit(3), 0.3).ravel(), [3, 3, -1])


@pytest.mark.parametrize("C", [3, 5, 10, 32])
def test_the_mean_gradient_is_the_slope(C: int) -> None:
    # (C - (C-1))/C = 1/C and (2C - (C-2))/C = 1 + 2/C; both positive, so x* = -1.
    for problem, slope in ((shi.periodic(C), 1.0 / C), (shi.two_hit(C), 1.0 + 2.0 / C)):
        assert component_gradients(problem, 0.0).mean() == pytest.approx(slope, rel=1e-14)
        assert problem.facts["slope"] == pytest.approx(slope, rel=1e-14)
        assert problem.optimum == -1.0
        assert problem.facts["ratio"] == problem.facts["n"] == problem.components == C


def test_starts_outside_the_box_and_is_clamped_after_the_first_step() -> None:
    problem = shi.periodic(3)
    assert problem.start == 100.0
    assert problem.domain == (-1.0, 1.0)
    run = ts.simulate(problem, ts.sgd(lr=0.5), steps=4, checkpoints=[1, 2, 3, 4])
    # 100 - 1.5 -> 1; then +.5 twice, clamped to 1; then -1.5.
    np.testing.assert_array_equal(run["x"].values.ravel(), [1.0, 1.0, 1.0, -0.5])


def test_distance_and_gap() -> None:
    run = ts.simulate(shi.two_hit(4), ts.sgd(lr=0.1), steps=2, x0=0.0)
    # x = -.4, -.8: distance to -1 is .2, gap is the mean slope 3/2 times it.
    assert float(run["distance_final"][0]) == pytest.approx(0.2)
    assert float(run["gap_final"][0]) == pytest.approx(0.3)


def test_criterion_is_the_caption_of_figure_1() -> None:
    assert shi.RULE.converged == 0.01
    assert shi.RULE.window == 0.25
    assert not shi.RULE.relative
    assert shi.periodic(5).rule is shi.RULE
    assert shi.two_hit(5).rule is shi.RULE


def test_C_is_an_axis() -> None:
    for family in (shi.periodic, shi.two_hit):
        assert family(3).replace(C=7).facts["n"] == 7
        assert family(3).replace(C=7).constants == family(7).constants


def test_periodic_is_the_problem_of_reddi_et_al() -> None:
    ours, theirs = shi.periodic(6), reddi.periodic(6.0)
    assert ours.constants == theirs.constants
    assert ours.gradient is theirs.gradient


@pytest.mark.parametrize(("family", "C"), [(shi.periodic, 1), (shi.periodic, 2.5), (shi.two_hit, 2)])
def test_rejects_short_or_broken_periods(family: object, C: float) -> None:
    with pytest.raises(ValueError, match=rf"^C = {C} must be an integer >= [23]\.$"):
        family(C)  # type: ignore[operator]
