"""The functions of Zhang et al.: gradients against hand values and finite differences, facts, measures, errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from counterexamples import zhang
from counterexamples.drift import batch_problem
from theory_sim.engine.evaluate import component_gradients, measures
from theory_sim.nouns.problem import Problem


def components(problem: Problem, x: float) -> np.ndarray:
    return component_gradients(problem, x)[:, 0]


def measured(problem: Problem, x: float) -> dict[str, float]:
    return {name: value.item() for name, value in measures(problem, [[x]]).items()}


@pytest.mark.parametrize(
    ("x", "slope"), [(5.0, 1.0), (0.0, 1.0), (-1.0, 1.0), (-1.5, 0.5), (-2.0, 0.0), (-3.0, -1.0)]
)
def test_piecewise_gradients_by_hand(x: float, slope: float) -> None:
    # n = 4, a = 1/2: G = 1 + 3/2; s(x) = 1 for x >= -1 and x + 2 below.
    assert components(zhang.piecewise(4, 0.5), x).tolist() == [2.5 * slope, *[-0.5 * slope] * 3]


@pytest.mark.parametrize("x", [3.0, -1.0, -1.25, -2.0, -7.0])
@pytest.mark.parametrize(("n", "a"), [(3, 1.0), (10, 1.0), (20, 1 / 361)])
def test_piecewise_components_sum_to_the_full_gradient(n: int, a: float, x: float) -> None:
    # The sum of the components is x on x >= -1 and (x+2)^2/2 - 3/2 below, whose slope is min(x + 2, 1).
    assert components(zhang.piecewise(n, a), x).sum() == pytest.approx(min(x + 2.0, 1.0), abs=1e-12)


@pytest.mark.parametrize("x", [2.0, -0.5, -1.7, -4.0])
@pytest.mark.parametrize("problem", [zhang.piecewise(10), zhang.quadratics(3.0)], ids=lambda p: p.name)
def test_measures_are_the_function_and_its_derivative(problem: Problem, x: float) -> None:
    h = 1e-4
    low, here, high = (measured(problem, point) for point in (x - h, x, x + h))
    # Piecewise quadratic, so the central difference has only rounding error, 1e-12/h.
    assert here["gradient_norm"] == pytest.approx(abs(high["gap"] - low["gap"]) / (2 * h), abs=1e-8)
    assert here["gradient_norm"] == pytest.approx(abs(components(problem, x).mean()), abs=1e-12)
    assert here["distance"] == abs(x - problem.optimum)
    assert measured(problem, problem.optimum)["gap"] == 0.0


def test_the_gap_by_hand() -> None:
    # (x + 2)^2/2 below -1 and x + 3/2 above, over n = 10; x^2/100 of the quadratics.
    assert [measured(zhang.piecewise(10), x)["gap"] for x in (-3.0, -1.0, 0.0)] == [0.05, 0.05, 0.15]
    assert measured(zhang.quadratics(), 5.0)["gap"] == 0.25


def test_piecewise_ratio_and_smoothness() -> None:
    # a = 1/(n-1)^2 gives C = n - 1 + (n-1)^2 = n (n-1).
    assert zhang.piecewise(20, 1 / 361).facts["ratio"] == pytest.approx(380.0)
    assert zhang.piecewise(10).facts["ratio"] == 10.0
    assert zhang.piecewise(10).facts["L"] == 10.0  # G = 1 + 9


@pytest.mark.parametrize("x", [4.0, -1.5, -6.0])
@pytest.mark.parametrize(("n", "a"), [(3, 0.25), (4, 1 / 9), (10, 1.0)])
def test_affine_variance_holds_with_equality(n: int, a: float, x: float) -> None:
    problem = zhang.piecewise(n, a)
    g = components(problem, x)
    assert (g**2).sum() == pytest.approx(problem.facts["D1"] * g.mean() ** 2 + problem.facts["D0"])


def test_d1_exceeds_2_n_squared_only_at_n_3() -> None:
    # n^2 ((n/(n-1))^2 + (n-1)^-3): 9 (9/4 + 1/8) = 2.375 * 9 at n = 3; 16 (16/9 + 1/27) = 16
    # * 49/27 at n = 4.
    over = {n: zhang.piecewise(n, 1 / (n - 1) ** 2).facts["D1"] / n**2 for n in (3, 4, 10)}
    assert over[3] == pytest.approx(2.375)
    assert over[4] == pytest.approx(49 / 27)
    assert max(over[4], over[10]) < 2.0


def test_quadratics_gradients_by_hand() -> None:
    # a = 9: (x - 9)^2 and nine times -(x - 10)^2/10; at x = 4: -10 and 9 times +1.2.
    g = components(zhang.quadratics(9.0), 4.0)
    assert g == pytest.approx([-10.0] + [1.2] * 9)
    assert g.sum() == pytest.approx(4.0 / 5.0)  # the sum is x^2/10 - a^2/9


def test_realizable_quadratics_have_d1_109() -> None:
    problem = zhang.quadratics(0.0)
    g = components(problem, 3.0)
    assert (g**2).sum() == pytest.approx(problem.facts["D1_sum"] * g.sum() ** 2)
    assert problem.facts["D0"] == 0.0
    assert "D0" not in zhang.quadratics(1.0).facts


@pytest.mark.parametrize("B", [1, 2, 5, 12, 30])
def test_batch_equals_the_averaged_samples(B: int) -> None:
    n, C = batch_problem(60, B)
    problem = zhang.batch(60, B)
    assert problem.components == n
    assert problem.facts["ratio"] == pytest.approx(C)
    g = components(problem, 0.0)
    assert g[0] / -g[1] == pytest.approx(C)
    # Means over B samples of slopes 60, -1, ..., -1, in units of 1/B: 60 - (B-1) and -B.
    assert g.tolist() == [61.0 - B] + [-float(B)] * (n - 1)
    other = zhang.batch(60, 1).replace(B=B)
    assert (other.constants, other.facts, str(other)) == (
        problem.constants,
        problem.facts,
        f"zhang.batch(N=60, B={B})",
    )


@pytest.mark.parametrize(
    ("family", "arguments", "message"),
    [
        (zhang.piecewise, (1,), "n = 1"),
        (zhang.piecewise, (10, 0.0), "a = 0.0"),
        (zhang.piecewise, (10, float("nan")), "a = nan"),
        (zhang.batch, (60, 7), "B = 7 must divide N = 60"),
        (zhang.batch, (60, 60), "B = 60 must divide N = 60 into at least two batches"),
        (zhang.quadratics, (float("inf"),), "a = inf"),
    ],
    ids=["n", "a zero", "a nan", "no divisor", "one batch", "a infinite"],
)
def test_a_wrong_argument_is_named(
    family: Callable[..., Problem], arguments: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        family(*arguments)
