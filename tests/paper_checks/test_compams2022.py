"""Every claim of COMP-AMS in the quick tier, and what must make each of them fail."""

import numpy as np
import pytest

from paper_checks import compams2022
from tests.tampering import fails_on_tampered_grids, fails_with_other_sweeps, one_nan
from theory_sim.app.runs import Runs

test_tampered_grids_fail = fails_on_tampered_grids(
    "compams2022",
    ("QC18", "speed_exact", "gradient_square_mean", lambda g: g**1.2),
    ("QC18", "speed_top", "gradient_square_mean", lambda g: 1.2 * g),
    ("QC18", "speed_sign", "gradient_square_mean", one_nan),
    ("QC18", "speed_local", "gradient_square_mean", np.sqrt),
    ("QC22", "theorem_exact", "gradient_square_mean", lambda g: 20.0 * g),
    ("QC22", "theorem_top", "gradient_square_mean", one_nan),
    ("QC22", "theorem_flat", "gradient_square_mean", one_nan),
    ("QC22", "theorem_flat", "gradient_square_mean", lambda g: g / 2.0),
    ("QC22", "theorem_flat", "gradient_square_mean", lambda g: 10.0 * g),
    ("QC22", "theorem_sign", "gradient_square_mean", lambda g: np.full_like(g, np.inf)),
    ("QC23", "two_server", "mean_x_mean", lambda x: x + 0.02),
    ("QC23", "two_sign", "mean_x_mean", one_nan),
    ("QC23", "two_local", "mean_x_mean", lambda x: np.full_like(x, 9.0 / 11.0)),
    ("QC23", "two_local", "mean_x_mean", lambda x: x + 0.02),
    ("QC23", "three_server", "mean_x_mean", lambda x: x - 0.02),
    ("QC28", "lemma", "x", lambda x: 0.99 * x),
    ("QC28", "lemma", "x", np.negative),
    ("QC28", "lemma", "x", one_nan),
    ("QC30", "batch_server", "x", lambda x: x + 1e-11),
    ("QC30", "batch_server", "x", one_nan),
    ("QC30", "batch", "x", one_nan),
)


test_server_and_local_moments_cannot_be_exchanged = fails_with_other_sweeps(
    "compams2022", ("QC23", "two_local", "two_sign", "two_server", "three_server")
)


def test_the_bound_by_hand() -> None:
    # q = 0, beta1 = 0: 2 C0 (gap/(T lr) + G_norm^2 d/T + lr L sigma^2/N), C0 = sqrt(4 G_norm^2 + 1), d = 16,
    # G_norm^2 = 16 * 1.149519^2.
    G2 = 16.0 * (3.0 * np.sqrt(3.0) / 8.0 + 0.5) ** 2
    expected = (
        2.0
        * np.sqrt(4.0 * G2 + 1.0)
        * (16.0 * 2.25 / 3.25 / 10.0 + G2 * 16.0 / 1000.0 + 0.01 * 2.0 * 4.0 / 4.0)
    )
    assert compams2022.bound(0.0, 0.0, 4, 0.01, 1000) == pytest.approx(expected, rel=1e-12)
    # q^2 = 3/4, beta1 = 1/2: C0^2 = 4 (7/4)^3/(1/16) G2 + 1 = 343 G2 + 1, C1 = 1 + 4 sqrt 3.
    C0, C1 = np.sqrt(343.0 * G2 + 1.0), 1.0 + 4.0 * np.sqrt(3.0)
    early = (1.0 + C1) * G2 * 16.0 / 1000.0 + 0.01 * (1.0 + 2.0 * C1) * C1 * 2.0 * G2 * 16.0 / 1000.0
    noise = 0.01 * 2.0 * 4.0 / 4.0 + 3.0 * 1e-4 * 2.0 * C0 * C1 * 4.0 / 4.0
    expected = 2.0 * C0 * (16.0 * 2.25 / 3.25 / 10.0 + early + noise)
    assert compams2022.bound(np.sqrt(0.75), 0.5, 4, 0.01, 1000) == pytest.approx(expected, rel=1e-12)
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
