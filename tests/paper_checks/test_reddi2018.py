"""Every claim on Reddi et al. 2018 at the quick tier, and controls that must fail.

The stochastic claims run on fixed seeds.  On fresh ones: R4's signs stand at 7 standard errors or more
against a threshold of 3; R8a's mean is asserted to 4 standard errors; R8c's differences, on 20
fresh entropies 4.2 to 7.7 standard errors, fall below its threshold of 3 with probability 1e-3.
"""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from counterexamples import reddi
from paper_checks.reddi2018 import experiment as reddi2018_experiment
from paper_checks.reddi2018 import theory as reddi2018
from tests.tampering import fails_on_tampered_grids, fails_with_other_sweeps, grids_of, lost, status
from theory_sim.app import catalogue
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome
from theory_sim.nouns.schedule import power
from theory_sim.nouns.sweep import Sweep, simulate
from theory_sim.optimizers.adam import adam, amsgrad


def mirrored(grid: xr.Dataset) -> xr.Dataset:
    """Every iterate in the other half of the box."""
    return grid.assign({name: -grid[name] for name in ("x", "x_final") if name in grid})


def nudged(grid: xr.Dataset) -> xr.Dataset:
    """One part in a million."""
    return grid.assign(x=grid.x * (1 - 1e-6))


def cheaper(grid: xr.Dataset) -> xr.Dataset:
    return grid.assign(regret_mean=grid.regret_mean * 0.8)


def vanishing(grid: xr.Dataset) -> xr.Dataset:
    return grid.assign(regret_mean=grid.regret_mean / np.sqrt(grid.checkpoint))


# The thresholds of the full tier: those of the quick one leave R8b undecided.
test_tampered_grids_fail = fails_on_tampered_grids(
    "reddi2018",
    ("R1a", "theorem_1", mirrored),
    ("R1a", "theorem_1", nudged),
    ("R1b", "theorem_1", cheaper),
    ("R2", "starts", mirrored),
    ("R5", "rescaled_1e-08", mirrored),
    ("R5", "rescaled_1e-08", cheaper),
    ("R6a", "linear_amsgrad", mirrored),
    ("R6a", "linear_amsgrad", nudged),
    ("R6b", "linear_adam_nc", mirrored),
    ("R6b", "linear_adam_nc", nudged),
    ("R7a", "adam_online", mirrored),
    ("R7a", "adam_online", cheaper),
    ("R7b", "amsgrad_online", mirrored),
    ("R7c", "amsgrad_online", vanishing),
    ("R7d", "amsgrad_online", mirrored),
    ("R8a", "adam_stochastic", mirrored),
    ("R8b", "amsgrad_stochastic", mirrored),
    ("R8b", "amsgrad_stochastic", lost),
    ("R9b", "adam_online", mirrored),
    ("R9b", "adam_online", lost),
    ("R10a", "amsgrad_online", nudged),
    ("R10b", "adam_online", nudged),
    ("X4", "adam_corrected_online", mirrored),  # bias correction that changes the limit
    tier="full",
)
test_tampered_grids_fail_in_the_quick_tier = fails_on_tampered_grids(
    "reddi2018",
    ("R7b", "amsgrad_online", "regret_mean", lambda regret: regret + 0.03),  # a level that stays
    ("R7c", "amsgrad_online", "regret_mean", lambda regret: regret * (1.0 + 1e-5)),
    ("R8a", "adam_stochastic", lambda grid: grid.assign(x=1.0 - 1.3 * (1.0 - grid.x))),
    ("R8a", "adam_stochastic", lambda grid: grid.assign(x=1.0 - 0.7 * (1.0 - grid.x))),
    ("R11", "amsgrad_online", "regret_mean", np.ones_like),  # a constant average regret is no rate
    ("R11", "sgd_online", lambda grid: grid.assign(regret_mean=grid.regret_mean * grid.checkpoint**0.1)),
    ("X4", "adam_corrected_online", lambda grid: grid.assign(x=grid.x.shift(checkpoint=1, fill_value=0.0))),
)
test_the_other_optimizer_fails = fails_with_other_sweeps(
    "reddi2018",
    ("R7a", "amsgrad_online"),
    ("R7b", "adam_online"),
    ("R8a", "amsgrad_stochastic"),
    ("R8b", "adam_stochastic"),
    ("R10a", "adam_online"),
    ("R10b", "amsgrad_online"),
    tier="full",
)
test_variants_without_a_difference_fail = fails_with_other_sweeps(
    "reddi2018",
    ("R8c", *["amsgrad_paper_stochastic"] * 4),
    # Optax as PyTorch: the maximum over corrected moments makes no difference.
    ("R8c", "amsgrad_paper_stochastic", *["amsgrad_torch_stochastic"] * 2, "amsgrad_keras_stochastic"),
    ("X4", "adam_online", "adam_online"),  # without correction
)


def test_a_regret_above_the_bound_fails(runs: Runs) -> None:
    # Adam sent to the corner that each gradient sum dislikes: x = sign of the sum costs 2 |sum| at every T.
    grid, sums = grids_of("reddi2018.R6a", runs)
    worst = grid.assign(x=xr.zeros_like(grid.x) + 1e3 * np.sign(-sums.x))
    assert status("reddi2018.R6a", [worst, sums], "full") is Outcome.FAIL


def test_adam_does_not_take_the_place_of_amsgrad_in_the_bound(runs: Runs) -> None:
    sweep = catalogue.sweeps()["reddi2018.linear_amsgrad"].at("quick")
    other = Sweep(
        sweep.problem,
        adam(0.5, 0.9, reddi2018.LINEAR_BETA2, 0.0, bias_correction=False, schedule=power(0.5)),
        sweep.axes,
        steps=sweep.steps,
        checkpoints=sweep.checkpoints,
        seeds=2,
    ).run()
    sums = runs.grid(catalogue.sweeps()["reddi2018.linear_sums"])
    assert status("reddi2018.R6a", [other, sums], "full") is Outcome.FAIL


def test_theorem_1_needs_a_small_beta2() -> None:
    # C = 3 and beta2 = .9, above the critical .472: Adam leaves +1.
    problem = reddi.periodic(3.0, period=3, x0=1.0)
    grid = simulate(problem, reddi2018.paper_adam(0.0, 0.9), steps=3_000)
    assert float(grid.x_final[0]) < -0.9


def test_amsgrad_repairs_theorem_1() -> None:
    optimizer = amsgrad(0.5, 0.0, 0.1, schedule=power(0.5))
    grid = simulate(reddi.periodic(3.0, period=3, x0=1.0), optimizer, steps=3_000)
    assert float(grid.x_final[0]) < -0.9


def test_a_wrong_smallest_C_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    for pair, C in (((0.0, 0.9), 6), ((0.0, 0.9), 8)):
        monkeypatch.setitem(reddi2018.SMALLEST_C, pair, C)
        assert status("reddi2018.R3a", [], "full") is Outcome.FAIL


@pytest.mark.parametrize("factor", [0.7, 1.5])
def test_another_critical_C_fails(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    right = reddi.stochastic
    monkeypatch.setattr(reddi2018.reddi, "stochastic", lambda C, **rest: right(factor * C, **rest))
    assert status("reddi2018.R4", []) is Outcome.FAIL


def test_sufficient_C_by_hand() -> None:
    # (0, .5): N >= 4/sqrt(.5) = 5.66 and .5^N (2N)^2 <= 1: N = 6, 7 give 2.25, 1.53, N = 8 gives 1.  C = 16.
    assert reddi2018.sufficient_C(0.0, 0.5) == 16


def test_published_cell_of_each_sweep(runs: Runs) -> None:
    for sweep in (reddi2018_experiment.ADAM_ONLINE, reddi2018_experiment.AMSGRAD_ONLINE):
        cell: Any = reddi2018_experiment.published(runs.grid(sweep))
        assert cell.x.dims == ("checkpoint",)
