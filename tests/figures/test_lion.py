"""Numbers behind the figure of Lion's two phases and its cycle."""

import pytest

from tests.session import features_of

features = features_of("lion")


def test_the_box_is_entered_no_later_than_the_envelope(features: dict[str, float]) -> None:
    # The bound of L1 in units of the box; the first steps go straight in, so it is nearly attained.
    assert 0.99 <= features["over_envelope"] <= 1.0 + 1e-12


def test_score_and_distance_are_proportional_to_the_step(features: dict[str, float]) -> None:
    assert features["score_slope"] == pytest.approx(1.0, abs=0.1)
    assert features["distance_slope"] == pytest.approx(1.0, abs=0.1)


def test_the_cycle_has_its_exact_size(features: dict[str, float]) -> None:
    # Sizes up to 1/(2 - 1.9) = 10, after 3900 steps of a contraction by at most 0.99: rounding only.
    assert features["cycle_error"] <= 1e-12
