"""The claims on quadratics with blocks, and what must make each of them fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from paper_checks import zhang2024transformers as checked
from tests.tampering import fails_on_tampered_grids, grids_of, nan, one_nan, status
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome

test_tampered_grids_fail = fails_on_tampered_grids(
    "zhang2024transformers",
    ("H1", "gd", "gap", lambda v: 0.999999 * v),
    ("H1", "gd", "gap", lambda v: 1.00001 * v),
    ("H1", "gd", "gap", one_nan),
    ("H2", "frozen", "gap", lambda v: v * 1.01 ** np.arange(v.shape[-1])),
    ("H2", "frozen", "gap", one_nan),
    ("H2", "attained", "gap", lambda v: v * 0.9999 ** np.arange(v.shape[-1])),
    ("H5", "adam_heterogeneous", "gradient_norm", lambda v: v**0.2),
    ("H5", "adam_homogeneous", "gradient_norm", lambda v: v * 1e-30),
    ("H5", "adam_homogeneous", "gradient_norm", lambda v: v * 1e4),
    ("H5", "gd_homogeneous", "gradient_norm", lambda v: 0.1 * v),
    ("H5", "adam_heterogeneous", "gradient_norm", nan),
    ("H6", "adagrad_heterogeneous", "gradient_norm", lambda v: v + 1e-60),
    ("H6", "frozen_homogeneous", "gradient_norm", lambda v: 20.0 * v),
    ("C1", "cycle_one", "gap", lambda v: 1.0000001 * v),
    ("C1", "cycle_five", "x", lambda v: v * np.arange(3.0)[:, None]),
    ("C1", "cycle_diagonal", "x", nan),
    ("C1", "cycle_twenty", "gap", lambda v: 0.1 * v),
)


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize(("id", "name"), [("H3", "paper_spread"), ("H4", "kappa_pre")])
def test_other_trials_fail(id: str, name: str, factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = checked.trials

    def other(*arguments: Any) -> Any:
        found = trials(*arguments)
        return found | {name: factor * found[name]}

    monkeypatch.setattr(checked, "trials", other)
    assert status(f"zhang2024transformers.{id}", []) is Outcome.FAIL


def test_the_bound_without_its_square_fails(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    # 1 - 2/(kappa + 1) is above the contraction of the best step, which is its square.
    wrong = replace(checked.GD_BOUND, bound="gap_1*(1 - 2/(kappa + 1))^T")
    monkeypatch.setattr(checked, "GD_BOUND", wrong)
    claim = "zhang2024transformers.H1"
    assert status(claim, grids_of(claim, runs)) is Outcome.FAIL


def test_decades_by_hand(runs: Runs) -> None:
    sweep = checked.RACES[0]
    grid = runs.grid(sweep)
    H, start = sweep.problem.matrices["H"], np.array(sweep.problem.start)
    x = start
    for _ in range(2000):
        x = x - checked.BEST * (H @ x)
    expected = np.log10(np.linalg.norm(H @ x) / np.linalg.norm(H @ start))
    # 2000 steps of rounding, at curvature 5000.
    assert checked.decades(sweep, grid)[0, -1] == pytest.approx(expected, abs=1e-9)
