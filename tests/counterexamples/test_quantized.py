"""Quantized problems: gradients against values and formulas, the facts about noise, the roots."""

from __future__ import annotations

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import quantized
from theory_sim.engine.evaluate import gradients, measures

RNG = np.random.default_rng(3)
SHARED = [
    quantized.bowl(0.7, d=3),
    quantized.quadratic(d=5, decades=2.0, spread=0.5),
    quantized.quadratic(0.6, d=5, decades=2.0, power=0.5, spread=0.5),
    quantized.quadratic(0.6, d=4, decades=1.0, power=0.5, p=0.2),
]


@pytest.mark.parametrize("problem", SHARED, ids=str)
def test_gradient_is_the_derivative_of_the_gap(problem: ts.Problem) -> None:
    x, h = RNG.uniform(-2.0, 2.0, (20, problem.dim)), 1e-5
    mean = gradients(problem, x)
    for i, unit in enumerate(np.eye(problem.dim)):
        up, down = (measures(problem, x + s * h * unit)["gap"] for s in (1, -1))
        # Rounding of values below 10 over 2 h, and h^2/6 |f'''| < 1e-9.
        assert (up - down) / (2 * h) == pytest.approx(mean[:, i], abs=2e-9)
    assert measures(problem, x)["gradient_square"] == pytest.approx((mean**2).sum(axis=1), rel=1e-12)
    assert measures(problem, [problem.start] * np.ones((1, problem.dim)))["gap"] == pytest.approx(
        problem.facts["gap"]
    )


@pytest.mark.parametrize("problem", [p for p in SHARED if p.draws], ids=str)
def test_noise_has_mean_0_and_its_variance(problem: ts.Problem) -> None:
    n = 100_000
    noise = gradients(problem, np.zeros((n, problem.dim)), uniforms=RNG.random((problem.draws, n)))
    noise = noise - gradients(problem, np.zeros((1, problem.dim)))
    scale = noise.std(axis=0)
    # 6 standard errors of a mean; fourth moments of at most 3.25 variances squared: .5 % of a variance.
    assert np.abs(noise.mean(axis=0) / scale).max() < 6.0 / np.sqrt(n)
    assert (noise**2).sum(axis=1).mean() == pytest.approx(problem.facts["sigma2"], rel=0.04)
    assert np.abs(np.corrcoef(noise.T) - np.eye(problem.dim)).max() < 6.0 / np.sqrt(n)
    if "quadratic" in problem.name:  # sizes lambda_i^(1/2)
        curvature = np.array(problem.constants["curvature"])
        assert scale / scale[0] == pytest.approx(np.sqrt(curvature), rel=0.04)


def test_workers_see_their_own_objectives() -> None:
    problem = quantized.different_workers((1.0, 2.0, 5.0), (1.0, 0.0, -2.0), 0.5, 2.0, d=2)
    x = np.array([[0.3, -0.7]])
    seen = gradients(problem, x, uniforms=np.zeros((3 * problem.draws, 1)), workers=3)[
        :, 0
    ]  # u = 0: no noise
    own = np.array([[1.0], [2.0], [5.0]]) * (x - np.array([[1.0], [0.0], [-2.0]]))
    assert seen == pytest.approx(own)
    noisy = gradients(problem, x, uniforms=np.full((3 * problem.draws, 1), 0.5), workers=3)[:, 0]
    assert (own - noisy) / np.sqrt(2.0 * np.log(2.0)) == pytest.approx(
        np.array([[0.5] * 2, [0.5] * 2, [1.0] * 2])
    )
    assert measures(problem, x)["gradient_square"] == pytest.approx((own.mean(axis=0) ** 2).sum())
    assert measures(problem, x)["mean_x"] == pytest.approx(-0.2)


def test_three_quadratics() -> None:
    problem, a = quantized.three_quadratics(), np.array(quantized.VECTORS)
    x = RNG.normal(size=(10, 3))
    own = 2.0 * (x @ a.T).T[..., None] * a[:, None] + 0.5 * x
    assert gradients(problem, x, workers=3) == pytest.approx(own)
    found = measures(problem, x)
    assert found["gap"] == pytest.approx(((x @ a.T) ** 2).mean(axis=1) + 0.25 * (x**2).sum(axis=1))
    assert found["gradient_square"] == pytest.approx((own.mean(axis=0) ** 2).sum(axis=1))
    assert found["spread"] == pytest.approx((own**2).sum(axis=2).mean(axis=0))
