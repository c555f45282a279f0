"""Unbiased estimators: WTA-CRS (arXiv:2305.15265) of matrix products, ReMax (arXiv:2310.10505) of policy gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterexamples import estimators
from paper_checks.theorems.recursions import WINNERS
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.theorem import Answer

Array = np.ndarray[Any, np.dtype[np.float64]]

N, K = 64, 16
KEPT = (2, 4, 6, 8, 12)


def matrices(seed: int, heavy: float = 1.0) -> tuple[Array, Array]:
    """Return X (8, 64) and Y (64, 8) whose pairs have lognormal sizes, of equal size at heavy = 0."""
    random = np.random.default_rng([2305, seed])
    X, Y = random.standard_normal((8, N)), random.standard_normal((N, 8))
    X, Y = X / np.linalg.norm(X, axis=0), Y / np.linalg.norm(Y, axis=1, keepdims=True)
    return X * np.exp(heavy * random.standard_normal(N)), Y * np.exp(heavy * random.standard_normal((N, 1)))


@claim("liu2023wtacrs.E1", "variance of WTA-CRS", "order", constants="derived")
def winners_are_kept_without_bias(tier: str) -> Evidence:
    """WTA-CRS is unbiased for every C; its variance is below that of column-row sampling, and below the derived bound, in every one
    of the random instances whose kept mass exceeds C/k, and above where all pairs are alike."""
    bias, strict, bound, applied = 0.0, 0.0, 0.0, 0
    for seed in range(20 if tier == "quick" else 200):
        X, Y = matrices(seed)
        _, plain = estimators.moments(X, Y, estimators.winner_take_all(X, Y, K))
        for C in KEPT:
            how = estimators.winner_take_all(X, Y, K, C)
            mean, variance = estimators.moments(X, Y, how)
            bias = max(bias, float(np.abs(mean - X @ Y).max() / np.abs(X @ Y).max()))
            found = WINNERS.assess({"P": how.mass, "C": C, "k": K, "V": plain})
            if found.applies is Answer.HOLDS:
                applied += 1
                strict, bound = max(strict, variance / plain), max(bound, variance / found.bound)
    alike = matrices(0, heavy=0.0)
    even = [estimators.moments(*alike, estimators.winner_take_all(*alike, K, C))[1] for C in (0, 8)]
    return all_of(
        [
            at_most(bias, 1e-12, "error of the mean, relative"),
            at_least(applied, 50, "instances with P_C > C/k"),
            at_most(strict, 0.999, "largest variance over that of column-row sampling"),
            at_most(bound, 1.0 + 1e-9, "largest variance over the derived bound"),
            at_least(even[1] / even[0], 1.5, "the same where all pairs are alike and C = 8"),
        ]
    )


@claim("li2023remax.E1", "greedy baseline", "exact", constants="derived")
def the_greedy_baseline_has_no_bias_and_mostly_less_variance() -> Evidence:
    """The reward of the greedy action as baseline leaves no bias, and lowers the variance if and only if it is below 2 b*, b* the best constant
    baseline: in 96 % of 2000 random bandits, but in less than 90 % of those in which one action has nine tenths of the mass."""
    random = np.random.default_rng([2310, 10505])
    shares = []
    bias = agree = 0.0
    for spread, count in ((2.0, 2000), (6.0, 2000)):
        logits, rewards = random.normal(0.0, spread, (count, 10)), random.uniform(0.0, 1.0, (count, 10))
        greedy = rewards[np.arange(count), logits.argmax(axis=1)]
        _, plain, best = estimators.reinforce(logits, rewards, np.zeros(count))
        wrong, variance, _ = estimators.reinforce(logits, rewards, greedy)
        # Where both variances agree to rounding neither is the smaller one.
        clear = np.abs(variance / plain - 1.0) > 1e-9
        agree = max(agree, float(np.mean(((variance < plain) != (greedy < 2.0 * best))[clear])))
        bias = max(bias, float(wrong.max()))
        sure = estimators.softmax(logits).max(axis=1) > (0.0 if spread == 2.0 else 0.9)
        shares.append(float(np.mean((variance < plain)[sure])))
    return all_of(
        [
            at_most(bias, 1e-14, "largest bias"),
            at_most(agree, 0.0, "share of bandits on which the criterion errs"),
            # Three standard errors of a share of 2000 are .013.
            within(shares[0], 0.965, 0.015, "share with less variance"),
            within(shares[1], 0.81, 0.05, "the same where one action has .9 of the mass"),
        ]
    )


CLAIMS = [winners_are_kept_without_bias, the_greedy_baseline_has_no_bias_and_mostly_less_variance]

DEVIATIONS = [
    *ledger(
        "liu2023wtacrs",
        (
            "variance of WTA-CRS",
            "Less variance if the kept mass exceeds C/k.",
            "Means and variances are exact finite sums, not samples. The condition is sufficient, as derived in "
            "paper_checks.theorems.recursions; 64 pairs with lognormal sizes, 16 taken.",
            "E1",
        ),
    ),
    *ledger(
        "li2023remax",
        (
            "greedy baseline",
            "The greedy baseline reduces variance.",
            "One step, ten actions, rewards uniform on (0, 1), logits normal with standard deviation 2, and 6 for sharp policies; exact sums. "
            "A policy that is nearly sure makes a reduction less likely, not more: then the rewards of the other actions decide, with which "
            "the greedy one has little to do.",
            "E1",
        ),
    ),
]
