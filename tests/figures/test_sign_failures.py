"""Numbers behind the figures of signSGD's failures and of generalisation."""

import pytest

from tests.session import features_of

failures = features_of("sign-failures")
generalisation = features_of("generalisation")


@pytest.mark.parametrize(("panel", "floor"), [("kink", 1.0), ("pair", 2.0)])
def test_floors_by_hand(panel: str, floor: float, failures: dict[str, float]) -> None:
    # 2 eps and 8 eps^2 at eps = 1/2.
    assert failures[f"{panel}_floor"] == pytest.approx(floor)


@pytest.mark.parametrize("panel", ["kink", "pair", "common"])
def test_signsgd_never_passes_its_floor(panel: str, failures: dict[str, float]) -> None:
    assert failures[f"{panel}_sign_least"] >= failures[f"{panel}_floor"] - 1e-12


def test_signsgd_ends_in_the_wrong_corner(failures: dict[str, float]) -> None:
    assert failures["linear_sign"] == pytest.approx(failures["linear_floor"], abs=1e-3)


@pytest.mark.parametrize("panel", ["linear", "kink", "pair", "common"])
@pytest.mark.parametrize("method", ["ef", "signum"])
def test_the_others_pass_it_by_far(panel: str, method: str, failures: dict[str, float]) -> None:
    # The worst is Signum on the kink, .2 %, and on the line, .3 %.
    assert failures[f"{panel}_{method}"] < 0.01 * failures[f"{panel}_floor"]


def test_the_kink_without_a_subgradient_at_ties_is_harmless(failures: dict[str, float]) -> None:
    assert failures["kink_sign_tie_zero"] < 0.01


def test_only_the_scaled_sign_does_not_generalise(generalisation: dict[str, float]) -> None:
    assert generalisation["sign_test_min"] > 0.5
    assert generalisation["sign_train_max"] < 1e-4
    for key in ("ef", "sgd"):
        assert generalisation[f"{key}_test_max"] < 0.05


def test_distances_to_the_data(generalisation: dict[str, float]) -> None:
    assert generalisation["sgd_distance_max"] < 1e-12
    assert generalisation["ef_distance_max"] < 0.5
    assert generalisation["sign_distance_min"] > 3.0
