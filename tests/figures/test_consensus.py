"""Numbers behind the figure of compressed consensus."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from counterexamples import quantized
from figures import consensus
from theory_sim.runs import Runs

(FIGURE,) = consensus.FIGURES


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.fixture(scope="module")
def features(runs: Runs) -> dict[str, float]:
    return dict(FIGURE.features([runs.grid(sweep) for sweep in FIGURE.sweeps]))


def test_exact_messages_follow_the_closed_form(features: dict[str, float]) -> None:
    assert features["closed_form_off"] < 1e-10


@pytest.mark.parametrize("key", ["exact", "top", "rand", "sign", "qsgd"])
def test_tuned_weights_are_faster(key: str, features: dict[str, float]) -> None:
    assert features[f"{key}_tuned"] < 0.98 < features[f"{key}_theorem"] < 1.0


def test_the_rate_of_exact_messages(features: dict[str, float]) -> None:
    # The slowest mode: (1 - gamma rho)^2 at gamma = .32.
    rate = (1.0 - 0.32 * 2.0 / 3.0 * (1.0 - math.cos(2.0 * math.pi / 9.0))) ** 2
    assert features["exact_tuned"] == pytest.approx(rate, abs=1e-4)


def test_the_closed_form_starts_at_the_start() -> None:
    start = np.reshape(quantized.consensus(9, d=50).start, (9, 50))
    assert consensus.exact_error(0.3, [0])[0] == pytest.approx(
        ((start - start.mean(axis=0)) ** 2).sum(), rel=1e-12
    )


def test_files(runs: Runs, tmp_path: Path) -> None:
    names = [path.name for path in runs.draw(FIGURE, tmp_path)]
    stems = [f"{FIGURE.name}.{kind}" for kind in ("png", "svg", "json")]
    assert names == [*stems, *(f"{FIGURE.name}.{sweep.name}.nc" for sweep in FIGURE.sweeps)]
    curves = json.loads((tmp_path / f"{FIGURE.name}.json").read_text())["curves"]
    labels = [(curve["panel"], curve["label"]) for curve in curves]
    assert len(set(labels)) == len(labels)
    assert {panel for panel, _ in labels} == set(range(FIGURE.panels[0] * FIGURE.panels[1]))
