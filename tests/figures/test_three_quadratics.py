"""Numbers behind the figure of the three quadratics."""

import math

import numpy as np
import pytest

from paper_checks import ef21
from tests.session import features_of

features = features_of("three-quadratics")


def test_growth_without_feedback_is_exact(features: dict[str, float]) -> None:
    assert features["without_final_over_exact"] == pytest.approx(1.0, abs=1e-9)
    assert features["without_largest_over_exact"] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("key", ["feedback", "ef21"])
def test_feedback_follows_gradient_descent(key: str, features: dict[str, float]) -> None:
    assert 0.75 < features[f"{key}_final_over_exact"] < 1.0
    assert features[f"{key}_largest_over_exact"] < 1.1


def test_the_bound_holds_and_is_not_vacuous(features: dict[str, float]) -> None:
    assert 1.0 <= features["bound_least_slack"] <= features["bound_final_slack"] < 10.0


def test_closed_forms_by_hand() -> None:
    # One step at lr = 6/11 without feedback doubles x; descent at 6/7 arrives.
    assert math.isclose(ef21.growth(6.0 / 11.0, 1), 2.0)
    assert np.abs(ef21.descent(6.0 / 7.0, 1)) < 1e-30
