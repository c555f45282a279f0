"""Features of the figure "shi" in the quick tier."""

import pytest

from counterexamples import drift
from paper_checks.shi2021 import claims as shi2021
from tests.session import Drawings, features_of

features = features_of("shi")


def test_edges_follow_the_exact_curves(features: dict[str, float]) -> None:
    # The first convergent cell is at most one cell right of u*, plus one cell for runs that have not arrived.
    assert 0.0 <= features["edge_error_max"] <= 2 * shi2021.SPACING
    assert features["monotone"] == 1.0
    for name, large in (("edge_C11", 1), ("edge_two_hit_C11", 2)):
        assert abs(features[name] - shi2021.critical_exponent(11, large)) <= shi2021.SPACING
    assert features["agreement"] >= 0.98
    assert features["agreement_two_hit"] >= 0.98


def test_quadratics(features: dict[str, float]) -> None:
    assert features["growth_exponent"] == pytest.approx(0.5, abs=0.05)
    assert features["limit_995"] == pytest.approx(drift.quadratics_bias(0.0, 0.995, 1.0), rel=0.05)
    assert drift.quadratics_bias(0.0, 0.999, 100.0) < 5.0 * features["published_level"] < 0.0


def test_the_exact_curves_are_part_of_the_data(drawings: Drawings) -> None:
    curves = {(curve["panel"], curve["label"]): curve for curve in drawings.content("shi")["curves"]}
    one = curves[0, "$D=0$, one large per period"]
    assert one["y"] == list(range(3, 33))
    # C = 10 is the eighth point; u* = -log10(1 - .955443) = 1.3511.
    assert one["x"][7] == pytest.approx(1.35108, abs=1e-4)
