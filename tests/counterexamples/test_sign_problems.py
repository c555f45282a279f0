"""The counterexamples to signSGD: gradients, floors, sign(0), and the noise of the quadratics."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import sign
from theory_sim.engine.evaluate import component_gradients, measures
from theory_sim.optimizers.sign import signsgd

POINTS = st.tuples(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))


def measured(problem: ts.Problem, x: Any, name: str) -> float:
    return float(measures(problem, [list(x)])[name].item())


def slope(problem: ts.Problem, x: np.ndarray, name: str, h: float = 1e-6) -> np.ndarray:
    """Central differences of a measure."""
    shifts = h * np.eye(len(x))
    return np.array(
        [(measured(problem, x + s, name) - measured(problem, x - s, name)) / (2.0 * h) for s in shifts]
    )


# ----------------------------------------------------------------------------------------------------------
# Linear and kink


def test_linear_has_mean_slope_a_quarter_and_mean_sign_minus_a_half() -> None:
    problem = sign.linear()
    assert problem.facts["slope"] == 0.25
    assert problem.domain == (-1.0, 1.0)
    assert problem.optimum == -1.0
    assert sign.linear(domain=False).domain is None
    # 1e5 draws: E g = 1/4 with standard deviation sqrt(4.69/1e5) = .0068, E sign = -1/2 with .0027; five.
    free = sign.linear(domain=False)
    for optimizer, mean, error in ((ts.sgd(1.0), -0.25, 0.034), (signsgd(1.0), 0.5, 0.014)):
        grid = ts.simulate(free, optimizer, steps=100, seeds=1000)
        assert float(grid.x_final.mean()) / 100 == pytest.approx(mean, abs=error)


@pytest.mark.parametrize("eps", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("tie", "at_tie"), [(1.0, (1, -1)), (-1.0, (-1, 1)), (0.0, (1, 1))])
def test_the_kink_takes_the_named_subgradient_at_the_start(
    eps: float, tie: float, at_tie: tuple[int, int]
) -> None:
    problem = sign.kink(eps, tie)
    # x1 = x2 = 1: (eps + tie, eps - tie).
    assert component_gradients(problem, (1.0, 1.0))[0] == pytest.approx([eps + tie, eps - tie])
    assert tuple(np.sign(component_gradients(problem, (1.0, 1.0))[0])) == at_tie


def test_the_kink_at_the_origin_has_two_ties() -> None:
    assert component_gradients(sign.kink(0.5, 0.0), 0.0)[0].tolist() == [0.0, 0.0]
    assert component_gradients(sign.kink(0.5, 1.0), 0.0)[0].tolist() == [1.5, -0.5]


@given(x=POINTS, eps=st.floats(0.05, 0.95))
def test_the_kink_gives_subgradients(x: tuple[float, float], eps: float) -> None:
    # f(y) >= f(x) + <g, y - x>, for each tie, here with y = 0 and y = (1, 1).
    for tie in sign.TIES:
        problem = sign.kink(eps, tie)
        g = component_gradients(problem, x)[0]
        here = measured(problem, x, "gap")
        assert here == pytest.approx(eps * abs(x[0] + x[1]) + abs(x[0] - x[1]), abs=1e-12)
        assert g @ np.array(x) >= here - 1e-12
        assert 2.0 * eps >= here + g @ (1.0 - np.array(x)) - 1e-12


def test_every_sign_of_a_kink_subgradient_is_along_the_line() -> None:
    for eps in (0.1, 0.5, 0.9):
        for tie in (-1.0, 1.0):
            for x in np.random.default_rng(0).normal(size=(50, 2)):
                g = np.sign(component_gradients(sign.kink(eps, tie), x)[0])
                assert g[0] == -g[1] != 0.0


# ----------------------------------------------------------------------------------------------------------
# Pair and common signs


@settings(max_examples=20)
@given(x=POINTS, eps=st.floats(0.05, 0.95))
def test_the_pair_is_the_sum_of_its_squares(x: tuple[float, float], eps: float) -> None:
    problem = sign.pair(eps)
    a = np.array([[1.0 + eps, eps - 1.0], [eps - 1.0, 1.0 + eps]])
    z = a @ np.array(x)
    assert measured(problem, x, "gap") == pytest.approx(z @ z, rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(component_gradients(problem, x), 2.0 * z[:, None] * a, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("make", [sign.kink, sign.pair])
def test_the_floor_is_the_least_value_on_the_line(make: Callable[[float], ts.Problem]) -> None:
    for eps in (0.1, 0.5, 0.9):
        problem = make(eps)
        values = [measured(problem, (1.0 + c, 1.0 - c), "gap") for c in (-0.5, -1e-3, 0.0, 1e-3, 0.5)]
        assert min(values) == pytest.approx(problem.facts["floor"], rel=1e-12)
        assert values[2] == min(values)


@pytest.mark.parametrize("instance", [0, 1, 2])
def test_common_signs(instance: int) -> None:
    problem = sign.common_signs(instance)
    n, d = problem.components, problem.dim
    rows = np.array(list(problem.theta.values()))
    a, b = rows[: n * d].reshape(n, d), rows[n * d :]
    s = np.array([problem.facts[f"s{k}"] for k in range(d)])
    assert np.all(np.abs(np.sign(a) @ s) == d)
    start = np.array(problem.start)
    np.testing.assert_allclose(component_gradients(problem, start), (a @ start - b)[:, None] * a, rtol=1e-12)
    # Realizable: some x has f = 0, and the least f on the line is what a line search finds.
    solution = np.linalg.lstsq(a, b, rcond=None)[0]
    assert measured(problem, solution, "gap") == pytest.approx(0.0, abs=1e-20)
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(lambda c: 0.5 * np.mean((a @ (start + c * s) - b) ** 2), bracket=(-1.0, 1.0)).fun
    assert problem.facts["floor"] == pytest.approx(found, rel=1e-8)
    assert found > 0.1


def test_instances_differ_and_can_be_an_axis() -> None:
    grid = ts.Sweep(sign.common_signs(), ts.sgd(1e-300), {"instance": (0, 1, 2)}, steps=1).run()
    starts = [sign.common_signs(k).start for k in range(3)]
    np.testing.assert_array_equal(grid.x_final.values[:, 0], starts)
    assert len(set(starts)) == 3


# ----------------------------------------------------------------------------------------------------------
# Private features


def test_private_features_by_hand() -> None:
    X, y = sign.features(sign.private_features(0, n=3))
    assert X.shape == (6, 36)
    np.testing.assert_array_equal(X.sum(axis=1), np.where(y > 0, 4.0, 6.0))  # +1 + 2 + 1, -1 + 2 + 5
    own = X[:, 3:]
    np.testing.assert_array_equal(own @ own.T, np.diag(np.where(y > 0, 1.0, 5.0)))


@pytest.mark.parametrize("instance", [0, 5])
def test_private_features_gradient_and_errors(instance: int) -> None:
    problem = sign.private_features(instance, n=7)
    X, y = sign.features(problem)
    w = np.random.default_rng(1).normal(size=problem.dim)
    residual = X @ w - y
    np.testing.assert_allclose(
        component_gradients(problem, w)[0], X[:7].T @ residual[:7] / 7, rtol=1e-12, atol=1e-14
    )
    assert measured(problem, w, "train") == pytest.approx(np.mean(residual[:7] ** 2))
    assert measured(problem, w, "test") == pytest.approx(np.mean(residual[7:] ** 2))


def test_labels_follow_their_probability() -> None:
    y = np.array(list(sign.private_features(0, n=2000, p=0.2).theta.values()))
    # 4000 labels: 5 standard deviations are .032.
    assert np.mean(y > 0) == pytest.approx(0.2, abs=0.032)


# ----------------------------------------------------------------------------------------------------------
# Noisy quadratics


def test_quadratic_constants_by_hand() -> None:
    # L = 1, 2, 3; loud in coordinates 0 and 2.
    problem = sign.quadratic(3, 1.0, 3.0, 0.5, 4.0, 2)
    assert problem.facts == {"L_sum": 6.0, "L": 3.0, "sigma_sum": 8.5, "sigma2": 32.25, "gap": 3.0}
    for name, value in (("gap", 3.0), ("gradient_l1", 6.0), ("gradient_square", 14.0)):
        assert measured(problem, np.array([1.0, -1.0, 1.0]), name) == pytest.approx(value)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("batch", [1, 4])
def test_quadratic_noise(workers: int, batch: int) -> None:
    # SGD at lr = 1 from 0 jumps to minus the noise; 2e5 draws per coordinate.
    problem = sign.quadratic(5, 1.0, 1.0, 1.0, 3.0, 2, batch)
    grid = ts.simulate(problem, ts.sgd(1.0), steps=1, seeds=50_000, x0=0.0, workers=workers)
    noise = grid.x_final.values
    spread = np.array([3.0, 1.0, 3.0, 1.0, 3.0]) / math.sqrt(batch * workers)
    scaled = noise / spread
    # 6 standard deviations of the sample mean, variance, fourth moment and correlation: 5 x 4 tests.
    error = 6.0 / math.sqrt(50_000)
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=error)
    np.testing.assert_allclose((scaled**2).mean(axis=0), 1.0, atol=error * math.sqrt(2.0))
    np.testing.assert_allclose((scaled**4).mean(axis=0), 3.0, atol=error * math.sqrt(96.0))
    np.testing.assert_allclose(scaled.T @ scaled / 50_000, np.eye(5), atol=error * math.sqrt(2.0))


def test_the_gradient_of_a_quadratic_is_its_slope() -> None:
    problem = sign.quadratic(4, 0.5, 2.0, 0.0, 0.0)
    x = np.array([0.3, -1.0, 2.0, 0.7])
    np.testing.assert_allclose(component_gradients(problem, x)[0], slope(problem, x, "gap"), rtol=1e-8)


def test_sparse_noise_is_on_one_coordinate() -> None:
    problem = sign.sparse_noise(3)
    assert problem.replace(instance=4).start == sign.sparse_noise(4).start != problem.start
    grid = ts.simulate(problem, ts.sgd(1.0), steps=1, seeds=200)
    assert np.all(grid.x_final.values[:, 1:] == 0.0)
    # 200 normal draws of standard deviation 100: 5 standard errors of the standard deviation.
    assert grid.x_final.values[:, 0].std() == pytest.approx(100.0, rel=0.25)


# ----------------------------------------------------------------------------------------------------------
# Skewed noise


def test_skewed_noise_has_mean_zero_and_a_wrong_usual_sign() -> None:
    problem = sign.skewed(d=2)
    assert problem.facts["small"] == pytest.approx(1.0)
    for x0 in (0.0, 5.0):
        grid = ts.simulate(problem, ts.sgd(1.0), steps=1, seeds=100_000, x0=x0)
        g = x0 - grid.x_final.values
        drift = x0 / (1.0 + x0)
        # Noise of variance 4: 5 standard errors are .032.
        assert g.mean() == pytest.approx(drift, abs=0.032)
        # A share of .8 of negative gradients, however far x is: 5 standard errors are .0064.
        assert np.mean(g < 0.0) == pytest.approx(0.8, abs=0.0064)
        assert abs(np.corrcoef(g.T)[0, 1]) < 5.0 / math.sqrt(100_000)


def test_skewed_measures() -> None:
    problem = sign.skewed(d=2)
    x = np.array([3.0, -1.0])
    np.testing.assert_allclose(slope(problem, x, "gap"), [0.75, -0.5], rtol=1e-8)
    assert measured(problem, x, "gradient_l1") == pytest.approx(1.25)


# ----------------------------------------------------------------------------------------------------------
# Arguments


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (sign.kink, {"eps": 0.0}, r"eps = 0.0 must be a finite number in \(0, 1\)"),
        (sign.kink, {"eps": 1.0}, "eps = 1.0 must be a finite number"),
        (sign.kink, {"tie": 0.5}, "tie = 0.5 must be -1, 0 or 1"),
        (sign.kink, {"tie": math.nan}, "tie = nan must be -1, 0 or 1"),
        (sign.pair, {"eps": math.nan}, "eps = nan must be a finite number"),
        (sign.common_signs, {"instance": -1}, "instance = -1 must be an integer >= 0"),
        (sign.common_signs, {"n": 5, "d": 10}, "n = 5 must be an integer >= 10"),
        (sign.private_features, {"n": 1}, "n = 1 must be an integer >= 2"),
        (sign.private_features, {"p": 1.0}, "p = 1.0 must be a finite number"),
        (sign.quadratic, {"low": 0.0}, "low = 0.0 must be a finite number"),
        (sign.quadratic, {"low": 2.0, "high": 1.0}, "high = 1.0 must be a finite number"),
        (sign.quadratic, {"sigma": -1.0}, "sigma = -1.0 must be a finite number"),
        (sign.quadratic, {"loud": math.inf}, "loud = inf must be a finite number"),
        (sign.quadratic, {"every": 0}, "every = 0 must be an integer >= 1"),
        (sign.quadratic, {"batch": 1.5}, "batch = 1.5 must be an integer >= 1"),
        (sign.sparse_noise, {"instance": 0.5}, "instance = 0.5 must be an integer >= 0"),
        (sign.skewed, {"large": 0.0}, "large = 0.0 must be a finite number"),
        (sign.skewed, {"p": 0.5}, "p = 0.5 must be a finite number"),
    ],
)
def test_arguments_are_checked(
    make: Callable[..., ts.Problem], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize("make", sign.PROBLEMS, ids=lambda make: make.__name__)
def test_every_problem_can_be_built_rebuilt_and_run(make: Callable[..., ts.Problem]) -> None:
    problem = make()
    assert problem.name == f"sign.{make.__name__}"
    rebuilt = problem.replace(**problem.arguments)
    assert (rebuilt.constants, rebuilt.start, rebuilt.facts) == (
        problem.constants,
        problem.start,
        problem.facts,
    )
    grid = ts.simulate(problem, signsgd(0.01), steps=3)
    assert np.isfinite(grid.x_final).all()
