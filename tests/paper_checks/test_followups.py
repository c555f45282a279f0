"""Claims of the follow-up papers in the quick tier, and tampered data that they must reject."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from paper_checks import defossez2022, dereich2024, orvieto2025, taniguchi2024, wang2022divergence
from theory_sim.claim import Claim, Outcome
from theory_sim.runs import Runs

FILES = [dereich2024, taniguchi2024, defossez2022, wang2022divergence, orvieto2025]
CLAIMS = {claim.id: claim for file in FILES for claim in file.CLAIMS}
# At k = 50 ADOPT needs 3e6 steps and more to its corner; the quick tier has 1e6.
UNDECIDED = {"taniguchi2024.X2d"}


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


def grids(runs: Runs, claim: Claim) -> list[Any]:
    return [runs.grid(sweep) for sweep in claim.sweeps]


def status(claim: Claim, data: list[Any]) -> Outcome:
    return claim.check(data, "quick").status


@pytest.mark.parametrize("name", CLAIMS)
def test_claim(runs: Runs, name: str) -> None:
    evidence = runs.check(CLAIMS[name]).evidence
    assert evidence.status is (Outcome.UNDECIDED if name in UNDECIDED else Outcome.PASS), evidence


@pytest.mark.parametrize("name", [name for name in CLAIMS if CLAIMS[name].sweeps and name not in UNDECIDED])
def test_nan_never_passes(runs: Runs, name: str) -> None:
    claim = CLAIMS[name]
    for i, grid in enumerate(data := grids(runs, claim)):
        broken = grid.copy()
        for variable in grid.data_vars:
            if grid[variable].dtype.kind == "f":
                broken[variable] = grid[variable] * np.nan
        assert status(claim, [*data[:i], broken, *data[i + 1 :]]) is Outcome.FAIL, i


def test_a_run_that_finds_the_minimiser_is_not_biased(runs: Runs) -> None:
    claim = CLAIMS["dereich2024.X1e"]
    (grid,) = grids(runs, claim)
    assert status(claim, [grid.assign(x=grid.x - grid.x.mean() + 1.0)]) is Outcome.FAIL
    assert status(claim, [grid.assign(x=0.0 * grid.x + 1.0)]) is Outcome.FAIL


def test_fluctuations_of_order_one_in_the_step_are_rejected(runs: Runs) -> None:
    claim = CLAIMS["dereich2024.X1f"]
    (grid,) = grids(runs, claim)
    assert status(claim, [grid.assign(x=grid.x * grid.lr**0.5)]) is Outcome.FAIL


def test_the_bias_has_its_sign_and_is_told_from_zero() -> None:
    # Towards 0, the value that X has nine times in ten; mirrored, P(X = 10) = .9, towards 10.
    few, many = (dereich2024.bias(0.0, 0.9, p=p, tier="quick") for p in (0.1, 0.9))
    assert few.value < -100 * few.standard_error
    # The two samples are independent only in part; 6 standard errors of the sum leave no room for a wrong formula.
    assert many.value == pytest.approx(-few.value, abs=6 * (few.standard_error + many.standard_error))


def test_the_first_two_orders_of_the_bias_by_hand() -> None:
    # X in {0, 10}, p = .1: Var = 9, mu_3 = .1 729 - .9 = 72, mu_4 = 657, mu_5 = 5904.  At (0, .95): -.5 .05 72/9 = -.2.
    assert dereich2024.first_order(0.0, 0.95) == pytest.approx(-0.2)
    assert dereich2024.first_order(0.9, 0.99) == pytest.approx(-0.04 * 0.1 / 0.109)
    assert dereich2024.first_order(0.0, 0.95, batch=4) == pytest.approx(-0.05)
    assert dereich2024.first_order(0.0, 0.95, p=0.5) == 0.0
    # V/s^4 = 576/81 = 64/9, mu_5/(s^2 mu_3) = 5904/648 = 82/9: 1 + e (1 + 3/4 (64/9 - 82/9 + 2)) = 1 + e.
    assert dereich2024.second_order(0.95) == pytest.approx(-0.2 * 1.05)
    # Batch 8: kappa_4/kappa_2^2 = 414/81/8, kappa_5/(kappa_2 kappa_3) = -576/648/8: 1 + e (-3.5 + 4.5/8).
    assert dereich2024.second_order(0.95, batch=8) == pytest.approx(-0.025 * (1 + 0.05 * (-3.5 + 4.5 / 8)))


def test_adopt_and_adam_cannot_be_exchanged(runs: Runs) -> None:
    for name in ("taniguchi2024.X2a", "taniguchi2024.X2c"):
        adam, amsgrad, adopt = grids(runs, CLAIMS[name])
        assert status(CLAIMS[name], [adopt, amsgrad, adam]) is Outcome.FAIL
    adam, _, adopt = grids(runs, CLAIMS["taniguchi2024.X2a"])
    assert status(CLAIMS["taniguchi2024.X2b"], [adopt]) is Outcome.FAIL
    mirrored = adam.assign(x_final=-adam.x_final)
    assert status(CLAIMS["taniguchi2024.X2b"], [mirrored]) is Outcome.FAIL


@pytest.mark.parametrize("k", [2.0, 10.0, 50.0])
def test_the_toy_problem_has_mean_slope_one(k: float) -> None:
    problem = taniguchi2024.toy(k)
    assert problem.facts["slope"] == pytest.approx(1.0, rel=1e-12)
    assert (problem.optimum, problem.domain) == (-1.0, (-1.0, 1.0))
    assert problem.replace(k=3.0).constants["C"] == 9.0


def test_the_damped_schedule_by_hand() -> None:
    # .01/sqrt(1 + .01 t) at t = 1 and t = 300: 1/sqrt(1.01) and 1/2.
    factor, decay = np.zeros(1), np.array([[0.01]])
    for t, expected in ((1, 1.01**-0.5), (300, 0.5)):
        taniguchi2024.damped_kernel(t, decay, factor)
        assert factor[0] == pytest.approx(expected, rel=1e-15)


def test_a_path_that_does_not_converge_violates_the_bound(runs: Runs) -> None:
    long, tuned = (runs.grid(sweep) for sweep in (defossez2022.LONG, defossez2022.TUNED))
    # The largest value that ||grad F||^2 = sum tanh^2 can have: what an ascent method shows.
    ascent = long.assign(gradient_square_mean=0.0 * long.gradient_square_mean + 4.0)
    assert status(CLAIMS["defossez2022.X3a"], [ascent, tuned]) is Outcome.FAIL
    slow = tuned.assign(gradient_square_mean=tuned.gradient_square_mean * tuned.checkpoint**0.25)
    assert status(CLAIMS["defossez2022.X3b"], [slow]) is Outcome.FAIL
    vanishing = long.assign(gradient_square_mean=long.gradient_square_mean / long.checkpoint**0.5)
    assert status(CLAIMS["defossez2022.X3c"], [vanishing]) is Outcome.FAIL


def test_the_bound_by_hand() -> None:
    # lr = 1, beta2 = 3/4, N = 2, R = L = d = gap = 1, eps = 4: 2/2 + (4/(1/2) + 1/(1/4)) (log(1 + 1)/2 + log(4/3)).
    value = defossez2022.bound(1.0, 0.75, 2, R=1.0, L=1.0, d=1, gap=1.0, eps=4.0)
    assert value == pytest.approx(1.0 + 12.0 * (np.log(2.0) / 2.0 + np.log(4.0 / 3.0)))


@pytest.mark.parametrize("seed", range(5))
def test_the_sum_of_squared_updates_is_logarithmic(seed: int) -> None:
    # Step 4 of the derivation, on heavy-tailed gradients: sum g^2/(eps + v) <= log(1 + v_N/eps) - N log beta2.
    g = np.random.default_rng(seed).standard_cauchy(500)
    beta2, eps, v, total = 0.9, 1e-3, 0.0, 0.0
    for n, square in enumerate(g**2, 1):
        v = beta2 * v + square
        total += square / (eps + v)
        assert total <= np.log1p(v / eps) - n * np.log(beta2)


def test_component_gradients_do_not_pass_for_full_gradients(runs: Runs) -> None:
    claim = CLAIMS["wang2022divergence.X5a"]
    full, components = grids(runs, claim)
    assert status(claim, [components, components]) is Outcome.FAIL
    assert status(claim, [full, full]) is Outcome.FAIL
    (seeds,) = grids(runs, CLAIMS["wang2022divergence.X5b"])
    shrinking = seeds.assign(distance=1.0 / seeds.distance)
    assert status(CLAIMS["wang2022divergence.X5b"], [shrinking]) is Outcome.FAIL


def test_updates_that_are_too_large_are_seen(runs: Runs) -> None:
    claim = CLAIMS["orvieto2025.O1"]
    random, extremal = grids(runs, claim)
    assert status(claim, [random.assign(x=1.1 * random.x), extremal]) is Outcome.FAIL
    assert status(claim, [random, extremal.assign(x=1.01 * extremal.x)]) is Outcome.FAIL
    assert status(CLAIMS["orvieto2025.O2"], [extremal.assign(x=0.98 * extremal.x)]) is Outcome.FAIL
    swapped = extremal.assign_coords(beta1=extremal.beta2.values[::-1])
    assert status(CLAIMS["orvieto2025.O2"], [swapped.sortby("beta1")]) is Outcome.FAIL


def test_a_wrong_second_moment_is_seen(runs: Runs) -> None:
    claim = CLAIMS["orvieto2025.O3"]
    (grid,) = grids(runs, claim)
    factor = 1.0 + 1e-6 * (grid.row == "v")
    assert status(claim, [grid.assign(state_final=grid.state_final * factor)]) is Outcome.FAIL


@pytest.mark.parametrize("file", FILES)
def test_deviations_name_claims(file: Any) -> None:
    ids = {claim.id for claim in file.CLAIMS}
    assert file.DEVIATIONS
    for row in file.DEVIATIONS:
        assert row.paper in file.__name__
        assert set(row.claims) <= ids
