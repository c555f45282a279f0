"""What the figure of the recursions shows."""

import pytest

from tests.session import features_of

features = features_of("recursions")


def test_numbers_of_the_four_panels(features: dict[str, float]) -> None:
    # 1/k for the average and nothing but rounding for the last iterate; about 1/n; 1 + 40 gain^4 at gain 4, 41, 1 and
    # 2^40; 44 steps against kappa ln(1e6)/2.
    assert features["kkt_last"] < 1e-12
    assert features["kkt_mean_times_k"] > 1.0
    assert features["exponent_constant"] == pytest.approx(-1.0, abs=0.25)
    assert features["exponent_diminishing"] == pytest.approx(-1.0, abs=0.25)
    assert features["variance_pre"] == pytest.approx(1.0 + 40.0 * 4.0**4, rel=0.25)
    assert features["variance_peri"] == pytest.approx(41.0, rel=0.25)
    assert features["variance_post"] == pytest.approx(1.0, rel=1e-9)
    assert 2.0**38 < features["variance_none"] < 2.0**42
    assert (features["newton"], features["descent"]) == (44.0, 6_907_756.0)
