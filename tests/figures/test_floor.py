"""Numbers behind the floor of quantized weights."""

import pytest

from tests.session import Drawings, features_of

features = features_of("floor")


def test_the_prediction_is_exact(features: dict[str, float]) -> None:
    # The mean over 15,000 steps leaves out less than one turn of the chatter of each coordinate.
    assert features["error"] < 5e-4
    assert features["error_both"] < 5e-4


def test_two_powers_of_two_per_bit_where_the_bound_has_one(features: dict[str, float]) -> None:
    assert -2.3 < features["slope"] < -1.8
    assert features["slope_linear"] == pytest.approx(-1.0, abs=1e-6)


def test_updates_have_no_floor(features: dict[str, float]) -> None:
    assert features["log_levels"] < 1e-20
    assert features["signs"] < features["floor_8"] / 5.0
    assert features["floor_6_predicted"] == pytest.approx(features["floor_6"], rel=1e-3)


def test_every_quantizer_and_bound_has_its_curve(drawings: Drawings) -> None:
    assert len(drawings.content("floor")["curves"]) == 6
