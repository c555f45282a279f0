"""Full-gradient functions and prescribed gradient sequences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import averaged, sequences, zhang
from theory_sim.engine.evaluate import component_gradients, gradients


@given(n=st.integers(2, 50), a=st.floats(1e-3, 10.0), x=st.floats(-50.0, 50.0))
def test_the_averaged_gradient_is_the_mean_of_the_components(n: int, a: float, x: float) -> None:
    components = component_gradients(zhang.piecewise(n, a), x)
    # The components are up to G |s(x)| large and cancel to s(x)/n.
    scale = np.abs(components).max()
    assert gradients(averaged.piecewise(n, a), [[x]]).item() == pytest.approx(
        components.mean(), abs=1e-14 * n * scale
    )


def test_the_averaged_measures_are_those_of_the_components() -> None:
    one = averaged.piecewise(10, x0=-3.0)
    assert (one.measure, one.measures, one.optimum) == (
        zhang.piecewise_measure,
        zhang.piecewise().measures,
        -2.0,
    )


def test_without_eps_the_number_of_components_does_not_matter() -> None:
    # A power of two scales m and sqrt(v) exactly.
    optimizer = ts.adam(0.1, eps=0.0, schedule=ts.power(0.5))
    few, many = (ts.simulate(averaged.piecewise(n), optimizer, steps=500).x_final.item() for n in (4, 64))
    assert few == many


def test_geometric_gradients() -> None:
    # 1 + 3 + 9 + 27 = 40.
    assert ts.simulate(sequences.geometric(3.0), ts.sgd(1.0), steps=4).x_final.item() == -40.0


@pytest.mark.parametrize("tail", [0.25, 1.0, 2.0])
def test_heavy_tailed_gradients_have_their_law(tail: float) -> None:
    grid = ts.simulate(sequences.heavy_tailed(tail, 3.0), ts.sgd(1.0), steps=1, seeds=4000)
    drawn = -grid.x_final.values - 3.0
    assert np.abs(drawn).min() >= 1.0 - 1e-12
    # P(|.| > 2^tail) = 1/2 and the signs are fair; 5 standard deviations of 4000 draws: false
    # alarm 6e-7 each.
    for share in ((np.abs(drawn) > 2.0**tail).mean(), (drawn > 0).mean()):
        assert share == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(4000))


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match=r"ratio = 0.0 must be a finite number in \(0, inf\)"):
        sequences.geometric(0.0)
    with pytest.raises(ValueError, match=r"tail = -1.0 must be a finite number in \[0, inf\)"):
        sequences.heavy_tailed(-1.0)
    with pytest.raises(ValueError, match="n = 1 must be an integer >= 2"):
        averaged.piecewise(1)
