"""Numbers behind the figure of RR-Adam's residual."""

import pytest

from tests.session import features_of

features = features_of("reshuffled-adam")


def test_the_residual_is_proportional_to_one_minus_beta2(features: dict[str, float]) -> None:
    for curve in ("1_0", "0.3_0", "1_0.9"):
        assert features[f"slope_{curve}"] == pytest.approx(1.0, abs=0.08)


def test_the_residual_is_proportional_to_the_root_of_d0(features: dict[str, float]) -> None:
    assert features["tilt_ratio"] == pytest.approx(1.0 / 0.3, rel=0.1)


def test_without_d0_only_the_step_is_left(features: dict[str, float]) -> None:
    assert features["control_in_steps"] <= 2.0
