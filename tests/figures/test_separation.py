"""Numbers behind the figures on separation and stability."""

import numpy as np
import pytest

from tests.session import features_of

features = features_of("separation")
stability = features_of("stability")


def test_gradient_descent_and_normalised_methods_separate_in_delta(features: dict[str, float]) -> None:
    slow = min(features[f"{name}_delta_low"] for name in ("gd", "gdm_0.5", "gdm_0.9"))
    fast = max(features[f"{name}_delta_high"] for name in ("clipped", "ngd", "adam_norm"))
    assert slow > 1.7
    assert fast < 1.05
    assert features["gd_decreasing_low"] > 3.0
    assert features["adam_norm_decreasing_high"] < 1.0


def test_they_do_not_separate_in_eps(features: dict[str, float]) -> None:
    for name in ("gd", "adam_norm"):
        assert features[f"{name}_inverse_eps"] == pytest.approx(2.0, abs=0.02)


def test_the_bound_is_met_and_the_threshold_is_sharp(features: dict[str, float]) -> None:
    assert 1.0 <= features["gd_over_bound"] <= 1.01
    # The grid has steps at .999 and, between gaps, none closer below 1.
    assert features["largest_step_over_threshold"] == pytest.approx(0.999, rel=1e-9)


@pytest.mark.parametrize("delta", [32, 512, 8192])
def test_stability_set(delta: int, stability: dict[str, float]) -> None:
    # Cells of .02 with an edge at 1.
    assert stability[f"delta{delta}_edge_at_0"] == pytest.approx(1.0, abs=1e-9)
    assert 1.0 - 0.02 < stability[f"delta{delta}_largest"] <= 1.1
    assert stability[f"delta{delta}_islands"] > 0.0


def test_the_stable_share_falls_with_the_gap(stability: dict[str, float]) -> None:
    shares = [stability[f"delta{delta}_stable"] for delta in (32, 512, 8192)]
    assert np.all(np.diff(shares) < 0.0)
