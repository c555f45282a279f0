"""Every claim of Bernstein et al. in the quick tier, and what must make each of them fail."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from paper_checks import bernstein2018
from theory_sim.claim import Outcome
from theory_sim.runs import Runs

CLAIMS = {claim.id.split(".")[1]: claim for claim in bernstein2018.CLAIMS}


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.mark.parametrize("label", CLAIMS)
def test_claim_passes(label: str, runs: Runs) -> None:
    result = runs.check(CLAIMS[label])
    assert result.evidence.status is Outcome.PASS, result.record()


def nan(values: np.ndarray) -> np.ndarray:
    return np.full_like(values, np.nan)


def one_nan(values: np.ndarray) -> np.ndarray:
    values.reshape(-1)[-1] = np.nan
    return values


TAMPERED: list[tuple[str, int, str, Callable[[np.ndarray], np.ndarray]]] = [
    ("G1a", 0, "gradient_l1_mean", nan),
    ("G1a", 1, "gradient_l1_mean", one_nan),
    ("G1a", 2, "gradient_l1_mean", lambda x: 105.0 + 0.0 * x),  # the start: it never moved
    ("G1b", 0, "gradient_l1_mean", one_nan),
    ("G1b", 2, "gradient_l1_mean", lambda x: 1.2 * x),
    ("G1c", 0, "gradient_square_mean", nan),
    ("G1c", 0, "gradient_square_mean", lambda x: 3.0 * x),
    ("G2b", 0, "x_final", np.negative),
    ("G2b", 0, "x_final", lambda x: 1.05 * x),
    ("G2b", 0, "x_final", nan),
    ("G2b", 0, "gradient_l1_final", lambda g: g[::-1]),  # the betas exchanged
    ("G2b", 0, "gradient_l1_final", one_nan),
    ("G10", 0, "gap_mean", one_nan),
    ("G10", 1, "gap_mean", one_nan),
    ("G10", 0, "gap_mean", lambda x: 0.2 * x),
    ("G10", 1, "gap_mean", lambda x: 10.0 * x),
]


@pytest.mark.parametrize(
    ("label", "which", "name", "change"), TAMPERED, ids=[f"{t[0]}-{t[2]}-{i}" for i, t in enumerate(TAMPERED)]
)
def test_claim_fails_on_a_tampered_grid(
    label: str, which: int, name: str, change: Callable[[np.ndarray], np.ndarray], runs: Runs
) -> None:
    claim = CLAIMS[label]
    grids = [runs.grid(sweep) for sweep in claim.sweeps]
    grid = grids[which]
    grids[which] = grid.assign({name: (grid[name].dims, change(grid[name].values.copy()))})
    assert claim.check(grids, "quick").status is Outcome.FAIL


def test_bound_by_hand() -> None:
    # ||L||_1 = 105, delta = 52.5, ||sigma||_1 = 90 + 50: (sqrt(105) 53 + 280)/sqrt(50).
    assert bernstein2018.bound(50) == pytest.approx((math.sqrt(105.0) * 53.0 + 280.0) / math.sqrt(50.0))
    assert bernstein2018.bound(50, 9) == pytest.approx(
        (math.sqrt(105.0) * 53.0 + 280.0 / 3.0) / math.sqrt(50.0)
    )


def test_the_two_branches_of_the_sign_bound_meet() -> None:
    edge = 2.0 / math.sqrt(3.0)
    below, above = bernstein2018.snr_bound(np.array([edge * (1 - 1e-12), edge * (1 + 1e-12)]))
    assert below == pytest.approx(above, rel=1e-11)
    assert below == pytest.approx(1.0 / 6.0)


def test_skewed_noise_breaks_the_sign_bound() -> None:
    # Standard deviation sqrt(.2 16 + .8) = 2, so at |g| < 1 the bound is below 1/2; the sign is wrong with .8.
    assert bernstein2018.snr_bound(np.array([0.25]))[0] < 0.5


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in bernstein2018.CLAIMS}
    assert all(set(entry.claims) <= known for entry in bernstein2018.DEVIATIONS)
