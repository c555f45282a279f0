"""Every claim of Bernstein et al. in the quick tier, and what must make each of them fail."""

import math

import numpy as np
import pytest

from paper_checks import bernstein2018
from tests.tampering import fails_on_tampered_grids, nan, one_nan

test_tampered_grids_fail = fails_on_tampered_grids(
    "bernstein2018",
    ("G1a", "sign_50", "gradient_l1_mean", nan),
    ("G1a", "sign_200", "gradient_l1_mean", one_nan),
    ("G1a", "sign_800", "gradient_l1_mean", lambda x: 105.0 + 0.0 * x),  # the start: it never moved
    ("G1b", "vote_50", "gradient_l1_mean", one_nan),
    ("G1b", "vote_800", "gradient_l1_mean", lambda x: 1.2 * x),
    ("G1c", "sgd", "gradient_square_mean", nan),
    ("G1c", "sgd", "gradient_square_mean", lambda x: 3.0 * x),
    ("G2b", "skewed", "x_final", np.negative),
    ("G2b", "skewed", "x_final", lambda x: 1.05 * x),
    ("G2b", "skewed", "x_final", nan),
    ("G2b", "skewed", "gradient_l1_final", lambda g: g[::-1]),  # the betas exchanged
    ("G2b", "skewed", "gradient_l1_final", one_nan),
    ("G10", "toy_sgd", "gap_mean", one_nan),
    ("G10", "toy_sign", "gap_mean", one_nan),
    ("G10", "toy_sgd", "gap_mean", lambda x: 0.2 * x),
    ("G10", "toy_sign", "gap_mean", lambda x: 10.0 * x),
)


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
    # Standard deviation sqrt(.2 16 + .8) = 2, so at |g| < 1 the bound is below 1/2; the sign
    # is wrong with .8.
    assert bernstein2018.snr_bound(np.array([0.25]))[0] < 0.5
