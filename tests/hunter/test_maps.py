"""Maps over own axes: cells that are known, refusals, and what is written."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import theory_sim as ts
from theory_sim.app.cli import main
from theory_sim.app.hunt import chart
from theory_sim.evidence.hunter import maps
from theory_sim.nouns.optimizer import Optimizer


def adam() -> Optimizer:
    return ts.adam(eps=0.0)


def test_heights_periods_and_strengths_of_known_cells() -> None:
    # Adam(0.9, 0.99) fails from 3783 at period 3; RMSProp(0.9), which is Adam(0, 0.9), from 22
    found = chart(adam(), "height", "beta1=0:0.9:2,beta2=0.9:0.99:2")
    # sequences have S = 1, the line search any S; it is good to some 1e-4
    assert found.values[1, 1] == pytest.approx(3783, rel=5e-4)
    assert 21.0 < found.values[0, 0] <= 22.0
    # RMSProp(0.9) needs period 6 for a height of 6, and has none of height 3 up to it; (3, -1, -1) fails at beta2 = 0.1
    found = chart(adam(), "period", "beta1=0:0.9:2,beta2=0.1:0.9:2", max_period=5)
    assert found.values.tolist() == [[3.0, 0.0], [0.0, 0.0]]
    # v forgets faster at beta2 = 0.5, so the same burst moves x further
    found = chart(adam(), "strength", "beta1=0:0.5:2,beta2=0.5:0.9:2", max_period=10)
    assert (found.values >= 0.0).all()
    assert found.values[0, 0] > found.values[0, 1]


def test_a_map_of_cycles_over_step_size_and_momentum(tmp_path: Path) -> None:
    out = tmp_path / "map"
    words = ["hunt", "sgdm", "--map", "cycle", "--grid", "lr=0.07:0.1111111:2,momentum=0:0.4444444:2"]
    ran = CliRunner().invoke(main, [*words, "--L", "25", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    record = json.loads((out / "map.json").read_text())
    # gradient descent has a 2-cycle iff lr L >= 2; the heavy ball at Polyak's tuning has a 3-cycle at kappa = 25
    assert record["values"] == [[0.0, 0.0], [2.0, 3.0]]
    assert record["axes"]["lr"] == [0.07, 0.1111111]
    assert (out / "map.png").stat().st_size > 5_000


def test_refusals_of_maps() -> None:
    for spec, kind, grid, why in (
        ("sgdm", "cycle", "lr=0.1:0.2:2,momentum=0:0.5:2", "needs the smoothness"),
        ("adam", "height", "beta1=0:0.5:2,beta3=0:0.5:2", "beta3"),
        ("adam", "height", "beta1=0:0.5:2", "two axes"),
        ("adam", "heights", "beta1=0:0.5:2,beta2=0:0.5:2", "did you mean height"),
        ("amsgrad", "height", "beta1=0:0.5:2,beta2=0:0.5:2", "never fails in the class periodic"),
    ):
        with pytest.raises(ValueError, match=why):
            chart(spec, kind, grid)
    with pytest.raises(ValueError, match="too many for every cell"):
        chart("adam", "period", "beta1=0:0.5:2,beta2=0.1:0.5:2", max_period=9, max_height=9)
    for words in (["--map", "height"], ["--grid", "beta1=0:0.5:2,beta2=0:0.5:2"]):
        ran = CliRunner().invoke(main, ["hunt", "adam", *words])
        assert ran.exit_code == 1
        assert "A map needs both" in ran.output


def test_the_shortest_cycle_of_gradient_descent() -> None:
    # K = 2 from lr = 2/L on; nothing below
    assert maps.shortest_cycle(ts.gd(lr=1.9), 0.1, 1.0, 6) == 0
    assert maps.shortest_cycle(ts.gd(lr=2.1), 0.1, 1.0, 6) == 2
