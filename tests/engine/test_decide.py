"""Lanes that stop before the horizon: every reason against the whole run, and against runs that end where it does."""

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import theory_sim as ts
from counterexamples import quantized, reddi, zhang
from tests.engine.test_chunk import hasty, stop_after  # noqa: F401  a fixture
from theory_sim.app.cli import main
from theory_sim.engine import decide
from theory_sim.engine import run as execute
from theory_sim.engine.decide import Stages
from theory_sim.engine.moment import Moment
from theory_sim.engine.target import Target

NEW = {"decided_at", "decided_by", "steps_run"}
GRID = {"beta1": np.linspace(0.0, 0.9, 5), "beta2": np.linspace(0.1, 0.99, 8)}
ADAM = ts.Sweep(reddi.periodic(3.0), ts.adam(0.01), GRID, steps=100_000, checkpoints=7)


def by(grid: xr.Dataset) -> dict[str, int]:
    """Count the lanes by their reason."""
    return dict(Counter(grid.decided_by.values.ravel().tolist()))


def same(one: xr.Dataset, other: xr.Dataset) -> bool:
    names = {*one.data_vars} - NEW
    return names == {*other.data_vars} - NEW and all(one[name].identical(other[name]) for name in names)


def test_what_repeats_itself_has_the_bits_of_the_whole_run() -> None:
    """All but one of 40 lanes of Adam with constant steps are on an exact orbit by T/2, and most by T/8."""
    grid = ADAM.run(decide="certain")
    assert same(grid, ADAM.run())
    found = by(grid)
    assert found["REPEATS"] >= 38
    assert grid.attrs["lane_steps_saved"] == grid.sizes["beta1"] * 8 * 100_000 - grid.steps_run.values.sum()
    assert grid.attrs["lane_steps_saved"] > 0.7 * 40 * 100_000
    # 8.75 % of the steps lie in windows, which are run.
    assert (grid.steps_run > 8_750).all()
    horizons = {100_000 >> k for k in range(7)}
    assert {*grid.decided_at.values.ravel().tolist()} <= horizons


def test_repeats_by_hand(pull: ts.Problem) -> None:
    """x = 1, 0, 0, ...: from the first horizon 64 on nothing changes; T = 4096, windows of 5 % of 1024, 2048, 4096."""
    sweep = ts.Sweep(
        pull, ts.sgd(1.0), steps=4096, checkpoints=[64 + 10 * 12, 4096]
    )  # one after whole periods
    grid = sweep.run(decide="certain")
    assert (grid.decided_by.item(), grid.decided_at.item(), grid.verdict.item()) == (
        "REPEATS",
        64,
        "CONVERGED",
    )
    # 64 steps, then the windows, of 51, 102 and 204 steps, and at most the period of 12 before each stop.
    assert 64 + 51 + 102 + 204 <= grid.steps_run.item() <= 64 + 51 + 102 + 204 + 19 * 12
    assert same(grid, sweep.run())


def slow(g: float, lr: float, x: float, count: float) -> tuple[float, float]:
    """Wait for 3000 steps, then leave."""
    return (x if count < 3000.0 else x + lr), count + 1.0


def late(g: float, t: int, lr: float, x: float) -> float:
    """Wait for 3000 steps, then leave."""
    return x if t < 3000 else x + lr


def test_what_only_seems_to_stand_still_is_run() -> None:
    """x has the same bits for 3000 steps, but a row has not, or the rule knows t; T/2 is 2048."""
    problem = ts.Problem("flat", lambda x: 0.0 * x, measure=lambda x: abs(x), measures=("distance",), start=0.01,
                         rule=ts.Rule("distance", 0.1, 1.0))  # fmt: skip
    for step, rows in ((slow, ("count",)), (late, ())):
        sweep = ts.Sweep(problem, ts.Optimizer("waiting", step, lr=0.1, rows=rows), steps=4096)
        grid = sweep.run(decide="certain")
        assert grid.decided_by.item() == "NEVER"
        assert grid.x_final.item() > 100.0
        assert same(grid, sweep.run())


@pytest.mark.parametrize(
    "changes",
    [
        {"order": "reshuffled"},
        {"running": True},
        {"first_hit": 0.1},
        {"optimizer": ts.adam(0.01, schedule=ts.power(0.5))},
        {"optimizer": ts.amsgrad(0.01)},
        {"problem": reddi.stochastic(3.0, delta=0.1)},
        {"axes": {"n": [5, 7]}},
    ],
    ids=str,
)
def test_no_period_is_known(changes: dict[str, Any]) -> None:
    """Of draws, sums over the path, and rules that know t."""
    sweep = ts.Sweep(
        **{"problem": zhang.piecewise(5), "optimizer": ts.adam(0.01), "steps": 10_000, **changes}
    )
    assert decide.period(replace(ADAM, steps=10_000)) == 12 * 3
    assert decide.period(sweep) == 0


def test_zeros_of_two_signs_are_not_the_same_bits() -> None:
    """A rule may divide by x, so -0 and 0 part again; one NaN is the same as itself."""
    now, before = (np.array([[[0.0, -0.0, np.nan, 1.0]]]), np.array([[[0.0, 0.0, np.nan, 2.0]]]))
    moment = Moment(np.arange(4), 64, {"tile.x": now, "own.x": before})
    assert decide._same(moment, "x").tolist() == [True, False, True, False]


def still(g: float, t: int, x: float) -> float:
    """Stay."""
    return x + 0.0 * t


@pytest.mark.parametrize("boxed", [True, False])
def test_a_level_between_the_thresholds_is_final_in_a_box(pull: ts.Problem, boxed: bool) -> None:
    """Distances 1e-4, 1 and 20 for thresholds 1e-3 and 10: only the middle one cannot be decided after T/2 any more."""
    problem = replace(pull, domain=(-50.0, 50.0) if boxed else None)
    sweep = ts.Sweep(problem, ts.Optimizer("still", still), {"x0": [1e-4, 1.0, 20.0]}, steps=1024)
    grid, whole = sweep.run(decide="certain"), sweep.run()
    assert (grid.verdict == whole.verdict).all()
    assert grid.verdict.values.ravel().tolist() == ["CONVERGED", "UNDECIDED", "DIVERGED"]
    middle = ("LEVEL", 512, 512) if boxed else ("NEVER", -1, 1024)
    assert [*zip(*(grid[name].values.ravel().tolist() for name in ("decided_by", "decided_at", "steps_run")), strict=True)] == [
        ("HORIZON", 1024, 1024), middle, ("HORIZON", 1024, 1024)]  # fmt: skip
    assert np.isnan(grid.distance_window.values[1, 0, 2]) == boxed
    assert grid.x_final.values.ravel().tolist() == [1e-4, 1.0, 20.0]


def test_a_stage_is_a_run_that_ends_there() -> None:
    """Verdict, windows and iterates of a lane are those of a run of `decided_at` steps, and one half as long agrees."""
    optimizer = ts.adam(0.1, schedule=ts.power(0.5))
    axes = {"beta1": np.linspace(0.0, 0.9, 6), "beta2": np.linspace(0.05, 0.99, 12)}
    sweep = ts.Sweep(
        zhang.piecewise(5),
        optimizer,
        axes,
        steps=20_000,
        order="reshuffled",
        seeds=2,
        checkpoints=[300, 20_000],
    )
    grid, whole = sweep.run(decide="stage"), sweep.run()
    horizons = [20_000 >> k for k in range(6, -1, -1)]
    shorter = {end: replace(sweep, steps=end, checkpoints=[300, end]).run() for end in horizons[:-1]}
    verdicts = [shorter[end].verdict.values for end in horizons[:-1]]
    agree = [(a == b) & (b != "UNDECIDED") for a, b in pairwise(verdicts)]
    expected = np.select(agree, horizons[1:-1], 20_000)
    stage = (grid.decided_by == "STAGE").values
    assert 100 < stage.sum() < stage.size
    assert (np.where(stage, grid.decided_at, 20_000) == expected).all()
    for end in horizons[1:-1]:
        here = stage & (expected == end)
        for name in ("verdict", "x_final", "state_final"):
            assert (grid[name].values[here] == shorter[end][name].values[here]).all()
        assert (grid.x.values[here][:, 1] == shorter[end].x_final.values[here]).all()
        means = [name for name in grid.data_vars if name.endswith("_window")]
        assert all((grid[name].values[here] == shorter[end][name].values[here]).all() for name in means)
    rest = ~stage
    assert all(
        (grid[name].values[rest] == whole[name].values[rest]).all()
        for name in ("verdict", "x_final", "decided_at")
        if name != "decided_at"
    )
    assert grid.attrs["lane_steps_saved"] == (20_000 - expected).sum()


def test_a_lane_that_is_not_finite_stops() -> None:
    """Overflow after some 10 to 500 updates: what is left out is NaN in the whole run too."""
    axes = {"lr": [0.01, 2.0, 3.0, 50.0]}
    rule = ts.Rule("distance", 1e-3, 10.0)
    problem = quantized.three_quadratics()
    sweep = ts.Sweep(
        problem,
        ts.sgd(),
        axes,
        x0=1.0,
        steps=10_000,
        workers=3,
        rule=replace(rule, measure=problem.measures[0]),
        checkpoints=9,
    )
    grid, whole = sweep.run(decide="certain"), sweep.run()
    dead = (whole.status == "NONFINITE").values
    assert dead.sum() == 3
    assert same(grid, whole)
    assert (grid.decided_by.values[dead] == "NONFINITE").all()
    assert (grid.decided_at == whole.nonfinite_step).values[dead].all()
    horizons = np.array([10_000 >> k for k in range(6, -1, -1)])
    after = horizons[np.searchsorted(horizons, whole.nonfinite_step.values[dead])]
    assert (grid.steps_run.values[dead] == after).all()
    assert (whole.decided_at == grid.decided_at).values[dead].all()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("way", ["certain", "stage"])
def test_an_interrupted_run_decides_alike(tmp_path: Path, way: str) -> None:
    sweep = replace(ADAM, axes={"beta1": np.linspace(0.0, 0.9, 20), "beta2": np.linspace(0.1, 0.99, 30)})
    expected = sweep.run(decide=way)
    for share in (0.02, 0.3, 0.9):
        stop_after(sweep, tmp_path, share, decide=way)
    assert sweep.run(tmp_path, decide=way).identical(expected)
    assert sweep.run(tmp_path, decide=way).identical(expected)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]
    assert expected.attrs["digest"] not in (
        sweep.job.digest,
        sweep.run(decide={"certain": "stage", "stage": "certain"}[way]).attrs["digest"],
    )


def test_bits_are_those_of_the_rounds_that_were_run(pull: ts.Problem) -> None:
    """A word of 32 bits a round, and a lane that both T/64 and T/32 call DIVERGED stops after T/32 rounds."""
    sweep = ts.Sweep(replace(pull, start=100.0), ts.ef_sgd(1e-14), steps=6400)
    grid = sweep.run(decide="stage")
    assert (grid.decided_by.item(), grid.decided_at.item()) == ("STAGE", 200)
    assert grid.bits_up.item() == sweep.run().bits_up.item() / 32


def test_without_stages_the_verdict_is_known_at_the_end(pull: ts.Problem) -> None:
    grid = ts.Sweep(pull, ts.sgd(), {"lr": [1e-9, 0.5]}, steps=500).run()
    assert grid.decided_at.values.ravel().tolist() == [-1, 500]
    assert not NEW - {"decided_at"} & {*grid.data_vars}
    assert (ts.simulate(replace(pull, rule=None), ts.sgd(0.5), steps=5).decided_at == -1).all()


def test_what_cannot_be_decided_is_refused(pull: ts.Problem) -> None:
    with pytest.raises(ValueError, match="way to decide"):
        ADAM.run(decide="soon")
    with pytest.raises(ValueError, match="has no verdict to decide; give the sweep a rule"):
        ts.Sweep(replace(pull, rule=None), ts.sgd(), steps=5).run(decide="stage")
    with pytest.raises(ValueError, match="leave out the backend"):
        execute.run(ADAM, None, target=Target(), decide="stage")


def test_a_run_of_a_few_steps_has_no_stages() -> None:
    assert Stages(replace(ADAM, steps=100, checkpoints=0), "stage").rests == [100]
    assert replace(ADAM, steps=100, checkpoints=0).run(decide="stage").steps_run.min() == 100


def test_the_command_says_what_was_saved(tmp_path: Path) -> None:
    runner, name = CliRunner(), "reddi2018.adam_stochastic"
    arguments = ["sweep", name, "--tier", "quick", "--out", str(tmp_path)]
    result = runner.invoke(main, [*arguments, "--decide", "stage"])
    assert result.exit_code == 0, result.output
    # All 64 lanes drift to the wrong end.  T/64 and T/32 agree at the earliest, so 31 of 32 parts are saved at most.
    (saved,) = re.findall(
        r"stopped    ([0-9.]+)% of 6.46e\+07 lane-steps saved; lanes by reason: 64 STAGE", result.output
    )
    assert 90.0 < float(saved) <= 96.9
    assert (tmp_path / "sweeps" / f"{name}.quick.stage.nc").exists()
    result = runner.invoke(main, [*arguments, "--decide", "stage", "--refine", "64"])
    assert result.exit_code == 2
    assert "--refine runs its lanes to the end; leave out --decide stage." in " ".join(result.output.split())
