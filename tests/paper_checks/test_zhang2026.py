"""Every claim of the extended version in the quick tier, and what must make each of them fail."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from counterexamples.drift import critical_beta2, first_order_beta2, monte_carlo
from paper_checks import zhang2026
from tests.tampering import (
    fails_on_tampered_grids,
    fails_with_other_sweeps,
    grids_of,
    nan,
    status,
    with_values,
)
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome

test_orders_exchanged_fail = fails_with_other_sweeps(
    "zhang2026",
    ("Z7", "boundary_n_replacement", "boundary_n_reshuffled"),
    ("Z7", "boundary_n_reshuffled", "boundary_n_reshuffled"),
)
test_tampered_grids_fail = fails_on_tampered_grids(
    "zhang2026",
    ("Z7", "boundary_n_replacement", "x", np.negative),
    ("Z7", "boundary_n_replacement", "x", nan),
    ("Z10", "concentration", "ratio_min", lambda ratio: np.full_like(ratio, 0.9)),
    ("Z10", "concentration", "ratio_max", lambda ratio: np.full_like(ratio, 1.1)),
    ("Z10", "concentration", "ratio_max", nan),
    ("Z10", "concentration", "ratio_min", lambda ratio: 1.0 - 1.3 * (1.0 - ratio)),
    ("Z10", "concentration", "ratio_max", lambda ratio: 1.0 + 0.7 * (ratio - 1.0)),
    ("Z10", "concentration", "outside_mean", np.zeros_like),
)


@pytest.mark.parametrize("change", [np.negative, nan])
def test_a_field_without_a_root_has_no_critical_share(
    change: Callable[[np.ndarray], np.ndarray], runs: Runs
) -> None:
    grid = with_values(runs.grid(zhang2026.BOUNDARY_N[1]), "x", change)
    assert math.isnan(zhang2026.critical_share(grid, 20, 1).value)


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
        # Five standard errors (Student, 15 degrees of freedom: 2e-4 over entropies) and the
        # second-order term.
        assert found.value == pytest.approx(formula, abs=5 * found.standard_error + formula**2)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_another_window_fails(factor: float, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LOW", "_HIGH"):
        monkeypatch.setattr(zhang2026, name, 1.0 + factor * (getattr(zhang2026, name) - 1.0))
    assert status("zhang2026.Z10", grids_of("zhang2026.Z10", runs)) is Outcome.FAIL


def test_concentration_window_by_hand() -> None:
    # n = 10, beta2 = .9999, delta = 1/40: spread = 1e-4 * 40/(0.5 * .9999^10) = .0080080; the exponent is
    # 6.25e-4/(1e-4 * (0.9333 + 0.0667)) = 6.25.
    low, high, chance = zhang2026.concentration(10, 0.9999, 1 / 40)
    assert low == pytest.approx(1 - 0.008008, abs=1e-6)
    assert high == pytest.approx((1 - 0.016016) ** -0.5, abs=1e-6)
    assert chance == pytest.approx(10 * math.exp(-6.25))
