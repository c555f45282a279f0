"""Singh and others, "Beyond Cosine Decay: On the Effectiveness of Infinite Learning Rate Schedule for
Continual Pre-training" (arXiv:2503.02844)."""

from __future__ import annotations

import numpy as np

import theory_sim as ts
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within

_PAPER = "2503.02844"
WARMUP, COOLDOWN, START, LENGTH, LEVEL, FLOOR = 10, 20, 70, 30, 0.3, 0.01
VALUES = (
    (0, 0.0),
    (5, 0.5),
    (10, 1.0),
    (20, 0.65),
    (30, 0.3),
    (69, 0.3),
    (70, 0.3),
    (85, 0.003**0.5),
    (100, 0.01),
)


@claim("infinite2025.W2", f"{_PAPER}, equation 1", "exact", constants="read")
def the_annealing_ends_at_the_floor() -> Evidence:
    """With warm-up 10, cooldown 20 and annealing from 70 over 30 steps the factor is 0, .5, 1, .65, .3, .3,
    .3, sqrt(.003) and .01 at n = 0, 5, 10, 20, 30, 69, 70, 85 and 100; with the exponent divided by 30 + 70,
    as printed, it ends at .108 instead of .01."""
    given = (WARMUP, COOLDOWN, START)
    found = ts.infinite(*given, LENGTH, LEVEL, FLOOR).factors(101)
    printed = ts.infinite(*given, LENGTH + START, LEVEL, FLOOR).factors(101)
    return all_of(
        [
            at_most(
                max(abs(found[n] - wanted) for n, wanted in VALUES), 1e-15, "largest error at nine steps"
            ),
            within(printed[100], LEVEL * (FLOOR / LEVEL) ** 0.3, 1e-15, "as printed, at n = 100"),
            at_least(printed[100] / found[100], 10.0, "as printed over the floor"),
        ]
    )


@claim("infinite2025.X1", f"{_PAPER}, continual training", "exact", constants="derived")
def annealing_can_begin_anywhere() -> Evidence:
    """Runs that begin to anneal at 500 and at 900 are the same up to 500; annealed over the last fifth the
    schedule scores 2.147 in the bound for the last iterate, without annealing 2.823, next to the 2.913 of
    constant steps."""
    early, late = (ts.infinite(0, 100, start, 100).factors(600) for start in (500, 900))
    scores = {
        name: ts.schedule_score(ts.infinite(0, 100, start, 200), 1000)
        for name, start in (("annealed", 800), ("not annealed", 1000))
    }
    return all_of(
        [
            at_most(np.max(np.abs(early[:501] - late[:501])), 0.0, "the two runs up to n = 500"),
            at_least(np.max(np.abs(early - late)), 0.1, "and after it"),
            within(scores["annealed"], 2.1473, 5.1e-5, "score at T = 1000, annealed over the last 200"),
            within(scores["not annealed"], 2.8232, 5.1e-5, "the same, not annealed"),
            within(ts.schedule_score(ts.constant(), 1000), 2.9128, 5.1e-5, "the same, constant steps"),
        ]
    )


CLAIMS = [the_annealing_ends_at_the_floor, annealing_can_begin_anywhere]
DEVIATIONS = ledger("infinite2025",
    (f"{_PAPER}, equation 1", "The exponent of the annealing is divided by t_a + N_d.",
     "Read as a public implementation quotes it, not in the paper. With t_a alone the step reaches its "
     "floor after the annealing length; that is the default here, and the sum can be given for the printed "
     "reading.", "W2"),
    (f"{_PAPER}, continual training", "Loss curves of continued pre-training.",
     "Nothing is trained. The score is that of the bound, with a level of .3, a floor of .01 and a cooldown "
     "of 100 of 1000 steps.", "X1"),
)  # fmt: skip
