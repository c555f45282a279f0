"""The counterexamples of Reddi et al. 2018 and the random linear losses, against values worked out by hand."""

import math
import re
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import linear, reddi
from theory_sim.engine.evaluate import component_gradients, gradients, measures
from theory_sim.nouns.problem import Problem


def drawn(problem: Problem, u: float) -> float:
    """The gradient at 0.7 and step 1, all uniforms equal to u."""
    return gradients(problem, [[0.7]], uniforms=np.full((problem.draws, 1), u)).item()


def test_periodic_gradients_do_not_depend_on_x() -> None:
    problem = reddi.periodic(1010.0, small=10.0, period=101)
    expected = np.array([[1010.0]] + [[-10.0]] * 100)
    np.testing.assert_array_equal(component_gradients(problem, -0.3), expected)
    np.testing.assert_array_equal(component_gradients(problem, 1.0), expected)


@pytest.mark.parametrize(
    ("C", "small", "period", "slope", "optimum"),
    [
        (3.0, 1.0, 3, 1 / 3, -1.0),  # 3 - 2
        (7.0, 1.0, None, 1 / 7, -1.0),  # 7 - 6; the period defaults to C
        (1010.0, 10.0, 101, 10 / 101, -1.0),  # 1010 - 100 * 10
        (1010.0, 10.0, 301, -1990 / 301, 1.0),  # 1010 - 300 * 10: the other corner is optimal
    ],
)
def test_periodic_facts(C: float, small: float, period: int | None, slope: float, optimum: float) -> None:
    problem = reddi.periodic(C, small=small, period=period)
    assert problem.facts["slope"] == pytest.approx(slope, rel=1e-14)
    assert problem.facts["G"] == C
    assert problem.facts["ratio"] == C / small
    assert problem.facts["D_inf"] == 2.0
    assert problem.optimum == optimum
    assert problem.domain == (-1.0, 1.0)


def test_periodic_measures() -> None:
    # C = 3 with slopes (3, -1, -1): at x = .5 the distance to -1 is 1.5, the gap 1.5/3, the
    # regret 4.5 or -1.5.
    problem = reddi.periodic(3.0)
    found = measures(problem, [[0.5], [0.5]], index=[0, 2])
    np.testing.assert_allclose([*found.values()], [[1.5, 1.5], [0.5, 0.5], [4.5, -1.5]])


def test_stochastic_gradient_and_measures() -> None:
    # delta = 1 and C = 9: p = 2/10 and F(x) = x.
    problem = reddi.stochastic(9.0, delta=1.0)
    assert problem.facts["p"] == pytest.approx(0.2)
    assert problem.facts["slope"] == pytest.approx(1.0)
    assert (drawn(problem, 0.199), drawn(problem, 0.2)) == (9.0, -1.0)
    assert gradients(problem, [[0.7]]).item() == pytest.approx(1.0)
    np.testing.assert_allclose([*measures(problem, [[0.5]]).values()], [[1.5], [1.5]])


def test_figure_1_has_mean_slope_one_fifth() -> None:
    # .01 * 1010 - .99 * 10 = .2
    assert reddi.stochastic(1010.0, small=10.0, p=0.01).facts["slope"] == pytest.approx(0.2)


def test_rescaled_multiplies_the_slopes_by_ten_roots_of_eps() -> None:
    # eps = 4: 10 sqrt(4) = 20, so slopes 60, -20, -20; the control keeps 3, -1, -1.
    np.testing.assert_allclose(component_gradients(reddi.rescaled(4.0), 0.0).ravel(), [60.0, -20.0, -20.0])
    np.testing.assert_allclose(
        component_gradients(reddi.rescaled(4.0, scale=1.0), 0.0).ravel(), [3.0, -1.0, -1.0]
    )
    assert reddi.rescaled(4.0).start == 1.0
    assert str(reddi.rescaled(4.0)) == "reddi.rescaled(eps=4)"


def test_eps_and_x0_are_axes() -> None:
    # One step of SGD along the large slope: 30 sqrt(eps) from x = 1, then 3 from x0.
    eps = ts.Sweep(reddi.rescaled(1.0), ts.sgd(lr=0.001), axes={"eps": (4.0, 9.0)}, steps=1).run()
    np.testing.assert_allclose(eps.x_final.values.ravel(), [1.0 - 0.06, 1.0 - 0.09])
    x0 = ts.Sweep(reddi.periodic(3.0), ts.sgd(lr=0.1), axes={"x0": (-0.25, 0.5)}, steps=1).run()
    np.testing.assert_allclose(x0.x_final.values.ravel(), [-0.55, 0.2])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: reddi.periodic(2.5), "C = 2.5 is not an integer, so the period cannot default to it"),
        (lambda: reddi.periodic(-1.0, period=3), "C = -1.0 must be a finite number in"),
        (lambda: reddi.periodic(math.nan, period=3), "C = nan must be a finite number in"),
        (lambda: reddi.periodic(3.0, small=0.0), "small = 0.0 must be a finite number in"),
        (lambda: reddi.periodic(3.0, period=1), "period = 1 must be an integer >= 2"),
        (lambda: reddi.periodic(2.0, period=3), "period=3) has mean slope 0, so every point is optimal"),
        (lambda: reddi.stochastic(9.0), "delta = None and p = None: give exactly one of them"),
        (
            lambda: reddi.stochastic(9.0, delta=1.0, p=0.2),
            "delta = 1.0 and p = 0.2: give exactly one of them",
        ),
        (lambda: reddi.stochastic(9.0, delta=9.0), "delta = 9.0 must be a finite number in"),
        (lambda: reddi.stochastic(9.0, p=1.0), "p = 1.0 must be a finite number in"),
        (lambda: reddi.stochastic(9.0, p=0.1), "p=0.1) has mean slope 0, so every point is optimal"),
        (lambda: reddi.rescaled(0.0), "eps = 0.0 must be a finite number in"),
        (lambda: linear.linear("unifrom"), "Unknown model 'unifrom': did you mean uniform"),
        (lambda: linear.linear(d=0), "d = 0 must be an integer >= 1"),
    ],
)
def test_bad_input_is_named(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        build()


@pytest.mark.parametrize(
    ("model", "u", "expected"),
    [
        ("uniform", 0.75, 0.55),  # s = .5, 1 (s + .05)
        ("sparse", 0.75, 0.0),  # not drawn: .75 >= .02
        ("sparse", 0.0, -47.5),  # drawn, s = -1: 50 (-1 + .05) 1^3
        ("drifting", 0.75, 0.5 + math.sin(2 * math.pi / 3000)),  # s = .5 plus the wave at t = 1
    ],
)
def test_linear_gradient(model: str, u: float, expected: float) -> None:
    assert drawn(linear.linear(model, d=1), u) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("model", sorted(linear.MODELS))
def test_linear_mean_gradient(model: str) -> None:
    # The midpoint rule in v, with u on both sides of the density.  s |s|^tail is odd and smooth
    # but for tail = 3 at 0.
    problem = linear.linear(model, d=1)
    v = (np.arange(10_000) + 0.5) / 10_000
    on, off = (
        gradients(problem, np.zeros((v.size, 1)), uniforms=[np.full_like(v, u), v]) for u in (0.0, 1.0)
    )
    density = problem.constants["density"]
    mean = density * on.mean() + (1.0 - density) * off.mean()
    assert gradients(problem, [[0.0]]).item() == pytest.approx(mean, rel=1e-6, abs=1e-12)


def test_linear_coordinates_are_out_of_phase() -> None:
    # The noise of this model has mean 0: sin(2 pi (1/3000 + i/3)).
    expected = [math.sin(2 * math.pi * (1 / 3000 + i / 3)) for i in range(3)]
    np.testing.assert_allclose(
        gradients(linear.linear("drifting"), np.zeros((1, 3)))[0], expected, rtol=1e-12
    )


@pytest.mark.parametrize("model", sorted(linear.MODELS))
def test_linear_gradients_stay_below_G(model: str) -> None:
    problem = linear.linear(model, d=1)
    u = np.random.default_rng(0).random((2, 1000))
    u[0, :500] = 0.0  # drawn
    u[1, :2] = (0.0, 1.0)
    for t in (1, 750, 2250):  # the wave at its peaks
        found = gradients(problem, np.zeros((1000, 1)), t=t, uniforms=u)
        assert np.max(np.abs(found)) <= problem.facts["G"] * (1 + 1e-12)


def test_hindsight_regret_by_hand() -> None:
    # g = 1, -3 and x = .5, .5: losses .5, -1.5; the best corner has -1, then -2.  R = 1.5, then -1 + 2 = 1.
    g, x = np.array([[1.0], [-3.0]]), np.array([[0.5], [0.5]])
    np.testing.assert_allclose(linear.hindsight_regret(g, x), [1.5, 1.0])


def test_hindsight_beats_every_corner() -> None:
    generator = np.random.default_rng(1)
    g, x = generator.standard_normal((50, 2)), generator.uniform(-1, 1, (50, 2))
    corners = np.array([[a, b] for a in (-1, 1) for b in (-1, 1)])
    best = (g.sum(axis=0) @ corners.T).min()
    assert linear.hindsight_regret(g, x)[-1] == pytest.approx((g * x).sum() - best)
