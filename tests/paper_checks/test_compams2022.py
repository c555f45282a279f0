"""Every claim of COMP-AMS in the quick tier, and what must make each of them fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from paper_checks import compams2022
from theory_sim.claim import Outcome
from theory_sim.runs import Runs

CLAIMS = {claim.id.split(".")[1]: claim for claim in compams2022.CLAIMS}


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs("quick")


@pytest.mark.parametrize("label", CLAIMS)
def test_claim_passes(label: str, runs: Runs) -> None:
    result = runs.check(CLAIMS[label])
    assert result.evidence.status is Outcome.PASS, result.record()


def one_nan(values: np.ndarray) -> np.ndarray:
    values.reshape(-1)[-1] = np.nan
    return values


TAMPERED: list[tuple[str, int, str, Callable[[np.ndarray], np.ndarray]]] = [
    ("QC18", 0, "gradient_square_mean", lambda g: g**1.2),
    ("QC18", 1, "gradient_square_mean", lambda g: 1.2 * g),
    ("QC18", 2, "gradient_square_mean", one_nan),
    ("QC18", 3, "gradient_square_mean", np.sqrt),
    ("QC22", 0, "gradient_square_mean", lambda g: 20.0 * g),
    ("QC22", 1, "gradient_square_mean", one_nan),
    ("QC22", 2, "gradient_square_mean", lambda g: np.full_like(g, np.inf)),
    ("QC23", 0, "mean_x_mean", lambda x: x + 0.02),
    ("QC23", 1, "mean_x_mean", one_nan),
    ("QC23", 2, "mean_x_mean", lambda x: np.full_like(x, 9.0 / 11.0)),
    ("QC23", 2, "mean_x_mean", lambda x: x + 0.02),
    ("QC23", 3, "mean_x_mean", lambda x: x - 0.02),
    ("QC28", 0, "x", lambda x: 0.99 * x),
    ("QC28", 0, "x", np.negative),
    ("QC28", 0, "x", one_nan),
    ("QC30", 0, "x", lambda x: x + 1e-11),
    ("QC30", 0, "x", one_nan),
    ("QC30", 1, "x", one_nan),
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


def test_server_and_local_moments_cannot_be_exchanged(runs: Runs) -> None:
    grids = [runs.grid(sweep) for sweep in CLAIMS["QC23"].sweeps]
    assert CLAIMS["QC23"].check([grids[2], grids[1], grids[0], grids[3]], "quick").status is Outcome.FAIL


def test_the_bound_by_hand() -> None:
    # q = 0, beta1 = 0: 2 C0 (gap/(T lr) + G^2 d/T + lr L sigma^2/N), C0 = sqrt(4 G^2 + 1), d = 16, G^2 = 16 * 1.149519^2.
    G2 = 16.0 * (3.0 * np.sqrt(3.0) / 8.0 + 0.5) ** 2
    expected = (
        2.0
        * np.sqrt(4.0 * G2 + 1.0)
        * (16.0 * 2.25 / 3.25 / 10.0 + G2 * 16.0 / 1000.0 + 0.01 * 2.0 * 4.0 / 4.0)
    )
    assert compams2022.bound(0.0, 0.0, 4, 0.01, 1000) == pytest.approx(expected, rel=1e-12)
    assert compams2022.largest_lr(0.0) == pytest.approx(1.0 / (12.0 * np.sqrt(4.0 * G2 + 1.0)), rel=1e-12)


def test_the_predicted_points_in_closed_form() -> None:
    # At the root 10 (1 - x)/sigma_1 = (x + 1)/sigma_2.
    r = np.array(compams2022.RATIOS)
    np.testing.assert_allclose(compams2022.local_points(r), (10.0 * r - 1.0) / (10.0 * r + 1.0), atol=1e-12)


def test_the_lemma_needs_one_coordinate_per_step(runs: Runs) -> None:
    grid = runs.grid(compams2022.LEMMA)
    assert (compams2022.step_size_changes(grid) > 6.9).all()
    together = grid.assign(x=grid.x * 0.0 + 1.0)
    assert np.isnan(compams2022.step_size_changes(together)).all()


def test_ledger_names_claims_that_exist() -> None:
    known = {claim.id for claim in compams2022.CLAIMS}
    assert all(set(entry.claims) <= known for entry in compams2022.DEVIATIONS)
