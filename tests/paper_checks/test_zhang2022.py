"""Every claim of Zhang et al. in the quick tier, and what must make each of them fail."""

import numpy as np
import pytest

from counterexamples import zhang
from counterexamples.drift import quadratics_bias
from paper_checks.zhang2022 import claims as zhang2022
from tests.tampering import (
    fails_on_tampered_grids,
    fails_with_other_sweeps,
    flipped,
    grids_of,
    nan,
    status,
)
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome
from theory_sim.nouns.sweep import simulate
from theory_sim.nouns.verdict import Verdict


def one_in_thirteen_undecided(verdict: np.ndarray) -> np.ndarray:
    verdict.reshape(-1)[::13] = Verdict.UNDECIDED.value
    return verdict


def one_cell_flipped(verdict: np.ndarray) -> np.ndarray:
    """Of n = 10, a = 1 the cell beta1 = 0, beta2 = .37 on both branches, which D < 0 decides by far."""
    verdict[0, 0, :, 0, 1] = flipped(verdict[0, 0, :, 0, 1])
    return verdict


def left_branch_flipped(verdict: np.ndarray) -> np.ndarray:
    verdict[:, :, 1] = flipped(verdict[:, :, 1])
    return verdict


test_tampered_grids_fail = fails_on_tampered_grids(
    "zhang2022",
    ("Z1a", "phase", "verdict", flipped),
    ("Z1a", "phase", "verdict", one_cell_flipped),
    ("Z1a", "phase", "verdict", one_in_thirteen_undecided),
    ("Z1a", "phase", "verdict", left_branch_flipped),
    ("Z1b", "reshuffled", "verdict", flipped),
    ("V1", "random_plain", "verdict", flipped),
    ("V1", "random_corrected", "verdict", flipped),
    ("V1", "random_warm", "verdict", lambda verdict: np.full_like(verdict, "UNDECIDED")),
    ("V1", "random_long", "verdict", flipped),
    ("Z1b", "frozen", "x", np.negative),
    (
        "Z1b",
        "frozen",
        "x",
        lambda x: 1.05 * x,
    ),  # both sides come from one simulator; its own sampling sees it
    ("Z4", "realizable", "distance", nan),
    ("Z4", "realizable", "distance", lambda x: np.ones_like(x)),
    ("Z4", "realizable", "distance", np.square),  # decay like 1/T
    ("Z5", "biased", "x", nan),
    ("Z5", "biased", "x", lambda x: 1.02 * x),
    ("Z5", "biased", "x", lambda x: x / np.abs(x) ** 0.1),  # not linear in a
    ("Z5", "biased", "x", lambda x: 0.0 * x + 1e-9),  # no neighbourhood
    ("Z6", "biased", "x", nan),
    ("Z6", "biased", "x", np.negative),
    ("Z6", "biased", "x", lambda x: 1.01 * x),  # 1 % of the limit is many times the offset checked
    ("Z8", "sign", "verdict", flipped),
    ("Z8", "sign", "x_final", np.negative),
    ("Z8", "sign", "x_final", nan),
    ("Z9", "phase", "gradient_norm", nan),
    ("Z9", "phase", "gradient_norm", lambda g: g[..., ::-1]),
    ("Z9", "phase", "distance_final", lambda d: 2.0 * d),
    ("Z9", "phase", lambda grid: grid.assign(distance_final=grid.distance_final.where(grid.x0 < 0.0, 2.0))),
    ("Z9", "branches", "gradient_norm_final", lambda g: g[::-1]),
)


# The two boundaries differ where C is much larger than n: the cyclic closed form is the wrong oracle there.
test_reshuffled_verdicts_are_not_those_of_the_cyclic_drift = fails_with_other_sweeps(
    "zhang2022", ("Z1a", "reshuffled")
)


def test_frozen_field_of_the_cyclic_order_is_the_closed_form(runs: Runs) -> None:
    sweep = zhang2022.FROZEN
    grid = simulate(
        zhang.piecewise(10, 1 / 81),
        sweep.optimizer.replace(beta1=0.5, beta2=0.4),
        steps=1_500,
        seeds=2,
        x0=0.0,
        checkpoints=(500, 1_500),
    ).expand_dims(n=[10], a=[1 / 81], beta1=[0.5], beta2=[0.4])
    field, error = zhang2022.frozen_field(grid)
    # x ~ 1e-6 * 1000 steps carries 1e-16/1e-3 relative rounding.
    assert field == pytest.approx(zhang2022.cell_drift(grid), rel=1e-9)
    assert error == pytest.approx(0.0, abs=1e-12)


def test_bias_slope_is_the_limit_of_the_exact_bias() -> None:
    assert zhang2022.bias_slope(0.0) == pytest.approx(-200 / 9)
    for beta1 in (0.0, 0.5, 0.9):
        # The next term is of relative order 25 (1 - beta2).
        exact = quadratics_bias(beta1, 1 - 1e-6) / 1e-6
        assert exact == pytest.approx(zhang2022.bias_slope(beta1), rel=1e-4)


def test_sawtooth_by_hand() -> None:
    # beta1 = 0: one step of 3 lr up, then nine of lr/3 down; after j steps 3 - (j-1)/3,
    # summed over j = 1..9: 15.
    assert zhang2022.sawtooth(0.0) == pytest.approx(15.0)
    # Equal weights, beta1 -> 1: no step moves x.
    assert zhang2022.sawtooth(1.0 - 1e-9) == pytest.approx(0.0, abs=1e-6)


def test_a_verdict_by_level_alone_contradicts_the_drift(runs: Runs) -> None:
    # What the rule was before it looked at the trend.
    grids = grids_of("zhang2022.V1", runs)
    half, full = (grids[0].distance_window.isel(window_end=k) for k in (1, 2))
    start = 2.0  # |x_1 - x*|
    low, high = 0.9 * start, 1.1 * start
    verdict = grids[0].verdict.copy(deep=True)
    verdict = verdict.where(~((half < low) & (full < low)), "CONVERGED")
    grids[0]["verdict"] = verdict.where(~((half > high) & (full > high)), "DIVERGED")
    assert status("zhang2022.V1", grids) is Outcome.FAIL
