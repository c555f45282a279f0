"""Perceptrons and logistic regression against loops of numpy over all samples; margins by hand."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import perceptron
from theory_sim.engine.evaluate import measures

Array = np.ndarray[Any, np.dtype[np.float64]]


def samples(n: int) -> Array:
    """The data of Theorem 5.1, every sample for itself."""
    return np.array([[0.5, -1.0]] + [[0.5, 1.0]] * (n - 1))


def logistic(z: Array, theta: Array, first: bool) -> Array:
    return np.asarray(z.T @ (1.0 / (1.0 + np.exp(z @ theta))) / len(z))


def normalized_logistic(z: Array, theta: Array, first: bool) -> Array:
    weights = 1.0 / (1.0 + np.exp(z @ theta))
    return np.asarray(z.T @ weights / weights.sum())


def batch(z: Array, theta: Array, first: bool) -> Array:
    return np.asarray(z[z @ theta <= 0.0].sum(axis=0) * (0.5 if first else 1.0))


def normalized_batch(z: Array, theta: Array, first: bool) -> Array:
    return np.asarray(z[z @ theta <= 0.0].mean(axis=0))


def classical(z: Array, theta: Array, first: bool) -> Array:
    return np.asarray(z[z @ theta <= 0.0][0])


DIRECTIONS: dict[str, Callable[[Array, Array, bool], Array]] = {
    "logistic": logistic,
    "normalized_logistic": normalized_logistic,
    "batch": batch,
    "normalized_batch": normalized_batch,
    "classical": classical,
}


def reference(z: Array, loss: str, gamma: float) -> tuple[int, Array]:
    """The number of updates until every sample is solved, and where that is."""
    theta, made = np.zeros(z.shape[1]), 0
    while not (z @ theta > 0.0).all():
        theta = theta + gamma * DIRECTIONS[loss](z, theta, made == 0)
        made += 1
    return made, theta


@pytest.mark.parametrize("loss", DIRECTIONS)
def test_methods_agree_with_loops_over_all_samples(loss: str) -> None:
    for n, gamma in ((30, 1.0), (60, 7.0)):
        problem = perceptron.imbalanced(n, loss)
        made, theta = reference(samples(n), loss, gamma)
        run = ts.simulate(problem, ts.gd(gamma), steps=made + 5, running=True)
        assert round(run.unsolved_mean.item() * (made + 5)) == made
        # sums of n terms in another order, over up to 200 steps
        assert run.x_final.values.ravel() == pytest.approx(theta, rel=1e-11)
    data = perceptron.gaussian(20, 4, 3, loss)
    z = np.array([data.constants[f"z{s}"] for s in range(20)])
    assert perceptron.solved_after(data, 2.0, 500) == reference(z, loss, 2.0)[0]


def test_updates_are_those_of_the_paper() -> None:
    assert perceptron.updates("batch_perceptron", 1000) == 301
    assert perceptron.updates("normalized_batch_perceptron", 1000) == 2
    assert perceptron.updates("lr_gd", 1000, 100.0) == 308
    assert [perceptron.updates("normalized_lr_gd", 1000, gamma) for gamma in (0.1, 1.0, 10.0)] == [157, 16, 2]
    # longer than the first guess of 1000 updates
    assert perceptron.updates("lr_gd", 500, 1.0) == 3402


def test_a_sample_on_the_boundary_is_unsolved() -> None:
    # n = 36: after 10 of the second kind of steps the last sample has 36/8 - 17 + 10 x 5/4 = 0
    assert perceptron.updates("batch_perceptron", 36) == 12


def test_measures_by_hand() -> None:
    found = measures(perceptron.imbalanced(4), [[0.0, 0.0], [2.0, 3.0]])
    # at (2, 3): products 1 - 3 and, three times, 1 + 3
    loss = (math.log1p(math.exp(2.0)) + 3.0 * math.log1p(math.exp(-4.0))) / 4.0
    weights = 1.0 / (1.0 + math.exp(-2.0)), 3.0 / (1.0 + math.exp(4.0))
    slope = (0.5 * (weights[0] + weights[1]) / 4.0, (weights[1] - weights[0]) / 4.0)
    assert found["unsolved"].tolist() == [1, 1]
    assert found["wrong"].tolist() == [4, 1]
    assert found["loss"] == pytest.approx([math.log(2.0), loss], rel=1e-14)
    # at 0 every weight is 1/2: (1/4, (3 - 1)/8)
    assert found["loss_gradient"] == pytest.approx([math.hypot(0.25, 0.25), math.hypot(*slope)], rel=1e-14)


def test_margins_by_hand() -> None:
    # the hull of (1/2, -1) and (1/2, 1) is nearest to 0 at (1/2, 0); that of the unit vectors at (1/d, ..., 1/d)
    assert perceptron.imbalanced(10).facts["margin"] == pytest.approx(0.5, rel=1e-14)
    assert perceptron.basis(9).facts["margin"] == pytest.approx(1 / 3, rel=1e-14)
    # one sample is its own hull
    assert perceptron.margin_of(np.array([[3.0, 4.0]])) == pytest.approx(5.0, rel=1e-14)


def test_no_direction_has_a_larger_margin() -> None:
    problem = perceptron.gaussian(20, 3, 1)
    z = np.array([problem.constants[f"z{s}"] for s in range(20)])
    u = np.random.default_rng(0).normal(size=(20_000, 3))
    margins = (z @ (u / np.linalg.norm(u, axis=1)[:, None]).T).min(axis=0)
    assert margins.max() <= problem.facts["margin"] * (1.0 + 1e-12)
    assert margins.max() >= 0.5 * problem.facts["margin"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: perceptron.updates("lr_gd", 10), "gamma = None is needed by lr_gd"),
        (lambda: perceptron.updates("batch_perceptron", 10, 1.0), "has no meaning for batch_perceptron"),
        (lambda: perceptron.updates("lr_gd", 10, -1.0), "gamma = -1.0 must be a finite number in"),
        (lambda: perceptron.updates("adam", 10), "Unknown method"),
        (lambda: perceptron.imbalanced(1), "n = 1"),
        (lambda: perceptron.imbalanced(10, "hinge"), "Unknown loss"),
        (lambda: perceptron.margin_of(np.array([[1.0, 0.0], [-1.0, 0.0]])), "cannot be separated"),
    ],
)
def test_impossible_questions(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
