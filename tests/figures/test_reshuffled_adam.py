"""Numbers behind the figure of RR-Adam's residual."""

from __future__ import annotations

from pathlib import Path

import pytest

from figures import reshuffled_adam
from theory_sim.runs import Runs


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.fixture(scope="module")
def features(runs: Runs) -> dict[str, float]:
    return dict(reshuffled_adam.features([runs.grid(sweep) for sweep in reshuffled_adam.FIGURES[0].sweeps]))


def test_the_residual_is_proportional_to_one_minus_beta2(features: dict[str, float]) -> None:
    for curve in ("1_0", "0.3_0", "1_0.9"):
        assert features[f"slope_{curve}"] == pytest.approx(1.0, abs=0.08)


def test_the_residual_is_proportional_to_the_root_of_d0(features: dict[str, float]) -> None:
    assert features["tilt_ratio"] == pytest.approx(1.0 / 0.3, rel=0.1)


def test_without_d0_only_the_step_is_left(features: dict[str, float]) -> None:
    assert features["control_in_steps"] <= 2.0


def test_files(runs: Runs, tmp_path: Path) -> None:
    names = [path.name for path in runs.draw(reshuffled_adam.FIGURES[0], tmp_path)]
    assert names[:3] == ["reshuffled-adam.png", "reshuffled-adam.svg", "reshuffled-adam.json"]
