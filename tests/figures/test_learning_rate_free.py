"""What the figure of the learning-rate-free methods shows."""

import math

import pytest

from tests.session import features_of

features = features_of("learning-rate-free")


def test_estimates_end_where_the_arguments_say(features: dict[str, float]) -> None:
    # D/2 is what D-Adaptation's estimate tends to while the sum that it loses is small; the golden ratio is the fixed point
    # of Prodigy's; DoG walks to the minimiser and a little beyond.
    assert features["D-Adaptation_known"] == pytest.approx(0.5, abs=0.05)
    assert features["Prodigy_known"] == pytest.approx((math.sqrt(5.0) - 1.0) / 2.0, abs=0.005)
    assert 1.0 < features["DoG_known"] < 1.1


def test_no_search_finds_more_than_the_distance(features: dict[str, float]) -> None:
    assert 0.5 < features["D-Adaptation_searched"] < 0.51
    assert 0.75 < features["Prodigy_searched"] < 1.0


def test_a_small_first_guess_costs_d_adaptation_only(features: dict[str, float]) -> None:
    assert features["D-Adaptation_first"] > 2.0 * features["D-Adaptation_last"]
    assert features["Prodigy_first"] == pytest.approx(features["Prodigy_last"], rel=0.1)
