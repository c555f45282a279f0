"""Claims of the follow-up papers in the quick tier, and tampered data that they must reject."""

import numpy as np
import pytest
import xarray as xr

from paper_checks import dereich2024, taniguchi2024
from paper_checks.defossez2022 import claims as defossez2022
from tests.tampering import fails_on_tampered_grids, fails_with_other_sweeps, grids_of, status
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome

# The bias: a run that finds the minimiser has none.  The fluctuations: of order one in the step.
test_tampered_grids_of_dereich_fail = fails_on_tampered_grids(
    "dereich2024",
    ("X1e", "runs", lambda grid: grid.assign(x=grid.x - grid.x.mean() + 1.0)),
    ("X1e", "runs", "x", np.ones_like),
    ("X1f", "constant_steps", lambda grid: grid.assign(x=grid.x * grid.lr**0.5)),
)


def test_the_bias_has_its_sign_and_is_told_from_zero() -> None:
    # Towards 0, the value that X has nine times in ten; mirrored, P(X = 10) = .9, towards 10.
    few, many = (dereich2024.bias(0.0, 0.9, p=p, tier="quick") for p in (0.1, 0.9))
    assert few.value < -100 * few.standard_error
    # The two samples are independent only in part; 6 standard errors of the sum leave no room
    # for a wrong formula.
    assert many.value == pytest.approx(-few.value, abs=6 * (few.standard_error + many.standard_error))


def test_the_first_two_orders_of_the_bias_by_hand() -> None:
    # X in {0, 10}, p = .1: Var = 9, mu_3 = .1 729 - .9 = 72, mu_4 = 657, mu_5 = 5904.  At (0,
    # .95): -.5 .05 72/9 = -.2.
    assert dereich2024.first_order(0.0, 0.95) == pytest.approx(-0.2)
    assert dereich2024.first_order(0.9, 0.99) == pytest.approx(-0.04 * 0.1 / 0.109)
    assert dereich2024.first_order(0.0, 0.95, batch=4) == pytest.approx(-0.05)
    assert dereich2024.first_order(0.0, 0.95, p=0.5) == 0.0
    # V/s^4 = 576/81 = 64/9, mu_5/(s^2 mu_3) = 5904/648 = 82/9: 1 + e (1 + 3/4 (64/9 - 82/9 + 2)) = 1 + e.
    assert dereich2024.second_order(0.95) == pytest.approx(-0.2 * 1.05)
    # Batch 8: kappa_4/kappa_2^2 = 414/81/8, kappa_5/(kappa_2 kappa_3) = -576/648/8: 1 + e (-3.5 + 4.5/8).
    assert dereich2024.second_order(0.95, batch=8) == pytest.approx(-0.025 * (1 + 0.05 * (-3.5 + 4.5 / 8)))


@pytest.mark.parametrize("factor", [0.0, 1.9])
def test_another_second_order_fails(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = dereich2024.first_order, dereich2024.second_order

    def wrong(beta2: float, batch: int = 1) -> float:
        linear = first(0.0, beta2, batch=batch)
        return linear + factor * (second(beta2, batch=batch) - linear)

    monkeypatch.setattr(dereich2024, "second_order", wrong)
    assert status("dereich2024.X1b", []) is Outcome.FAIL


test_adopt_and_adam_cannot_be_exchanged = fails_with_other_sweeps(
    "taniguchi2024",
    ("X2a", "adopt", "amsgrad", "adam"),
    ("X2c", "adopt", "amsgrad", "adam"),
    ("X2b", "adopt"),
)
test_tampered_grids_of_taniguchi_fail = fails_on_tampered_grids(
    "taniguchi2024", ("X2b", "adam", "x_final", np.negative)
)


@pytest.mark.parametrize("power", [1.0, 3.0])
def test_another_power_of_k_fails(power: float, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    # 1 - beta2* ~ k^-1 or k^-3: right at k = 10, wrong elsewhere.
    right = taniguchi2024.first_order_beta2
    monkeypatch.setattr(
        taniguchi2024,
        "first_order_beta2",
        lambda beta1, n, C, order: 1.0 - (1.0 - right(beta1, 10, 10.0, order)) * (10.0 / n) ** power,
    )
    assert status("taniguchi2024.X2b", grids_of("taniguchi2024.X2b", runs)) is Outcome.FAIL


@pytest.mark.parametrize("k", [2.0, 10.0, 50.0])
def test_the_toy_problem_has_mean_slope_one(k: float) -> None:
    problem = taniguchi2024.toy(k)
    assert problem.facts["slope"] == pytest.approx(1.0, rel=1e-12)
    assert (problem.optimum, problem.domain) == (-1.0, (-1.0, 1.0))
    assert problem.replace(k=3.0).constants["C"] == 9.0


def test_the_damped_schedule_by_hand() -> None:
    # .01/sqrt(1 + .01 t) at t = 1 and t = 300: 1/sqrt(1.01) and 1/2.
    for t, expected in ((1, 1.01**-0.5), (300, 0.5)):
        assert taniguchi2024.SCHEDULE.rule(t, 0.01) == pytest.approx(expected, rel=1e-15)


# The largest value of ||grad F||^2 = sum tanh^2, what an ascent method shows; a slower decay; a faster one.
test_tampered_grids_of_defossez_fail = fails_on_tampered_grids(
    "defossez2022",
    ("X3a", "long", "gradient_square_mean", lambda values: np.full_like(values, 4.0)),
    ("X3a", "slope", "gradient_square_mean", lambda values: 0.9 * values),
    (
        "X3b",
        "tuned",
        lambda grid: grid.assign(gradient_square_mean=grid.gradient_square_mean * grid.checkpoint**0.25),
    ),
    (
        "X3c",
        "long",
        lambda grid: grid.assign(gradient_square_mean=grid.gradient_square_mean / grid.checkpoint**0.5),
    ),
)


@pytest.mark.parametrize("factor", [0.4, 1.1])
def test_another_bound_fails(factor: float, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    right = defossez2022.limit
    monkeypatch.setattr(defossez2022, "limit", lambda *symbols: factor * right(*symbols))
    assert status("defossez2022.X3a", grids_of("defossez2022.X3a", runs)) is Outcome.FAIL


@pytest.mark.parametrize("seed", range(5))
def test_the_sum_of_squared_updates_is_logarithmic(seed: int) -> None:
    # Step 4 of the derivation, on heavy-tailed gradients: sum g^2/(eps + v) <= log(1 +
    # v_N/eps) - N log beta2.
    g = np.random.default_rng(seed).standard_cauchy(500)
    beta2, eps, v, total = 0.9, 1e-3, 0.0, 0.0
    for n, square in enumerate(g**2, 1):
        v = beta2 * v + square
        total += square / (eps + v)
        assert total <= np.log1p(v / eps) - n * np.log(beta2)


test_component_gradients_do_not_pass_for_full_gradients = fails_with_other_sweeps(
    "wang2022divergence", ("X5a", "components", "components"), ("X5a", "full_gradient", "full_gradient")
)
test_tampered_grids_of_wang_fail = fails_on_tampered_grids(
    "wang2022divergence", ("X5b", "seeds", "distance", np.reciprocal)
)


def swapped_axes(grid: xr.Dataset) -> xr.Dataset:
    """The values of beta2, backwards, on the axis of beta1."""
    return grid.assign_coords(beta1=grid.beta2.values[::-1]).sortby("beta1")


test_tampered_grids_of_orvieto_fail = fails_on_tampered_grids(
    "orvieto2025",
    ("O1", "random", "x", lambda x: 1.1 * x),
    ("O1", "extremal", "x", lambda x: 1.01 * x),
    ("O2", "extremal", "x", lambda x: 0.98 * x),
    ("O2", "extremal", swapped_axes),
    (
        "O3",
        "random",
        lambda grid: grid.assign(state_final=grid.state_final * (1.0 + 1e-6 * (grid.row == "v"))),
    ),
)
