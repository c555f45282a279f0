"""Chen, Wolfe, Kyrillidis, "REX: Revisiting Budgeted Training with an Improved Schedule"
(arXiv:2107.04197)."""

from __future__ import annotations

import numpy as np

import theory_sim as ts
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger

_PAPER = "2107.04197"
# z = 0, .25, .5, .75, .9, 1 of 20 steps
VALUES = ((0, 1.0), (5, 6 / 7), (10, 2 / 3), (15, 0.4), (18, 2 / 11), (20, 0.0))


@claim("rex2021.W2", f"{_PAPER}, the schedule", "exact", constants="read")
def rex_is_a_reflected_exponential() -> Evidence:
    """(1 - z)/(1/2 + (1 - z)/2) is 1, 6/7, 2/3, 2/5, 2/11 and 0 at z = 0, .25, .5, .75, .9 and 1, above
    linear decay everywhere, and is linear decay at b = 0."""
    found, line = ts.rex(20).factors(21), ts.linear(20).factors(21)
    error = max(abs(found[n] - wanted) for n, wanted in VALUES)
    return all_of(
        [
            at_most(error, 1e-15, "largest error at six points"),
            at_least(np.min((found - line)[1:20]), 0.02, "REX less linear decay, 0 < z < 1"),
            at_most(np.max(np.abs(ts.rex(20, 0.0).factors(21) - line)), 1e-15, "b = 0 less linear decay"),
        ]
    )


@claim("rex2021.X1", f"{_PAPER}, comparison of schedules", "order", constants="none")
def rex_scores_between_linear_and_cosine() -> Evidence:
    """In the bound for the last iterate REX is worse than linear decay by 1 %, and better than cosine, at T =
    100, 1000 and 10000."""
    scores = np.array(
        [
            [ts.schedule_score(made(n), n) for made in (ts.linear_decay, ts.rex, ts.cosine)]
            for n in (100, 1000, 10_000)
        ]
    )
    over = scores[:, 1] / scores[:, 0] - 1.0
    return all_of(
        [
            at_least(np.min(over), 0.008, "REX over linear decay, less 1"),
            at_most(np.max(over), 0.013, "the same"),
            at_least(np.min(scores[:, 2] - scores[:, 1]), 0.02, "cosine less REX"),
        ]
    )


CLAIMS = [rex_is_a_reflected_exponential, rex_scores_between_linear_and_cosine]
DEVIATIONS = ledger("rex2021",
    (f"{_PAPER}, the schedule", "A profile, and how often it is sampled.",
     "Read in public code (pytorch_optimizer), not in the paper: the profile, sampled at every step. The "
     "family in b is recalled.", "W2"),
    (f"{_PAPER}, comparison of schedules", "REX is the best of several schedules on networks, more so for "
                                           "small budgets.",
     "Not run on networks. In the worst case of convex functions it is not the best; the difference of 1 % "
     "would not be seen.", "X1"),
)  # fmt: skip
