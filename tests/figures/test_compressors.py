"""Numbers behind the figure of the compressors' constants."""

import math

import numpy as np
import pytest

from figures import compressors
from tests.session import features_of

features = features_of("compressors")


@pytest.mark.parametrize("panel", ["contractions", "unbiased", "fine"])
def test_worst_vectors_attain_the_constants(panel: str, features: dict[str, float]) -> None:
    assert features[f"{panel}_off"] < 1e-10


@pytest.mark.parametrize("panel", ["contractions", "unbiased", "fine"])
def test_normal_vectors_stay_below(panel: str, features: dict[str, float]) -> None:
    assert features[f"{panel}_normal"] < 1.0


def test_limits_of_normal_vectors(features: dict[str, float]) -> None:
    # d = 4096 and 8 vectors: a standard error below .003.
    assert features["sign_normal_delta"] == pytest.approx(2.0 / math.pi, abs=0.01)
    assert features["rms_normal"] == pytest.approx(2.0 * (1.0 - math.sqrt(2.0 / math.pi)), abs=0.01)


def test_the_rms_sign_is_no_contraction_beyond_four(features: dict[str, float]) -> None:
    assert features["rms_crosses"] == 16.0  # the first size of the figure above 4


def test_the_constants_by_hand() -> None:
    contractions, unbiased, fine = (compressors.measured(panel)[0] for panel in range(3))
    sizes = np.array(compressors.SIZES, dtype=float)
    np.testing.assert_allclose(1.0 - contractions[0], 0.25, rtol=1e-12)
    np.testing.assert_allclose(1.0 - contractions[1], 1.0 / sizes, rtol=1e-9)
    np.testing.assert_allclose(1.0 - contractions[3], 1.0 / np.sqrt(sizes), rtol=1e-9)
    np.testing.assert_allclose(unbiased[0], 3.0, rtol=1e-12)
    np.testing.assert_allclose(unbiased[1], np.sqrt(sizes) - 1.0, rtol=1e-12)
    np.testing.assert_allclose(unbiased[3], (np.sqrt(sizes) - 1.0) / 2.0, rtol=1e-12)
    np.testing.assert_allclose(fine[0], 2.0 * (1.0 - 1.0 / np.sqrt(sizes)), rtol=1e-12)
