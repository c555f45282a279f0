"""Features of the figure at the quick tier, 1.01e6 steps."""

import json
from pathlib import Path

import pytest

from figures import reddi
from theory_sim.runs import Runs

(FIGURE,) = reddi.FIGURES


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


def test_features(runs: Runs) -> None:
    features = FIGURE.features([runs.grid(sweep) for sweep in FIGURE.sweeps])
    assert features["steps"] == 1_010_000
    # The corner +1 is a fixed point of a whole period at the end, and costs 20/101 per step.
    assert features["adam_x"] == 1.0
    assert 0.0 < features["adam_excess_regret"] < 0.05
    assert features["amsgrad_x"] < -0.99
    assert features["amsgrad_average_regret"] < 0.05
    assert features["amsgrad_regret_slope"] == pytest.approx(-0.5, abs=0.1)
    assert features["adam_stochastic_min"] > 0.85
    # AMSGrad on random slopes is still on its way: 64 seeds, standard error .06.
    assert -0.8 < features["amsgrad_stochastic_mean"] < -0.2


def test_drawing_holds_the_limit_and_every_curve(runs: Runs, tmp_path: Path) -> None:
    png, svg, data, *grids = runs.draw(FIGURE, tmp_path)
    assert png.stat().st_size > 10_000
    assert svg.exists()
    assert len(grids) == len(FIGURE.sweeps)
    curves = {(curve["panel"], curve["label"]): curve for curve in json.loads(data.read_text())["curves"]}
    assert curves[0, "limit 20/101"]["y"] == pytest.approx([20 / 101] * 2)
    for panel, suffix in ((0, ""), (1, ""), (2, ", mean")):
        assert {(panel, f"Adam{suffix}"), (panel, f"AMSGrad{suffix}")} <= set(curves)
