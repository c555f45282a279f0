"""Numbers behind the two figures of block structure."""

import pytest

from tests.session import features_of

features = features_of("block-spectra")
methods = features_of("block-methods")


def test_arrangement_changes_adam_and_not_descent(features: dict[str, float]) -> None:
    assert features["gd_heterogeneous"] == pytest.approx(features["gd_homogeneous"], abs=0.5)
    assert features["adam_heterogeneous"] < features["adam_homogeneous"] - 20.0
    # Medians of 20 000 instances: the standard error of the logarithm is about 1 %.
    assert features["kappa_heterogeneous_9"] == pytest.approx(21.3, rel=0.05)
    assert features["kappa_homogeneous_9"] == pytest.approx(8530.0, rel=0.05)


def test_block_methods(methods: dict[str, float]) -> None:
    assert methods["blockwise"] < methods["tuned_mini"] < methods["tuned_adam"] < methods["gd"] < 0.0
    assert methods["r_diagonal_500"] < 1.0 < methods["r_dense_500"]
    # The nearest hyperplane is x_2 = 1/1.2.
    assert methods["distance_mofo"] == pytest.approx(5.0 / 6.0, abs=1e-3)
    assert methods["distance_adam"] == pytest.approx(1.042, abs=1e-3)
    assert (
        methods["touched_least"]
        < methods["distance_l1_least"]
        < 1.0
        < methods["distance_least"]
        < methods["steps_least"]
    )
