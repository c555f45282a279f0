"""Numbers behind the figure of the sign methods' rates."""

from __future__ import annotations

from pathlib import Path

import pytest

from figures import sign_rates
from theory_sim.runs import Runs


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.fixture(scope="module")
def features(runs: Runs) -> dict[str, float]:
    return dict(sign_rates.features([runs.grid(sweep) for sweep in sign_rates.FIGURES[0].sweeps]))


@pytest.mark.parametrize("name", ["cosines", "logarithms"])
def test_slopes_and_bounds(name: str, features: dict[str, float]) -> None:
    # Windows of the claims: -1/4 and -2/7 are the bounds' exponents for T to infinity.
    assert -0.27 <= features[f"{name}_A_slope"] <= -0.20
    assert features[f"{name}_B_slope"] <= features[f"{name}_A_slope"] - 0.02
    assert features[f"{name}_A_over_bound"] <= 1.0
    assert features[f"{name}_B_over_bound"] <= 1.0


def test_nodes_divide_by_their_fourth_root(features: dict[str, float]) -> None:
    assert features["exact_slope"] == pytest.approx(-0.25, abs=0.05)
    assert features["ring_slope"] == pytest.approx(-0.25, abs=0.05)


def test_files(runs: Runs, tmp_path: Path) -> None:
    names = [path.name for path in runs.draw(sign_rates.FIGURES[0], tmp_path)]
    assert names[:3] == ["sign-rates.png", "sign-rates.svg", "sign-rates.json"]
