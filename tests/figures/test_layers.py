"""Numbers behind the figure of layers, projections, matrices and estimates."""

import pytest

from tests.session import features_of

found = features_of("layers-and-projections")


def test_normalised_layers_are_solved_and_gradient_descent_leaves_one(found: dict[str, float]) -> None:
    assert found["farthest_GD"] > 0.998**400
    assert max(found["farthest_LARS"], found["farthest_LAMB"]) < 1e-4


def test_galore_stays_where_the_recursion_ends(found: dict[str, float]) -> None:
    ends = {sigma: found[f"svd_{sigma}"] for sigma in ("0.5", "1", "2")}
    assert ends == pytest.approx({"0.5": 0.83949, "1": 1.90513, "2": 8.22180}, rel=1e-4)
    assert found["random_1"] < 0.1 * found["svd_1"]


def test_muon_wins_where_steps_are_scarce_only(found: dict[str, float]) -> None:
    assert found["ample_momentum"] < found["ample_Muon"] - 5.0
    assert found["scarce_momentum"] > found["scarce_Muon"] + 1.0


def test_steps_follow_the_rank(found: dict[str, float]) -> None:
    # 54 for the rank 10, whatever d; for the identity -log(100)/log(1 - 1/(d + 2)) = 53, 146, 468, 1389
    assert [found[f"ranked_{k}"] for k in range(3)] == pytest.approx([54.0] * 3, rel=0.2)
    assert [found[f"isotropic_{k}"] for k in range(4)] == pytest.approx([53, 146, 468, 1389], rel=0.1)
