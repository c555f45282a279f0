"""Every claim of Bernstein et al. in the quick tier, and what must make each of them fail."""

import math
from dataclasses import replace

import numpy as np
import pytest

from paper_checks import bernstein2018
from tests.tampering import fails_on_tampered_grids, grids_of, nan, one_nan, status
from theory_sim.app.runs import Runs
from theory_sim.nouns.claim import Outcome

test_tampered_grids_fail = fails_on_tampered_grids(
    "bernstein2018",
    ("G1a", "sign_50", "gradient_l1_mean", nan),
    ("G1a", "sign_200", "gradient_l1_mean", one_nan),
    ("G1a", "sign_800", "gradient_l1_mean", lambda x: 105.0 + 0.0 * x),  # the start: it never moved
    ("G1a", "noiseless", "gradient_l1_mean", lambda x: (1.0 + 1e-6) * x),
    ("G1b", "frozen", "x_final", lambda x: 1.0 - 0.95 * (1.0 - x)),
    ("G1b", "vote_50", "gradient_l1_mean", one_nan),
    ("G1b", "vote_800", "gradient_l1_mean", lambda x: 1.2 * x),
    ("G1c", "sgd", "gradient_square_mean", nan),
    ("G1c", "sgd", "gradient_square_mean", lambda x: 1.1 * x),
    ("G2b", "skewed", "x_final", np.negative),
    ("G2b", "skewed", "x_final", lambda x: 1.05 * x),
    ("G2b", "skewed", "x_final", nan),
    ("G2b", "skewed", "gradient_l1_final", lambda g: g[::-1]),  # the betas exchanged
    ("G2b", "skewed", "gradient_l1_final", one_nan),
    ("G10", "toy_sgd", "gap_mean", one_nan),
    ("G10", "toy_sign", "gap_mean", one_nan),
    ("G10", "toy_sgd", "gap_mean", lambda x: 0.2 * x),
    ("G10", "toy_sign", "gap_mean", lambda x: 0.3 * x),
    ("G10", "toy_sign", "gap_mean", lambda x: 10.0 * x),
)


def test_a_vote_that_ignores_others_fails(runs: Runs) -> None:
    *votes, _ = grids_of("bernstein2018.G1b", runs)
    alone = runs.grid(replace(bernstein2018.FROZEN, workers=1, name="bernstein2018.alone"))
    assert status("bernstein2018.G1b", [*votes, alone]) is Outcome.FAIL


@pytest.mark.parametrize(
    "wrong", ["2*sigma_sum/sqrt(batch)", "2*sigma_sum/(batch*workers)", "sigma_sum/sqrt(batch*workers)"]
)
def test_another_bound_fails(wrong: str, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    theorem = bernstein2018.MAJORITY_VOTE
    text = theorem.bound.replace("2*sigma_sum/sqrt(batch*workers)", wrong)
    assert text != theorem.bound
    monkeypatch.setattr(bernstein2018, "MAJORITY_VOTE", replace(theorem, bound=text))
    failed = [
        status(f"bernstein2018.{label}", grids_of(f"bernstein2018.{label}", runs)) for label in ("G1a", "G1b")
    ]
    assert Outcome.FAIL in failed


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
