"""Numbers behind the phase diagram."""

import numpy as np
import pytest

from counterexamples.drift import critical_beta2
from figures import phase
from tests.session import features_of

features = features_of("phase")


@pytest.mark.parametrize("panel", ["n10_a1", "n20_a1", "n50_a1", "n10_asmall", "n20_asmall", "n50_asmall"])
def test_the_simulated_region_is_the_exact_one(panel: str, features: dict[str, float]) -> None:
    # 10 x 10 cells: only cells on the curve may differ, at most 12 of 100, and the areas by half of them.
    assert features[f"{panel}_agreement"] >= 0.88
    assert features[f"{panel}_diverged"] == pytest.approx(features[f"{panel}_exact_area"], abs=0.1)


@pytest.mark.parametrize("kind", ["a1", "asmall"])
def test_the_region_grows_with_n(kind: str, features: dict[str, float]) -> None:
    exact = [features[f"n{n}_{kind}_exact_area"] for n in (10, 20, 50)]
    assert exact[0] < exact[1] < exact[2]
    seen = [features[f"n{n}_{kind}_diverged"] for n in (10, 20, 50)]
    assert seen[0] < seen[1] <= seen[2]


@pytest.mark.parametrize(("n", "a"), [(10, 1.0), (20, 1 / 361), (50, 1 / 2401)])
def test_the_drawn_curve_is_the_zero_of_the_drift(n: int, a: float) -> None:
    beta1, beta2 = phase._edge(n, a)
    top = np.nanmax(np.where(beta1 == 0.0, beta2, np.nan))
    # Linear interpolation between grid values 1e-2 ... 2.5e-3 apart.
    assert top == pytest.approx(critical_beta2(0.0, n, n - 1 + 1 / a)[-1], abs=1e-4)
