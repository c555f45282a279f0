"""Numbers behind the figure of workers whose objectives differ."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from figures import heterogeneity
from theory_sim.runs import Runs

(FIGURE,) = heterogeneity.FIGURES


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.fixture(scope="module")
def features(runs: Runs) -> dict[str, float]:
    return dict(FIGURE.features([runs.grid(sweep) for sweep in FIGURE.sweeps]))


def test_server_moments_find_the_minimiser(features: dict[str, float]) -> None:
    assert features["server_off"] < 0.01
    assert features["sign_off"] < 0.01


def test_local_moments_follow_the_prediction(features: dict[str, float]) -> None:
    assert features["local_off"] < 0.01
    # At the ratio .01: (.1 - 1)/(.1 + 1).
    assert features["local_lowest"] == pytest.approx(-9.0 / 11.0, abs=0.01)


def test_the_prediction_by_hand() -> None:
    np.testing.assert_allclose(heterogeneity.predicted([0.1, 1.0]), [0.0, 9.0 / 11.0], atol=1e-15)
    assert math.isclose(heterogeneity.predicted(1e9), 1.0, rel_tol=1e-8)


def test_files(runs: Runs, tmp_path: Path) -> None:
    names = [path.name for path in runs.draw(FIGURE, tmp_path)]
    stems = [f"{FIGURE.name}.{kind}" for kind in ("png", "svg", "json")]
    assert names == [*stems, *(f"{FIGURE.name}.{sweep.name}.nc" for sweep in FIGURE.sweeps)]
    curves = json.loads((tmp_path / f"{FIGURE.name}.json").read_text())["curves"]
    labels = [(curve["panel"], curve["label"]) for curve in curves]
    assert len(set(labels)) == len(labels)
    assert {panel for panel, _ in labels} == set(range(FIGURE.panels[0] * FIGURE.panels[1]))
