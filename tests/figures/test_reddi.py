"""Features of the figure at the quick tier, 1.01e6 steps."""

import pytest

from tests.session import Drawings, features_of

features = features_of("reddi")


def test_features(features: dict[str, float]) -> None:
    assert features["steps"] == 1_010_000
    # The corner +1 is a fixed point of a whole period at the end, and costs 20/101 per step.
    assert features["adam_x"] == 1.0
    assert 0.0 < features["adam_excess_regret"] < 0.05
    assert features["amsgrad_x"] < -0.99
    assert features["amsgrad_average_regret"] < 0.05
    assert features["amsgrad_regret_slope"] == pytest.approx(-0.5, abs=0.1)
    assert features["adam_stochastic_min"] > 0.85
    # AMSGrad on random slopes is still on its way: 64 seeds, standard error .06.
    assert -0.8 < features["amsgrad_stochastic_mean"] < -0.2


def test_the_limit_and_every_curve_are_drawn(drawings: Drawings) -> None:
    curves = {(curve["panel"], curve["label"]): curve for curve in drawings.content("reddi")["curves"]}
    assert curves[0, "limit 20/101"]["y"] == pytest.approx([20 / 101] * 2)
    for panel, suffix in ((0, ""), (1, ""), (2, ", mean")):
        assert {(panel, f"Adam{suffix}"), (panel, f"AMSGrad{suffix}")} <= set(curves)
