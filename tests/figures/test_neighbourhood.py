"""Numbers behind the neighbourhood figure."""

import pytest

from tests.session import features_of

features = features_of("neighbourhood")


@pytest.mark.parametrize("beta2", ["0.99", "0.995", "0.999"])
def test_above_the_boundary_the_decay_is_that_of_the_step(beta2: str, features: dict[str, float]) -> None:
    assert features[f"exponent_{beta2}"] == pytest.approx(-0.5, abs=0.02)


def test_below_the_boundary_it_grows(features: dict[str, float]) -> None:
    assert 0.3 < features["exponent_0.9"] < 0.55


@pytest.mark.parametrize("beta1", ["0", "0.9"])
def test_the_run_ends_at_the_exact_limit(beta1: str, features: dict[str, float]) -> None:
    # After the finite-step offset is taken off, its O(1 - beta2) and lag terms leave about 9 % of it: 0.2 %.
    assert features[f"measured_over_exact_{beta1}"] < 0.005
    # Linear in 1 - beta2 up to the second-order term, which is 29 % at beta2 = .99 and beta1 = 0.
    assert features[f"exponent_in_share_{beta1}"] == pytest.approx(1.0, abs=0.12)


def test_the_limit_is_linear_in_a(features: dict[str, float]) -> None:
    assert features["exponent_in_a"] == pytest.approx(1.0, abs=1e-9)
