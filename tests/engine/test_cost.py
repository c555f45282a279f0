"""What a sweep will cost: the estimate, its limit, and that nothing large is allocated for it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import theory_sim as ts
from counterexamples import zhang
from theory_sim.app.cli import main
from theory_sim.engine.cost import cost
from theory_sim.engine.job import Job
from theory_sim.engine.lanes import Lanes

SWEEP = ts.Sweep(zhang.piecewise(10), ts.adam(0.1), {"beta2": np.linspace(0.0, 0.9, 300)}, steps=400_000)


def test_four_times_the_steps_cost_four_times() -> None:
    """Within a factor 2: the pilot is timed on a machine that may be busy, and handling lanes costs something."""
    one = cost(SWEEP).core_seconds
    other = cost(replace(SWEEP, steps=1_600_000)).core_seconds
    assert 2.0 < other / one < 8.0


def test_only_the_pilot_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    original = Job.lanes.func  # type: ignore[attr-defined]

    def counted(job: Job) -> Lanes:
        lanes: Lanes = original(job)
        counts.append(lanes.count)
        return lanes

    monkeypatch.setattr(Job.lanes, "func", counted)
    values = np.linspace(0.0, 0.9, 100)
    huge = replace(SWEEP, axes={"beta1": values, "beta2": values}, seeds=10_000, steps=1)
    assert cost(huge).core_seconds > 10.0  # 10^8 lanes
    assert 0 < max(counts) <= 8192


def test_a_sweep_beyond_its_limit_is_refused_in_one_sentence(tmp_path: Path) -> None:
    arguments = ["sweep", "certified.n10", "--tier", "quick", "--out", str(tmp_path)]
    refused = CliRunner().invoke(main, [*arguments, "--max-cost", "0.001"])
    assert refused.exit_code == 2
    said = " ".join(refused.output.split())
    assert "certified.n10 takes about" in said
    assert "more than --max-cost 0.001; raise the limit" in said
    assert not list(tmp_path.iterdir())
    unknown = CliRunner().invoke(main, [*arguments, "--max-cost", "nan"])
    assert unknown.exit_code == 2
    assert "--max-cost = nan must be a finite number" in " ".join(unknown.output.split())
    run = CliRunner().invoke(main, [*arguments, "--max-cost", "1000", "--refine", "16"])
    assert run.exit_code == 0, run.output
    assert "of 16 x 16 cells were run" in run.output
    assert "beta1[16], beta2[16]" in run.output
    assert "0 of 16 inferred cells drawn at random wrong in round 1" in run.output
    assert (tmp_path / "sweeps" / "certified.n10.quick.refined16.nc").exists()
    priced = CliRunner().invoke(main, [*arguments, "--dry-run", "--refine", "64"])
    assert "4096 lanes" in priced.output
    assert "if 0.62 of the cells are run" in priced.output
    planned = (
        CliRunner().invoke(main, [*arguments, "--dry-run", "--workers", "2", "--decide", "stage"]).output
    )
    assert "if every lane takes all steps; --decide stage can only make it less" in planned
    assert "MiB of store on this machine" in planned
    assert "2 workers: " in planned
