"""Numbers behind the figure of the sign methods' rates."""

import pytest

from tests.session import features_of

features = features_of("sign-rates")


@pytest.mark.parametrize("name", ["cosines", "logarithms"])
def test_slopes_and_bounds(name: str, features: dict[str, float]) -> None:
    # Windows of the claims: -1/4 and -2/7 are the bounds' exponents for T to infinity.
    assert -0.27 <= features[f"{name}_A_slope"] <= -0.20
    assert features[f"{name}_B_slope"] <= features[f"{name}_A_slope"] - 0.02
    assert features[f"{name}_A_over_bound"] <= 1.0
    assert features[f"{name}_B_over_bound"] <= 1.0


def test_nodes_divide_by_their_fourth_root(features: dict[str, float]) -> None:
    assert features["exact_slope"] == pytest.approx(-0.25, abs=0.05)
    assert features["ring_slope"] == pytest.approx(-0.25, abs=0.05)
