"""Separable and gossip problems: gradients against values, measures, facts, the box optimum, errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import generalized_smooth, gossip, separable
from theory_sim.engine.evaluate import component_gradients, gradients, measures
from theory_sim.nouns.noise import _cauchy, _half_turn
from theory_sim.nouns.problem import Problem

D = 5
A = 0.2 + 0.8 * np.arange(D) / (D - 1)
L0, L1 = np.array([0.1, 1.0, 2.0, 1.0, 0.5]), np.array([1.0, 3.0, 0.5, 10.0, 2.0])


def well(x: np.ndarray) -> float:
    """Sum of E(x_i; L0_i, L1_i) less its minimum."""
    size = np.abs(x)
    core = L0 * x**2 / 2
    far = L0 / L1**2 * np.exp(L1 * size - 1) - L0 / (2 * L1**2)
    return float(np.where(L1 * size <= 1, core, far).sum())


def box(x: np.ndarray) -> float:
    a, c = separable.box_curvatures(D), separable.box_centres(D)
    return float(np.sum(a * (x - c) ** 2) / 2 + 0.05 * x.sum() ** 2 / 2)


CASES: dict[str, tuple[Problem, Callable[[np.ndarray], float]]] = {
    "wells": (separable.wells(L0.tolist(), L1.tolist()), well),
    "cosines": (separable.cosines(D, 0.0), lambda x: float(np.sum(A * (1 - np.cos(x))))),
    "logarithms": (
        separable.logarithms(D, 0.0),
        lambda x: float(np.sum(A * (np.abs(x) - np.log1p(np.abs(x))))),
    ),
    "box": (separable.box_quadratic(D), box),
}
POINTS = st.lists(st.floats(-1.5, 1.5), min_size=D, max_size=D)


def measured(problem: Problem, x: np.ndarray) -> dict[str, float]:
    return {name: value.item() for name, value in measures(problem, x[None]).items()}


@pytest.mark.parametrize("name", CASES)
@given(point=POINTS)
def test_gradient_is_the_derivative_of_the_value(name: str, point: list[float]) -> None:
    x, (problem, value) = np.array(point), CASES[name]
    gradient = component_gradients(problem, x)[0]
    h = 1e-5
    for i, unit in enumerate(np.eye(D)):
        # Central differences: h^2/6 |f'''| <= 2e-11 * 100 e^14, relative to |f'| <= e^14/10, and rounding/h.
        slope = (value(x + h * unit) - value(x - h * unit)) / (2 * h)
        assert slope == pytest.approx(gradient[i], rel=1e-7, abs=1e-9 * max(1.0, value(x)))


@pytest.mark.parametrize("name", ["wells", "cosines", "logarithms"])
@given(point=POINTS)
def test_measures_are_the_gap_and_the_sum_of_the_slopes(name: str, point: list[float]) -> None:
    x, (problem, value) = np.array(point), CASES[name]
    found = measured(problem, x)
    assert found["gap"] == pytest.approx(value(x), rel=1e-9, abs=1e-12)
    assert found["gradient_l1"] == pytest.approx(np.abs(component_gradients(problem, x)[0]).sum(), rel=1e-12)


@pytest.mark.parametrize("family", [separable.cosines, separable.logarithms])
@given(x=POINTS, y=POINTS)
def test_facts_bound_the_gradient(family: Callable[..., Problem], x: list[float], y: list[float]) -> None:
    problem = family(D, 0.0)
    first, second = np.array(x), np.array(y)
    far = np.abs(first - second).max()
    change = component_gradients(problem, second)[0] - component_gradients(problem, first)[0]
    assert np.abs(change).sum() <= problem.facts["L"] * far * (1 + 1e-12) + 1e-15
    h2 = A * (np.cos(first) if family is separable.cosines else 1 / (1 + np.abs(first)) ** 2)
    remainder = np.abs(change - h2 * (second - first)).sum()
    assert remainder <= 0.5 * problem.facts["R"] * far**2 * (1 + 1e-12) + 1e-14


def test_facts_by_hand() -> None:
    # d = 20: sum a_i = 20 * 0.6 = 12; start 2: 1 - cos 2 and 2 - log 3; R of the second is twice L.
    cosines, logarithms = separable.cosines().facts, separable.logarithms().facts
    assert cosines["L"] == pytest.approx(12.0)
    assert cosines["gap"] == pytest.approx(12.0 * (1.0 - math.cos(2.0)))
    assert logarithms["gap"] == pytest.approx(12.0 * (2.0 - math.log(3.0)))
    assert (cosines["R"], logarithms["R"]) == pytest.approx((12.0, 24.0))
    assert cosines["sigma_sum"] == 20.0


@pytest.mark.parametrize("family", [separable.cosines, separable.logarithms])
def test_noise_has_its_standard_deviation(family: Callable[..., Problem]) -> None:
    # One step of size 1 from 0 is the noise: 4000 x 20 uniforms, standard error of their mean square below
    # sqrt(.8/80000) = .0032 relative; the window of 3 % is 9 of them.
    grid = ts.simulate(family(20, 3.0, 0.0), ts.sgd(lr=1.0), steps=1, seeds=4000)
    assert float((grid.x_final**2).mean()) == pytest.approx(9.0, rel=0.03)


@pytest.mark.parametrize("radius", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("coupling", [0.0, 0.05, 2.0])
def test_the_box_optimum_satisfies_the_kkt_conditions(coupling: float, radius: float) -> None:
    x = separable.box_optimum(D, coupling, radius)
    g = component_gradients(separable.box_quadratic(D, coupling), x)[0]
    assert np.abs(x).max() <= radius
    # x - g projected on the box is x: the variational inequality.
    np.testing.assert_allclose(np.clip(x - g, -radius, radius), x, atol=1e-12)


def test_cauchy_noise_has_its_quartiles() -> None:
    problem = separable.box_quadratic(1, coupling=0.0, heavy=2.0)
    found = gradients(problem, np.full((3, 1), separable.box_centres(1)), uniforms=[[0.25, 0.5, 0.75]])
    np.testing.assert_allclose(found[:, 0], [-2.0, 0.0, 2.0], atol=1e-14)


@given(k=st.integers(1, 2**53 - 1))
def test_cauchy_noise_is_the_tangent(k: int) -> None:
    # 2^53 u = k; next to the poles the tangent is the inverse of pi times the gap, whose rounding math.tan cannot see.
    gap = min(k, 2**53 - k) / 2**53
    expected = math.copysign(1.0 / math.tan(math.pi * gap), k - 2**52)
    assert _cauchy(k / 2**53, 1.0) == pytest.approx(expected, rel=2e-15, abs=2e-16)


def test_cauchy_noise_divides_sines_that_are_right_to_two_ulp() -> None:
    # sin(pi/2) = 1, where the Taylor series has its largest argument; numbers below 1 are 1.1e-16 apart.
    assert abs(_half_turn(0.5) - 1.0) <= 2.3e-16


def test_cauchy_noise_is_finite_at_zero() -> None:
    # u = 0 stands for [0, 2^-53), in the middle of which the noise is -1/(pi 2^-54).
    assert _cauchy(0.0, 1.0) == pytest.approx(-(2.0**54) / math.pi, rel=1e-15)


@pytest.mark.parametrize(("tilt", "concentration"), [(1.0, 0.0), (0.3, 0.0), (0.0, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize("x", [-2.5, 0.4, 3.0])
def test_tilted_wells_have_the_mean_e(tilt: float, concentration: float, x: float) -> None:
    n = 8
    problem = separable.tilted_wells(n, tilt, concentration)
    components = component_gradients(problem, x)[:, 0]
    slope = component_gradients(generalized_smooth.well(), x)[0, 0]
    assert components.mean() == pytest.approx(slope, rel=1e-12)
    assert measured(problem, np.array([x]))["gradient_norm"] == pytest.approx(abs(slope))
    if concentration == 0.0:
        assert np.mean(components**2) - slope**2 == pytest.approx(problem.facts["D0"], rel=1e-9)
        assert problem.facts["D0"] == pytest.approx(tilt**2 * 7)
    elif tilt == 0.0 and concentration == 1.0:
        assert components == pytest.approx([8 * slope, *[0.0] * 7])


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 16])
def test_the_shifts_of_the_nodes_cancel(nodes: int) -> None:
    problem = gossip.heterogeneous(nodes, D, sigma=0.0, heterogeneity=2.0)
    shifts = component_gradients(problem, 0.0)[0].reshape(nodes, D)
    np.testing.assert_allclose(shifts.sum(axis=0), 0.0, atol=1e-12)
    if nodes == 1:
        assert not shifts.any()
    elif nodes > 2:  # two nodes have +-2 sqrt(2)
        assert np.mean(shifts**2) == pytest.approx(4.0, rel=0.5)


def test_gossip_measures_are_those_of_the_mean() -> None:
    problem = gossip.heterogeneous(3, D)
    x = np.random.default_rng(0).normal(size=(3, D))
    mean = x.mean(axis=0)
    found = measured(problem, x.ravel())
    assert found["gradient_l1"] == pytest.approx(np.sum(A * np.abs(mean) / (1 + np.abs(mean))))
    assert found["consensus"] == pytest.approx(np.abs(x - mean).max())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: separable.wells([1.0], [1.0, 2.0]), "lists of the same length"),
        (lambda: separable.wells(1.0, 1.0), "L0 = 1.0 and L1 = 1.0 must be lists"),
        (lambda: separable.wells([], []), r"L0 = \[\] and L1 = \[\] must be lists"),
        (lambda: separable.wells([1.0], [0.0]), r"L1 = 0.0 must be a finite number in \(0, inf\)"),
        (lambda: separable.wells([math.inf], [1.0]), "L0 = inf must be a finite number"),
        (lambda: separable.cosines(sigma=-1.0), "sigma = -1.0 must be"),
        (lambda: separable.logarithms(reach=math.nan), "reach = nan must be a finite number"),
        (lambda: separable.cosines(0), "d = 0 must be an integer >= 1"),
        (lambda: separable.box_quadratic(heavy=-1.0), "heavy = -1.0 must be"),
        (lambda: separable.tilted_wells(1), "n = 1 must be an integer >= 2"),
        (lambda: separable.tilted_wells(concentration=2.0), r"concentration = 2.0 must be .* \[0, 1\]"),
        (lambda: gossip.heterogeneous(0), "nodes = 0 must be an integer >= 1"),
        (lambda: gossip.heterogeneous(x0=math.inf), "x0 = inf must be a finite number"),
    ],
)
def test_bad_parameters_get_one_sentence(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
