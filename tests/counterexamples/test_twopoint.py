"""The two-point problem: its moments, its gradients, and the field at a frozen point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import twopoint
from counterexamples.drift.monte_carlo import vector_field
from theory_sim.engine.evaluate import gradients, measures


@given(k=st.floats(0.1, 100.0), p=st.floats(0.01, 0.99), negative=st.booleans())
def test_moments(k: float, p: float, negative: bool) -> None:
    k = -k if negative else k
    facts = twopoint.two_point(k, p).facts
    values, weights = np.array([k, 0.0]), np.array([p, 1.0 - p])
    mean = np.sum(weights * values)
    assert facts["mean"] == pytest.approx(mean)
    assert facts["sigma2"] == pytest.approx(np.sum(weights * (values - mean) ** 2))
    # The two terms of the third moment cancel at p = 1/2.
    assert facts["third"] == pytest.approx(np.sum(weights * (values - mean) ** 3), abs=1e-12 * abs(k) ** 3)


def test_symmetric_case_has_no_third_moment() -> None:
    assert twopoint.two_point(10.0, 0.5).facts["third"] == 0.0


def test_the_mean_gradient_and_the_distance() -> None:
    # E X = 10 * 0.1 = 1, so the mean gradient at 2.5 is 1.5, and so is the distance; at a
    # frozen point -1 it is -2.
    problem = twopoint.two_point(10.0, 0.1)
    assert gradients(problem, [[2.5]]).item() == measures(problem, [[2.5]])["distance"].item() == 1.5
    assert gradients(twopoint.frozen(10.0, 0.1, -1.0), [[2.5]]).item() == -2.0


def test_gradient_is_unbiased() -> None:
    # SGD at lr = 1 jumps to X: the share of k is p.  1e5 draws, 5 standard deviations: false alarm 6e-7.
    grid = ts.simulate(
        twopoint.two_point(10.0, 0.1), ts.sgd(1.0), steps=50, seeds=2000, checkpoints=range(1, 51)
    )
    hits = grid.x.values == 10.0
    assert set(np.unique(grid.x)) == {0.0, 10.0}
    assert hits.mean() == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / hits.size))


def test_frozen_gradients_are_those_at_the_point() -> None:
    # Sign descent, the same noise: both draw point - X, x = point at the first step.
    moving, frozen = twopoint.two_point(10.0, 0.3), twopoint.frozen(10.0, 0.3, 2.5)
    steps = [ts.simulate(one, ts.sgd(1.0), steps=1, seeds=64, x0=2.5).x_final for one in (moving, frozen)]
    assert np.array_equal(*steps)


def test_a_frozen_run_does_not_feel_its_iterate() -> None:
    grids = [ts.simulate(twopoint.frozen(10.0, 0.3, 2.5), ts.sgd(1.0), steps=20, x0=x0) for x0 in (0.0, 64.0)]
    # Moves are multiples of 2.5 below 200: exact.
    assert grids[1].x_final.item() - grids[0].x_final.item() == 64.0


def test_the_field_of_sign_descent() -> None:
    # beta1 = beta2 = 0: E sign(point - X) = 1 - 2p for 0 < point < k.  5 standard errors.
    field = vector_field(twopoint.frozen(10.0, 0.1, 1.0), 0.0, 0.0, steps=2000, lanes=64)
    assert field.value == pytest.approx(0.8, abs=5 * field.standard_error)
    assert 0.0 < field.standard_error < 0.01


def test_the_field_vanishes_in_the_middle_of_a_symmetric_law() -> None:
    field = vector_field(twopoint.frozen(10.0, 0.5, 5.0), 0.9, 0.99, steps=5000, lanes=64)
    assert field.sign(5.0) == 0
    assert vector_field(twopoint.frozen(10.0, 0.5, 6.0), 0.9, 0.99, steps=5000, lanes=64).sign(5.0) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 0.1), "k = 0 makes X constant"),
        ((float("nan"), 0.1), "k = nan must be a finite number"),
        ((10.0, 0.0), r"p = 0.0 must be a finite number in \(0, 1\)"),
        ((10.0, 1.0), r"p = 1.0 must be a finite number in \(0, 1\)"),
    ],
)
def test_parameters_are_checked(arguments: tuple[float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        twopoint.two_point(*arguments)
