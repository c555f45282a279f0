"""Numbers behind the speed-up."""

import math

import pytest

from figures import speedup
from tests.session import features_of

features = features_of("speedup")


@pytest.mark.parametrize("mode", speedup.LABELS)
def test_steps_fall_like_one_over_n(mode: str, features: dict[str, float]) -> None:
    # Exactly -1 in the limit of small steps; at N = 8 the run is shorter than the warm-up of v.
    assert features[f"{mode}_slope"] == pytest.approx(-1.0, abs=0.08)
    assert math.isfinite(features[f"{mode}_16"])


def test_the_best_step_grows_like_n_or_more_slowly(features: dict[str, float]) -> None:
    assert features["local_8_lr"] == pytest.approx(8.0 * features["local_1_lr"])
    growth = features["server_8_lr"] / features["server_1_lr"]
    assert math.sqrt(8.0) * 0.9 < growth < 8.0 * 0.6


def test_super_linear_at_a_short_horizon(features: dict[str, float]) -> None:
    assert features["local_32"] < speedup.MEMORY / 5
    assert features["local_32_speedup"] > 35.0
