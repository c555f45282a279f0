"""Quadratics with blocks, what a diagonal preconditioner does to them, and the toys of fine-tuning."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from counterexamples import finetuning, preconditioning, quadratics
from counterexamples.spectra import orthogonal
from theory_sim.engine.evaluate import gradients, measures
from theory_sim.nouns.problem import Problem

RNG = np.random.default_rng(11)
VALUES = [1.0, 2.0, 3.0, 99.0, 100.0, 101.0, 4998.0, 4999.0, 5000.0]
# Each block has a triple of its own, or the k-th of every triple.
BLOCKS = {
    "heterogeneous": (VALUES[:3], VALUES[3:6], VALUES[6:]),
    "homogeneous": (VALUES[::3], VALUES[1::3], VALUES[2::3]),
}


@pytest.mark.parametrize("arrangement", BLOCKS)
@pytest.mark.parametrize("size", [3, 6])
def test_blocks_have_their_eigenvalues(arrangement: str, size: int) -> None:
    H = quadratics.blocks(arrangement, size, 4).matrices["H"]
    for k, values in enumerate(BLOCKS[arrangement]):
        part = slice(k * size, (k + 1) * size)
        expected = np.sort(np.repeat(values, size // 3))
        # Rounding of eigenvalues up to 5000.
        assert np.allclose(np.linalg.eigvalsh(H[part, part]), expected, atol=1e-9)
        assert not H[part, : k * size].any()
        assert not H[part, (k + 1) * size :].any()
    assert np.array_equal(H, H.T)
    assert np.allclose(np.linalg.eigvalsh(H), np.sort(np.repeat(VALUES, size // 3)), atol=1e-9)


def test_facts_of_blocks_by_other_means() -> None:
    problem = quadratics.blocks("heterogeneous", 3, 7)
    H, facts = problem.matrices["H"], problem.facts
    size = np.abs(H @ np.array(problem.start))
    scaled = size / np.repeat([3.0, 101.0, 5000.0], 3)
    assert facts["least"] == pytest.approx(scaled.min(), rel=1e-12)
    assert facts["spread_block"] == pytest.approx(scaled.max() / scaled.min(), rel=1e-12)
    # The spectrum of D H is real, although the matrix is not symmetric.
    values = np.linalg.eigvals(H / size[:, None]).real
    assert facts["kappa_pre"] == pytest.approx(values.max() / values.min(), rel=1e-9)
    assert facts["kappa_block"] == 3.0
    assert facts["kappa"] == 5000.0
    one = quadratics.blocks("heterogeneous", 3, 7, scaled=True)
    assert one.facts["least"] == pytest.approx(1.0, rel=1e-11)
    assert one.facts["least"] >= 1.0
    assert one.facts["spread_block"] == pytest.approx(facts["spread_block"], rel=1e-12)


PROBLEMS = [
    quadratics.quadratic(((2.0, 1.0), (1.0, 3.0)), (1.0, -2.0)),
    quadratics.diagonal((1.0, 4.0, 9.0)),
    quadratics.blocks(size=6),
    quadratics.dense(7, "log_uniform"),
    quadratics.dense(5, "wishart"),
    quadratics.dense(5, "diagonal"),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_gradients_and_measures(problem: Problem) -> None:
    H, x = problem.matrices["H"], RNG.normal(size=(4, problem.dim))
    assert np.allclose(gradients(problem, x), x @ H, rtol=1e-12, atol=1e-9)
    found = measures(problem, x)
    assert np.allclose(found["gap"], 0.5 * np.einsum("ni,ij,nj->n", x, H, x), rtol=1e-12)
    assert np.allclose(found["gradient_norm"], np.linalg.norm(x @ H, axis=1), rtol=1e-12)
    if "trace" in problem.facts:
        assert problem.facts["trace"] == pytest.approx(float(np.linalg.eigvalsh(H).sum()), rel=1e-12)


def test_spectra_of_dense_blocks() -> None:
    # Marchenko and Pastur: with two samples for each coordinate from (1 - sqrt(1/2))^2 to (1 + sqrt(1/2))^2, a ratio of 34.
    found = [quadratics.dense(100, "wishart", instance=k).facts for k in range(3)]
    assert all(20.0 < facts["kappa"] < 50.0 for facts in found)
    assert all(facts["L"] == pytest.approx(2.914, rel=0.1) for facts in found)
    assert quadratics.dense(9, "log_uniform", 70.0).facts["kappa"] == pytest.approx(70.0, rel=1e-9)


def test_worst_start_is_balanced() -> None:
    assert quadratics.diagonal((1.0, 7.0)).facts["balanced"] == 1.0
    assert quadratics.diagonal((1.0, 7.0), (1.0, 1.0)).facts["balanced"] == 0.0


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: quadratics.quadratic(((1.0, 2.0), (0.0, 1.0))), "symmetric"),
        (lambda: quadratics.quadratic(((1.0, 2.0), (2.0, 1.0))), "eigenvalue -1"),
        (lambda: quadratics.blocks(size=4), "multiple of 3"),
        (lambda: quadratics.blocks("mixed"), "'mixed'"),
        (lambda: quadratics.diagonal((1.0, 0.0)), "curvatures = 0"),
        (lambda: finetuning.hyperplanes((1.0,), (1.0, 2.0)), "same length"),
        (lambda: finetuning.hyperplanes((1.0, 0.0), (1.0, 2.0)), "no 0"),
        (lambda: finetuning.regression(50, 50), "must exceed n"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


def test_orthogonal_matrices_are_uniform() -> None:
    Q = orthogonal(np.random.default_rng(0), 4000, 3)
    assert np.allclose(np.swapaxes(Q, -1, -2) @ Q, np.eye(3), atol=1e-12)
    # Of a uniform one E Q = 0 and E Q_ij^2 = 1/3; 4000 samples leave 1/sqrt(3 * 4000) = .009, five times that.
    assert np.abs(Q.mean(axis=0)).max() < 0.046
    assert np.abs((Q**2).mean(axis=0) - 1.0 / 3.0).max() < 0.03


def test_trials_are_those_of_single_instances() -> None:
    found = preconditioning.trials("homogeneous", 3, 2500, seed=3)
    assert all(values.shape == (2500,) for values in found.values())
    other = preconditioning.trials("homogeneous", 3, 2100, seed=3)
    assert np.array_equal(found["kappa_pre"][:2000], other["kappa_pre"][:2000])
    # g = (1, 2, 4), (1, 1, 1), (1, 1, 3): r of the paper is the largest squared ratio, 16.
    gradient = np.array([[1.0, -2.0, 4.0], [1.0, 1.0, -1.0], [1.0, 1.0, 3.0]])
    assert preconditioning.paper_spread(gradient) == 16.0
    # Over lambda = 2, 1, 1: c = min(.5, 1, 1) = .5, C = max(2, 1, 3) = 3.
    assert preconditioning.spread(gradient, np.array([2.0, 1.0, 1.0])) == 6.0


def test_tau_and_r_by_hand() -> None:
    assert preconditioning.tau(np.array([[2.0, -1.0], [-1.0, 2.0]])) == pytest.approx(4.0 / 6.0)
    assert preconditioning.tau(np.diag([1.0, 5.0])) == 1.0
    # H = diag(1, 100), x = (1, .01): g = (1, 1), so D = I and r = 1.  x = (1, 1): D H = I and r = 1/100.
    starts = np.array([[1.0, 0.01], [1.0, 1.0]])
    assert preconditioning.relative_condition(np.diag([1.0, 100.0]), starts) == pytest.approx([1.0, 0.01])
    assert np.allclose(preconditioning.rotation(4, 0.0), np.eye(4))


def test_hyperplanes_by_differences() -> None:
    a, b = np.array([1.0, 1.1, -1.3]), np.array([1.0, 0.7, 1.2])
    problem = finetuning.hyperplanes(tuple(a), tuple(b))

    def loss(x: Any) -> float:
        return float(np.prod((a * x - b) ** 2))

    x, h = np.array([0.3, -0.2, 0.4]), 1e-6
    numeric = [(loss(x + h * e) - loss(x - h * e)) / (2 * h) for e in np.eye(3)]
    assert gradients(problem, [x])[0] == pytest.approx(numeric, rel=1e-8)
    found = measures(problem, [x, [1.0, 0.0, 0.0]])
    assert found["gap"] == pytest.approx([loss(x), 0.0], rel=1e-12)
    assert found["distance"] == pytest.approx([math.sqrt(0.29), 1.0])
    assert problem.facts["nearest"] == pytest.approx(0.7 / 1.1)


def test_regression_has_a_nearest_minimiser() -> None:
    problem = finetuning.regression(instance=3)
    A, centre = problem.matrices["A"], np.array(problem.constants["centre"])
    origin = np.array(problem.start)
    assert np.linalg.norm(centre - origin) == pytest.approx(problem.facts["nearest"])
    # The shortest way to the minimisers is in the row space.
    assert np.linalg.matrix_rank(np.vstack([A, centre - origin])) == 50
    x = origin + np.eye(200)[2]
    found = {name: value.item() for name, value in measures(problem, [x]).items()}
    residual = A @ (x - centre)
    assert found["gap"] == pytest.approx(residual @ residual / 100.0)
    assert gradients(problem, [x])[0] == pytest.approx(A.T @ residual / 50.0)
    assert (found["distance"], found["distance_l1"], found["touched"]) == (
        pytest.approx(1.0), pytest.approx(1.0), 1.0,
    )  # fmt: skip


def test_bowls_by_differences() -> None:
    problem = finetuning.bowls(instance=1)
    A, b = problem.matrices["A"], problem.matrices["b"][:, 0]

    def loss(x: Any) -> float:
        z = A @ x - b
        return float(np.mean(z * z / (1.0 + z * z)))

    x, h = RNG.normal(size=20), 1e-6
    numeric = [(loss(x + h * e) - loss(x - h * e)) / (2 * h) for e in np.eye(20)]
    assert gradients(problem, [x])[0] == pytest.approx(numeric, abs=1e-8)


def test_norm_of_the_largest_entries() -> None:
    g = [3.0, -5.0, 1.0, 4.0]
    # ceil(.3 * 4) = 2 entries: 5 + 4.  All: 13.  The least fraction: 5.
    assert [float(finetuning.top_norm(g, alpha)) for alpha in (0.3, 1.0, 0.01)] == [9.0, 13.0, 5.0]
