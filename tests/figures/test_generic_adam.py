"""Features of the figure "generic-adam" in the quick tier."""

import pytest

from paper_checks.zou2019 import claims as zou2019
from tests.session import features_of

features = features_of("generic-adam")


def test_trajectories(features: dict[str, float]) -> None:
    # Two step sizes at t = 1e4, of the box of width 2.
    assert features["path_error_max"] <= 2.0 * zou2019.PERIODIC.at("quick").optimizer.lr / 100.0
    assert features["final_r0"] == pytest.approx(1.0, abs=0.02)
    assert features["final_r1"] == pytest.approx(-1.0, abs=0.02)
    # The run turns at t_x = 1.5e4 and then takes a while to move by a hundredth.
    assert features["turns_r075"] < features["leaves_r075"] < 2.0 * features["turns_r075"]
    assert features["log10_turns_r025"] == pytest.approx(10.9, abs=0.01)


def test_stochastic_runs(features: dict[str, float]) -> None:
    # Means of 16 runs in [-1, 1], apart by far more than their largest possible standard error, 1/4.
    assert features["stochastic_r0"] > 0.9
    assert features["stochastic_r1"] < -0.5


def test_slopes(features: dict[str, float]) -> None:
    assert features["slope_s05_r1"] == pytest.approx(-0.5, abs=0.05)
    assert features["slope_s0_r0"] == pytest.approx(0.0, abs=0.05)
