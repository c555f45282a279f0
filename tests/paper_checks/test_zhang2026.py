"""Every claim of the extended version in the quick tier, and what must make each of them fail."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from counterexamples import monte_carlo
from counterexamples.drift import critical_beta2, first_order_beta2
from paper_checks import zhang2022, zhang2026
from theory_sim.claim import Outcome
from theory_sim.runs import Runs

CLAIMS = {claim.id.split(".")[1]: claim for claim in zhang2026.CLAIMS}


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.mark.parametrize("label", CLAIMS)
def test_claim_passes(label: str, runs: Runs) -> None:
    result = runs.check(CLAIMS[label])
    assert result.evidence.status is Outcome.PASS, result.record()


def test_orders_exchanged_fail(runs: Runs) -> None:
    grids = [runs.grid(sweep) for sweep in zhang2026.BOUNDARY_N]
    assert CLAIMS["Z7"].check(grids[::-1], "quick").status is Outcome.FAIL
    assert CLAIMS["Z7"].check([grids[0], grids[0]], "quick").status is Outcome.FAIL


@pytest.mark.parametrize("change", [np.negative, lambda x: np.nan * x], ids=["negated", "nan"])
def test_a_tampered_field_fails(change: Callable[[np.ndarray], np.ndarray], runs: Runs) -> None:
    grids = [runs.grid(sweep) for sweep in zhang2026.BOUNDARY_N]
    grids[1] = grids[1].assign(x=(grids[1].x.dims, change(grids[1].x.values)))
    assert math.isnan(zhang2026.critical_share(grids[1], 20, 1).value)
    assert CLAIMS["Z7"].check(grids, "quick").status is Outcome.FAIL


@pytest.mark.parametrize(
    ("name", "value"), [("ratio_min", 0.9), ("ratio_max", 1.1), ("ratio_max", np.nan), ("outside_mean", 0.0)]
)
def test_a_wider_ratio_fails(name: str, value: float, runs: Runs) -> None:
    grid = runs.grid(zhang2026.CONCENTRATION)
    tampered = grid.assign({name: grid[name] * 0.0 + value})
    assert CLAIMS["Z10"].check([tampered], "quick").status is Outcome.FAIL


def test_critical_share_of_reshuffling_is_the_root_of_the_other_simulation(runs: Runs) -> None:
    grid = runs.grid(zhang2026.BOUNDARY_N[0])
    root = monte_carlo.critical_beta2(
        0.0, 10, 10.0, "reshuffled", bracket=(0.93, 0.97), steps=5_000, lanes=64, entropy=3
    )
    found = zhang2026.critical_share(grid, 10, 1)
    # 1 %: the cubic through neighbours a factor 1.33 apart is good to 0.1 %, both standard errors to 0.1 %.
    assert found.value == pytest.approx(1.0 - root.value, rel=0.01)
    # It is not the cyclic root, 6 % away.
    assert abs(found.value / (1.0 - critical_beta2(0.0, 10, 10.0)[-1]) - 1.0) > 0.05


def test_replacement_is_near_its_first_order(runs: Runs) -> None:
    grid = runs.grid(zhang2026.BOUNDARY_N[1])
    for n in (10, 20):
        found = zhang2026.critical_share(grid, n, 1)
        formula = 1.0 - float(first_order_beta2(0.0, n, float(n), "replacement"))
        # Five standard errors (Student, 15 degrees of freedom: 2e-4 over entropies) and the second-order term.
        assert found.value == pytest.approx(formula, abs=5 * found.standard_error + formula**2)


def test_concentration_window_by_hand() -> None:
    # n = 10, beta2 = .9999, delta = 1/40: spread = 1e-4 * 40/(0.5 * .9999^10) = .0080080; the exponent is
    # 6.25e-4/(1e-4 * (0.9333 + 0.0667)) = 6.25.
    low, high, chance = zhang2026.concentration(10, 0.9999, 1 / 40)
    assert low == pytest.approx(1 - 0.008008, abs=1e-6)
    assert high == pytest.approx((1 - 0.016016) ** -0.5, abs=1e-6)
    assert chance == pytest.approx(10 * math.exp(-6.25))


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in (*zhang2022.CLAIMS, *zhang2026.CLAIMS)}
    assert all(set(entry.claims) <= known for entry in zhang2026.DEVIATIONS)
