"""Numbers behind the floor of quantized weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from figures import floor
from theory_sim.runs import Runs

(FIGURE,) = floor.FIGURES


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.fixture(scope="module")
def features(runs: Runs) -> dict[str, float]:
    return dict(FIGURE.features([runs.grid(sweep) for sweep in FIGURE.sweeps]))


def test_the_prediction_is_exact(features: dict[str, float]) -> None:
    # The mean over 15,000 steps leaves out less than one turn of the chatter of each coordinate.
    assert features["error"] < 5e-4
    assert features["error_both"] < 5e-4


def test_two_powers_of_two_per_bit_where_the_bound_has_one(features: dict[str, float]) -> None:
    assert -2.3 < features["slope"] < -1.8
    assert features["slope_linear"] == pytest.approx(-1.0, abs=1e-6)


def test_updates_have_no_floor(features: dict[str, float]) -> None:
    assert features["log_levels"] < 1e-20
    assert features["signs"] < features["floor_8"] / 5.0
    assert features["floor_6_predicted"] == pytest.approx(features["floor_6"], rel=1e-3)


def test_files(runs: Runs, tmp_path: Path) -> None:
    names = [path.name for path in runs.draw(FIGURE, tmp_path)]
    assert names[:3] == ["floor.png", "floor.svg", "floor.json"]
    curves = json.loads((tmp_path / "floor.json").read_text())["curves"]
    assert len({curve["label"] for curve in curves}) == len(curves) == 6
