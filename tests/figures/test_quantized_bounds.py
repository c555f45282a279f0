"""Numbers behind the figure of D1 and D2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from figures import quantized_bounds
from theory_sim.runs import Runs

(FIGURE,) = quantized_bounds.FIGURES
QUANTIZERS = ("none", "Q_g", "l1-sign", "top-4")
FEEDBACK = ("Q_g", "l1-sign", "top-4")


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.fixture(scope="module")
def features(runs: Runs) -> dict[str, float]:
    return dict(FIGURE.features([runs.grid(sweep) for sweep in FIGURE.sweeps]))


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
    # Ten admitted cells at T = 2000, seven at 20000, where sqrt(1/T) is below three caps, for no grid and for two grids
    # with two starts: (10 + 7) (1 + 2 * 2).
    assert features["D1_none_cells"] == 85.0


def test_files(runs: Runs, tmp_path: Path) -> None:
    names = [path.name for path in runs.draw(FIGURE, tmp_path)]
    assert names[:3] == [f"{FIGURE.name}.{kind}" for kind in ("png", "svg", "json")]
    curves = json.loads((tmp_path / f"{FIGURE.name}.json").read_text())["curves"]
    labels = [(curve["panel"], curve["label"]) for curve in curves]
    assert len(set(labels)) == len(labels)
    assert {panel for panel, _ in labels} == {0, 1, 2}
