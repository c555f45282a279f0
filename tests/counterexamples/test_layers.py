"""Layers of unequal curvature: facts, measures and noise by hand."""

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import layers
from theory_sim.engine.evaluate import measures


def test_facts_and_measures_by_hand() -> None:
    made = layers.quadratic((1.0, 100.0), 1, sigma=0.5, scale=2.0)
    assert made.facts == pytest.approx({"L": 200.0, "L_layers": 202.0, "sigma_layers": 101.0, "gap": 101.0})
    # at (1, 1): f = 2 (1 + 100)/2, gradients 2 and 200
    found = {name: value.item() for name, value in measures(made, [[1.0, 1.0]]).items()}
    assert found == pytest.approx({"gap": 101.0, "layer_norms": 202.0, "layer_l1": 202.0})
    assert measures(made, [made.start])["gap"].item() == pytest.approx(101.0)


def test_layers_have_the_spectra_that_are_asked_for() -> None:
    made = layers.quadratic((4.0, 100.0), 3, least=0.25)
    H = np.asarray(made.matrices["H"])
    np.testing.assert_allclose(np.linalg.eigvalsh(H[:3, :3]), [1.0, 2.0, 4.0])
    np.testing.assert_allclose(np.linalg.eigvalsh(H[3:, 3:]), [25.0, 50.0, 100.0])
    assert not H[:3, 3:].any()
    assert abs(H[0, 1]) > 0.01  # in a basis of its own
    x = np.arange(1.0, 7.0)
    pull = (H @ x).reshape(2, 3)
    found = measures(made, [x])
    assert found["layer_norms"].item() == pytest.approx(np.linalg.norm(pull, axis=1).sum())
    assert found["layer_l1"].item() == pytest.approx(np.abs(pull).sum() / 3.0**0.5)


def test_random_curvatures_lie_in_five_decades_and_differ() -> None:
    found = np.array([layers.curvatures(5, k) for k in range(50)])
    assert found.min() > 0.01
    assert found.max() < 1000.0
    assert np.log10(found).std() == pytest.approx(5 / 12**0.5, rel=0.15)  # of a uniform number, 250 of them


def test_noise_has_its_standard_deviation_in_each_layer() -> None:
    problem = layers.quadratic((1.0, 100.0), 2, sigma=0.3)
    grid = ts.Sweep(problem, ts.sgd(1.0), steps=1, seeds=4000, x0=0.0).run()
    x = grid.x_final.transpose("seed", "coordinate").values
    # 4000 uniforms: their standard deviation is known to .7 %
    np.testing.assert_allclose(x.std(axis=0), [0.3, 0.3, 30.0, 30.0], rtol=0.04)
    assert problem.facts["sigma_layers"] == pytest.approx(0.3 * 2.0**0.5 * 101.0)
