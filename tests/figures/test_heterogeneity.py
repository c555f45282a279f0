"""Numbers behind the figure of workers whose objectives differ."""

import math

import numpy as np
import pytest

from figures import heterogeneity
from tests.session import features_of

features = features_of("heterogeneity")


def test_server_moments_find_the_minimiser(features: dict[str, float]) -> None:
    assert features["server_off"] < 0.01
    assert features["sign_off"] < 0.01


def test_local_moments_follow_the_prediction(features: dict[str, float]) -> None:
    assert features["local_off"] < 0.01
    # At the ratio .01: (.1 - 1)/(.1 + 1).
    assert features["local_lowest"] == pytest.approx(-9.0 / 11.0, abs=0.01)


def test_the_prediction_by_hand() -> None:
    np.testing.assert_allclose(heterogeneity.predicted([0.1, 1.0]), [0.0, 9.0 / 11.0], atol=1e-15)
    assert math.isclose(heterogeneity.predicted(1e9), 1.0, rel_tol=1e-8)
