"""Numbers behind the figure of D1 and D2."""

import pytest

from tests.session import features_of

features = features_of("quantized-bounds")
QUANTIZERS = ("none", "Q_g", "l1-sign", "top-4")
FEEDBACK = ("Q_g", "l1-sign", "top-4")


@pytest.mark.parametrize("theorem", ["D1", "D2"])
@pytest.mark.parametrize("name", QUANTIZERS)
def test_no_bound_is_violated(theorem: str, name: str, features: dict[str, float]) -> None:
    key = f"{theorem}_{name}"
    assert features[f"{key}_measured_least"] > 1.0
    assert features[f"{key}_proven_least"] >= features[f"{key}_measured_least"]
    assert features[f"{key}_D_ratio"] < 1.0


@pytest.mark.parametrize("theorem", ["D1", "D2"])
@pytest.mark.parametrize("name", FEEDBACK)
def test_with_the_measured_distance_quantization_costs_little(
    theorem: str, name: str, features: dict[str, float]
) -> None:
    # Seen: at most 1.8 times what no quantization has.
    assert features[f"{theorem}_{name}_measured_most"] < 3.0 * features[f"{theorem}_none_measured_most"]


def test_worst_case_of_the_distance_grows_with_the_contraction(features: dict[str, float]) -> None:
    # q^2 of Q_g, top-4 and l1-sign in R^16: 15/79, 3/4, 15/16.
    for theorem in ("D1", "D2"):
        worst = [features[f"{theorem}_{name}_proven_most"] for name in ("none", "Q_g", "top-4", "l1-sign")]
        assert worst == sorted(worst)
    assert features["D2_l1-sign_proven_most"] > 1e4


def test_number_of_cells(features: dict[str, float]) -> None:
    # Ten admitted cells at T = 2000, seven at 20000, where sqrt(1/T) is below three caps, for no grid and for
    # two grids with two starts: (10 + 7) (1 + 2 * 2).
    assert features["D1_none_cells"] == 85.0
