"""Smooth objectives: gradients against differences of the values, the noise law, facts, errors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import smooth
from theory_sim.engine.evaluate import gradients, measures
from theory_sim.nouns.problem import Problem

FAMILIES = {
    "quadratic": lambda d: smooth.quadratic(d),
    "bounded": lambda d: smooth.bounded(d, width=0.0),
    "logcosh": lambda d: smooth.logcosh(d, width=0.0),
}
VALUES = {
    "quadratic": lambda x: 0.5 * np.sum(x**2),
    "bounded": lambda x: np.sum(x**2 / (1.0 + x**2)),
    "logcosh": lambda x: np.sum(np.log(np.cosh(x))),
}
POINTS = st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=4)


def measured(problem: Problem, x: np.ndarray) -> dict[str, float]:
    return {name: value.item() for name, value in measures(problem, x[None]).items()}


@pytest.mark.parametrize("name", FAMILIES)
@given(point=POINTS)
def test_gradient_is_the_derivative_of_the_value(name: str, point: list[float]) -> None:
    x = np.array(point)
    problem, value = FAMILIES[name](x.size), VALUES[name]
    gradient = gradients(problem, x[None])[0]
    h = 1e-5
    for i, unit in enumerate(np.eye(x.size)):
        # Central differences: error h^2/6 |f'''| + rounding/h < 1e-8 here.
        assert (value(x + h * unit) - value(x - h * unit)) / (2 * h) == pytest.approx(gradient[i], abs=1e-8)


@pytest.mark.parametrize("name", FAMILIES)
@given(point=POINTS)
def test_measures_are_those_of_the_objective(name: str, point: list[float]) -> None:
    x = np.array(point)
    problem = FAMILIES[name](x.size)
    found, square = measured(problem, x), np.sum(gradients(problem, x[None]) ** 2)
    assert found["gap"] == pytest.approx(VALUES[name](x), rel=1e-9, abs=1e-12)
    assert found["gradient_square"] == pytest.approx(square, rel=1e-12, abs=1e-300)
    if name == "bounded":
        assert found["gradient_43"] == pytest.approx(math.sqrt(square) ** (4.0 / 3.0), rel=1e-12, abs=1e-200)
    if name == "quadratic":
        assert found["distance"] == pytest.approx(np.linalg.norm(x), rel=1e-12, abs=1e-150)


def test_hand_values() -> None:
    # x = 1: 2/(1+1)^2 = 1/2 and 1/2; x = 2 in two coordinates: 4/25 each.
    one = measured(smooth.bounded(1), np.array([1.0]))
    assert one == {"gradient_square": 0.25, "gradient_43": pytest.approx(0.25 ** (2 / 3)), "gap": 0.5}
    two = measured(smooth.bounded(2), np.array([2.0, 2.0]))
    assert two["gradient_square"] == pytest.approx(2 * (4 / 25) ** 2)
    assert measured(smooth.quadratic(2), np.array([3.0, 4.0])) == {
        "distance": 5.0,
        "gradient_square": 25.0,
        "gap": 12.5,
    }
    # log cosh is |x| - log 2 far out, where cosh itself would overflow.
    far = measured(smooth.logcosh(1), np.array([800.0]))
    assert far["gap"] == pytest.approx(800.0 - math.log(2.0), rel=1e-15)
    assert far["gradient_square"] == 1.0


@pytest.mark.parametrize(
    ("problem", "at", "extremes"),
    [
        # Uniform noise of standard deviation 2 reaches +-2 sqrt(3).
        (smooth.quadratic(1, sigma=2.0), 0.5, (0.5 - 2 * math.sqrt(3), 0.5 + 2 * math.sqrt(3))),
        (smooth.bounded(1, width=0.7), 1.0, (0.5 - 0.7, 0.5 + 0.7)),
        (smooth.logcosh(1, width=0.7), 0.0, (-0.7, 0.7)),
    ],
)
def test_noise_is_linear_in_the_uniform(problem: Problem, at: float, extremes: tuple[float, float]) -> None:
    found = gradients(problem, [[at]] * 3, uniforms=[[0.0, 0.5, 1.0]])[:, 0]
    np.testing.assert_allclose(found, [extremes[0], sum(extremes) / 2, extremes[1]], rtol=1e-14, atol=1e-15)


def test_workers_draw_their_own_noise() -> None:
    uniforms = np.linspace(0.0, 1.0, 6)
    found = gradients(smooth.quadratic(2, sigma=1.0), np.zeros((1, 2)), uniforms=uniforms[:, None], workers=3)
    np.testing.assert_allclose(found.ravel(), math.sqrt(12.0) * (uniforms - 0.5), rtol=1e-14)


@pytest.mark.parametrize(("workers", "variance"), [(1, 9.0), (4, 2.25)])
def test_batches_divide_the_variance(workers: int, variance: float) -> None:
    # One SGD step of size 1 from x = 0 is minus the averaged noise: 4000 lanes x 10 coordinates of variance
    # sigma^2/B.  The relative standard error of a variance of 40000 uniforms is below sqrt(.8/40000) = .0045:
    # the window of 3 % is 6.7 of them, a false alarm of 1e-11.
    run = ts.simulate(
        smooth.quadratic(10, sigma=3.0, x0=0.0), ts.sgd(lr=1.0), steps=1, seeds=4000, workers=workers
    )
    assert float((run["x_final"] ** 2).mean()) == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize("name", FAMILIES)
def test_smoothness_constant(name: str) -> None:
    # The largest difference quotient of f' on a fine grid stays below L and comes within 1 % of it.
    problem = FAMILIES[name](1)
    x = np.linspace(-4.0, 4.0, 8001)
    slopes = gradients(problem, x[:, None])[:, 0]
    steepest = np.max(np.abs(np.diff(slopes) / np.diff(x)))
    assert 0.99 * problem.facts["L"] <= steepest <= problem.facts["L"] * (1.0 + 1e-9)


def test_gradient_bounds() -> None:
    # |f'| = 2x/(1+x^2)^2 is largest at x = 1/sqrt(3): (2/sqrt(3)) (9/16) = 3 sqrt(3)/8.
    peak = gradients(smooth.bounded(1, width=0.0), [[1.0 / math.sqrt(3.0)]]).item()
    assert peak == pytest.approx(3.0 * math.sqrt(3.0) / 8.0, rel=1e-14)
    assert smooth.bounded(1, width=0.5).facts["G"] == pytest.approx(peak + 0.5)
    assert smooth.logcosh(1, width=0.5).facts["G"] == 1.5


@pytest.mark.parametrize("family", [smooth.quadratic, smooth.bounded, smooth.logcosh])
def test_rejects_bad_parameters(family: object) -> None:
    with pytest.raises(ValueError, match=r"^d = 0 must be an integer >= 1\.$"):
        family(0)  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"= -1\.0 must be a finite number in \[0, inf\)\.$"):
        family(1, -1.0)  # type: ignore[operator]
