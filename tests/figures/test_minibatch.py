"""Features of the figure "minibatch" in the quick tier."""

from pathlib import Path

import pytest

from figures import minibatch
from theory_sim.runs import Runs


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


def test_draws(runs: Runs, tmp_path: Path) -> None:
    files = runs.draw(minibatch.FIGURES[0], tmp_path)
    assert all(path.stat().st_size > 0 for path in files)


def test_features(runs: Runs) -> None:
    (figure,) = minibatch.FIGURES
    features = figure.features([runs.grid(sweep) for sweep in figure.sweeps])
    # Standard errors: .004 (slope_B), .007 (slope_T), .005 (ratio_largest, which is 1.018), .03 (others).
    # The windows leave five of them on either side: a false alarm has probability below 1e-5.
    assert features["slope_B"] == pytest.approx(-0.5, abs=0.05)
    assert features["slope_T"] == pytest.approx(-0.5, abs=0.08)
    assert features["ratio_largest"] == pytest.approx(1.0, abs=0.045)
    assert 0.9 < features["ratio_min"] <= features["ratio_max"] < 1.25
