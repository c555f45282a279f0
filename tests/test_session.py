"""What tests share: those who want the same sweep at once run it once, and nobody can change a grid."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import zhang
from tests.session import SharedRuns
from theory_sim.engine import run as execute

SWEEP = ts.Sweep(
    zhang.piecewise(5),
    ts.adam(0.1, eps=0.0, bias_correction=False),
    {"beta2": np.linspace(0.0, 0.99, 64)},
    steps=2_000,
    name="test.shared",
)


def test_a_sweep_is_run_once_and_read_by_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    original = execute.run_chunk

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return original(*args, **options)

    monkeypatch.setattr(execute, "run_chunk", counted)
    # The lock belongs to an open file, so threads exclude each other as processes do.
    with ThreadPoolExecutor(4) as pool:
        grids = list(
            pool.map(
                lambda runs: runs.grid(SWEEP), [SharedRuns(tmp_path / "grids", tmp_path) for _ in range(4)]
            )
        )
    assert count == 1
    assert all(np.array_equal(grid.x_final, grids[0].x_final) for grid in grids)


def test_a_shared_grid_cannot_be_changed(tmp_path: Path) -> None:
    grid = SharedRuns(tmp_path / "grids", tmp_path).grid(SWEEP)
    with pytest.raises(ValueError, match="read-only"):
        grid.x_final.values[0] = 0.0
