"""Numbers behind the figure of 8-bit states."""

import math

import numpy as np
import pytest

from tests.session import features_of

features = features_of("eight-bit")


@pytest.mark.parametrize(("name", "edge"), [("dynamic", 3.3946), ("linear", 1.3538)])
def test_the_edge_lies_where_it_is_predicted(name: str, edge: float, features: dict[str, float]) -> None:
    # -log10(1.625e-7)/2 and log10(510)/2.
    assert features[f"{name}_predicted"] == pytest.approx(edge, abs=1e-4)
    assert features[f"{name}_healthy"] < edge < features[f"{name}_broken"]


def test_close_to_the_edges(features: dict[str, float]) -> None:
    # v that is stored as 0 early stays there, so that the linear map fails .05 decades before its edge; the dynamic map
    # goes on with a few entries at v = 0, a third higher (seen: 1.35), before most runs jump (seen: by 2,000).
    assert 1.1 < features["dynamic_over_full_at_3.5"] < 2.0
    assert features["dynamic_over_full_at_3.6"] > 100.0
    assert features["linear_over_full_at_1.3"] > 100.0
    assert features["linear_over_full_at_1.4"] > 100.0


def test_full_precision(features: dict[str, float]) -> None:
    # dx = -lr (10 x + z) with unit noise: E x^2 = lr/20, half of it 2.5e-4 to first order in lr; v is a bit
    # larger and 8 seeds of 256 entries err by 3 %.
    assert features["full"] == pytest.approx(2.5e-4, rel=0.15)


def test_relative_errors_grow_by_decade(features: dict[str, float]) -> None:
    dynamic = [features[f"dynamic_decade_{j}"] for j in range(1, 8)]
    assert dynamic == sorted(dynamic)
    assert dynamic[0] == pytest.approx(0.0616, abs=1e-4)
    assert math.isclose(dynamic[6], 1.0)
    linear = np.array([features[f"linear_decade_{j}"] for j in range(1, 8)])
    assert (linear[2:] == 1.0).all()
