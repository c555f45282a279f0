"""The claims on LARS, LAMB, LISA and zeroth-order gradients, and what must make each of them fail."""

from __future__ import annotations

import numpy as np
import pytest

from paper_checks import malladi2023, pan2024lisa, you2020lamb
from tests.tampering import fails_on_tampered_grids, nan, one_nan

test_tampered_layers_fail = fails_on_tampered_grids(
    "you2020lamb",
    ("L1", "random_lars", "layer_norms_mean", lambda v: 4.0 * v),
    ("L1", "random_lamb", "layer_l1_mean", one_nan),
    ("L1", "noisy_lars", "layer_norms_mean", nan),
    ("L1", "attained_lamb", "layer_l1_mean", lambda v: 0.999 * v),
    ("L2", "path_lars", "x", lambda x: x * (1.0 + 1e-9 * np.arange(x.shape[-2])[:, None])),
    ("L2", "path_lamb", "x", lambda x: x + 1e-10 * (np.arange(len(x)) == 1)[:, None, None, None]),
    ("L2", "path_lamb", "x", nan),
    ("L3", "tuned_gd", "x_final", lambda x: 0.8 * x),
    ("L3", "tuned_gd_linear", "x_final", lambda x: 0.8 * x),
    ("L3", "tuned_lars", "x_final", lambda x: 1e4 * x),
    ("L3", "tuned_lamb", "x_final", nan),
)
test_tampered_lisa_fails = fails_on_tampered_grids(
    "pan2024lisa",
    ("LI1", "slow", "x_final", lambda x: 1.001 * x),
    ("LI1", "slow", "x_final", one_nan),
    ("LI1", "slow", "gap_final", lambda v: 0.5 * v),
    ("LI1", "slow", "x_final", lambda x: x**2),  # twice the updates
    ("LI1", "at_once", "gap_final", lambda v: 0.5 * v),
)
test_tampered_estimates_fail = fails_on_tampered_grids(
    "malladi2023",
    (
        "Z1",
        "sphere_20_1",
        "x_final",
        lambda x: 1.0 + 1.1 * (x - 1.0),
    ),  # d + 2 for d: ten per cent of ||ghat||^2
    ("Z1", "gaussian_3_1", "x_final", one_nan),
    ("Z1", "hessian_sphere", "gap_final", lambda v: 1.1 * v),
    ("Z1", "quartic", "x_final", lambda x: x + 0.5),  # no bias
    ("Z2", "rank_1000", "first_hit", lambda h: 2 * h),
    ("Z2", "rank_10", "gap", lambda v: 4.0 * v),
    ("Z2", "isotropic_300", "first_hit", lambda h: h // 2),
    ("Z2", "isotropic_10", "first_hit", lambda h: np.full_like(h, -1)),
    ("Z3", "limit_10", "gap_final", lambda v: v[::-1]),
    ("Z3", "limit_100", "gap_final", lambda v: v[::-1]),
    ("Z3", "typical_100", "gap_final", lambda v: v[::-1]),
    ("Z3", "typical_10", "gap_final", one_nan),
)


def test_bounds_by_hand() -> None:
    # gap = L/2, lr = 1/40, T = 400, phi in [1/2, 2]: (1/2)/(1/2)/10 + (1/40) 4/(2/2) = .1 + .1, in units of L.
    problem = you2020lamb.RANDOM[0].problem
    found = you2020lamb._bound(you2020lamb.RANDOM[0], you2020lamb.LARS)
    assert found == pytest.approx(0.2 * problem.facts["L_layers"])
    # noise adds 2*4 sigma
    noisy = you2020lamb.NOISY[1]
    loud = you2020lamb._bound(noisy, you2020lamb.LAMB)
    assert loud - found == pytest.approx(8.0 * noisy.problem.facts["sigma_layers"])


def test_shares_of_lisa_by_hand() -> None:
    # One of eight layers, lr = 1, two periods: (7/8)^2.  All of them: (1 - lr)^(2 T).
    assert pan2024lisa.expected_share(1, 1.0, 40) == pytest.approx(49 / 64)
    assert pan2024lisa.expected_share(8, 0.5, 20) == pytest.approx(0.5**40)


def test_theorems_on_estimates_by_hand() -> None:
    # d = r = 10, lr = 1/12: (1 - 1/12)^T; isotropic: 1 - 2/12 + 12/144 is the same.
    values = {
        "lr": 1 / 12,
        "s": 0,
        "mu": 1.0,
        "L": 1.0,
        "effective_rank": 10.0,
        "workers": 1,
        "T": 3,
        "gap_1": 2.0,
    }
    bound = malladi2023.DESCENT.evaluate(values)
    assert bound == pytest.approx(2.0 * (11 / 12) ** 3)
    assert malladi2023.EXACT.evaluate({**values, "d": 10.0}) == pytest.approx(bound)
    assert malladi2023.DESCENT.assess({**values, "lr": 0.084}).applies == "FAILS"
