"""Features of the figure "minibatch" in the quick tier."""

import pytest

from tests.session import features_of

features = features_of("minibatch")


def test_features(features: dict[str, float]) -> None:
    # Standard errors: .004 (slope_B), .007 (slope_T), .005 (ratio_largest, which is 1.018), .03 (others).
    # The windows leave five of them on either side: a false alarm has probability below 1e-5.
    assert features["slope_B"] == pytest.approx(-0.5, abs=0.05)
    assert features["slope_T"] == pytest.approx(-0.5, abs=0.08)
    assert features["ratio_largest"] == pytest.approx(1.0, abs=0.045)
    assert 0.9 < features["ratio_min"] <= features["ratio_max"] < 1.25
