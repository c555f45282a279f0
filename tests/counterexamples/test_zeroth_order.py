"""SPSA: the estimate, and the exact recursion of its second moments by hand."""

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import zeroth_order
from counterexamples.zeroth_order import expected_gap, spsa


def test_one_dimension_by_hand() -> None:
    # z = +-1 on the sphere: ghat is the gradient and x_2 = 1 - lr.  Normal z: E z^4 = 3.
    grid = ts.Sweep(spsa(1, law="sphere"), ts.sgd(0.25), steps=1, seeds=9).run()
    np.testing.assert_allclose(
        grid.x_final.values.ravel(), 0.75, rtol=1e-9
    )  # a difference of 1e-3 of f of size 1
    assert expected_gap([1.0], 0.25, 1, law="sphere")[1] == pytest.approx(0.5 * 0.75**2)
    assert expected_gap([1.0], 0.25, 1)[1] == pytest.approx(0.5 * (1 - 0.5 + 3 / 16))
    # two draws: E (z^2 + w^2)^2/4 = (3 + 3 + 2)/4 = 2
    assert expected_gap([1.0], 0.25, 1, draws=2)[1] == pytest.approx(0.5 * (1 - 0.5 + 2 / 16))
    # h = (1, 2), g = (1, 2), ||g||^2 = 5: f = 1.5, g.g = 5, tr(H) 5 + 2 (1 + 8) = 33
    assert expected_gap([1.0, 2.0], 0.1, 1)[1] == pytest.approx(1.5 - 0.1 * 5 + 0.005 * 33)


def test_draws_on_the_sphere_have_its_radius() -> None:
    # ||ghat||^2 = (g . z)^2 d and g . ghat = (g . z)^2, with g = (1, 1, 1)
    grid = ts.Sweep(spsa(3, law="sphere"), ts.sgd(1.0), steps=1, seeds=20).run()
    found = 1.0 - grid.x_final.transpose("seed", "coordinate").values
    np.testing.assert_allclose((found**2).sum(axis=1) / found.sum(axis=1), 3.0, rtol=1e-6)


def test_on_a_quadratic_eps_plays_no_part() -> None:
    ends = [ts.Sweep(spsa(5, 3, eps=eps), ts.sgd(0.1), steps=20).run().x_final.values for eps in (1e-4, 1.0)]
    # differences of 2e-4 of numbers of size 1, 20 times
    np.testing.assert_allclose(*ends, rtol=1e-9)


def test_draws_are_normal_and_differ_between_coordinates_workers_and_steps() -> None:
    # From one step in one dimension ghat = z^2: mean 1, E z^4 = 3; with 20000 runs their errors are .01 and .07.
    square = 1.0 - ts.Sweep(spsa(1), ts.sgd(1.0), steps=1, seeds=20_000).run().x_final.values.ravel()
    assert square.mean() == pytest.approx(1.0, abs=0.05)
    assert (square**2).mean() == pytest.approx(3.0, abs=0.4)
    one, two = (
        1.0
        - ts.Sweep(spsa(2), ts.sgd(1.0), steps=1, seeds=500, workers=n).run().x_final.values.reshape(-1, 2)
        for n in (1, 2)
    )
    assert np.abs(one[:, 0] - one[:, 1]).min() > 0.0
    assert two.var() < 0.7 * one.var()  # half of it, up to 500 runs of a heavy tail


def test_facts_are_those_of_the_quadratic() -> None:
    problem = spsa(20, 4, rest=2.0)
    assert problem.facts == pytest.approx({"L": 1.0, "mu": 0.1, "effective_rank": 5.6})
    assert spsa(3, quartic=1.0).facts == {}
    with pytest.raises(ValueError, match="law"):
        spsa(law="cube")
    # 1/2 + 1/24 and 1 + 1/6
    grid = ts.Sweep(spsa(1, quartic=1.0), ts.sgd(1e-9), steps=1).run()
    assert grid.gap_final.item() == pytest.approx(13 / 24)
    assert grid.gradient_norm_final.item() == pytest.approx(7 / 6)
    assert zeroth_order.value(2.0, 3.0, 0.5) == 3.0 * (2.0 + 0.5 * 16 / 24)
