"""The quadratic with skewed noise: the law of its gradients, its measures, its facts."""

import numpy as np
import pytest

from counterexamples import clipping
from theory_sim.engine.evaluate import gradients, measures


def test_the_two_gradients_by_hand() -> None:
    # p = 1/5: +3 sqrt(4) = 6 with probability 1/5, else -3 sqrt(1/4) = -1.5; around x = -2.
    problem = clipping.skewed(3.0, 0.2)
    found = gradients(problem, [[-2.0]] * 3, uniforms=[[0.0, 0.199, 0.2]])[:, 0]
    assert found == pytest.approx([4.0, 4.0, -3.5])
    assert problem.facts["peak"] == pytest.approx(6.0)
    assert gradients(problem, [[-2.0]]).item() == -2.0


def test_measures_by_hand() -> None:
    assert {name: value.item() for name, value in measures(clipping.skewed(), [[-2.0]]).items()} == {
        "gradient_norm": 2.0,
        "gap": 2.0,
        "position": -2.0,
    }


@pytest.mark.parametrize("c", [0.5, 1.0, 5.0])
def test_the_bias_is_a_zero_of_the_mean_clipped_gradient(c: float) -> None:
    problem, p = clipping.skewed(1.0, 0.1), 0.1
    x = clipping.clipping_bias(1.0, p, c).item()
    drawn = gradients(problem, [[x], [x]], uniforms=[[0.0, 0.5]])[:, 0]
    assert np.average(np.clip(drawn, -c, c), weights=[p, 1.0 - p]) == pytest.approx(0.0, abs=1e-15)
