"""Shen and others, "Power Scheduler: A Batch Size and Token Number Agnostic Learning Rate Scheduler"
(arXiv:2408.13359)."""

from __future__ import annotations

import numpy as np

import theory_sim as ts
from theory_sim.nouns.claim import Evidence, all_of, at_most, claim, ledger, within

_PAPER = "2408.13359"
A, B, PEAK = 4.0, 0.51, 0.02


@claim("power2024.W2", f"{_PAPER}, the schedule", "exact", constants="read")
def past_the_crossover_the_plan_does_not_matter() -> Evidence:
    """min(.02, 4 n^-.51) leaves .02 at n = 32495.5 and is .01127353 at 10^5 and .00348385 at 10^6; past the
    crossover, and before the decay at the end, it depends neither on the planned T nor on the peak."""
    crossover = ts.power_crossover(PEAK, A, 1.0, B)
    long = ts.power_decay(10**7, B, crossover)
    rates = {n: PEAK * float(long.rule(n, *long.parameters.values())) for n in (10**5, 10**6)}
    short, longer = (ts.power_decay(steps, B, 10.0).factors(900) for steps in (1000, 2000))
    # twice the peak, whose crossover is where 4 n^-.51 has the same value
    high = 2.0 * ts.power_decay(1000, B, 10.0 * 2.0 ** (-1.0 / B)).factors(900)
    return all_of(
        [
            within(crossover, 32495.5, 0.05, "crossover"),
            within(rates[10**5], 0.01127353, 5e-9, "step size at 10^5"),
            within(rates[10**6], 0.00348385, 5e-9, "step size at 10^6"),
            at_most(np.max(np.abs(short - longer)), 0.0, "T = 1000 less T = 2000 before the decay"),
            at_most(
                np.max(np.abs(high[9:] - short[9:])), 1e-14, "twice the peak less once, from the crossover on"
            ),
        ]
    )


@claim("power2024.X1", f"{_PAPER}, decay at the end", "exact", constants="derived")
def the_decay_at_the_end_takes_most_of_the_logarithm() -> Evidence:
    """In the bound for the last iterate t^-.51 alone grows from 2.254 at T = 100 to 2.886 at 10000; with an
    exponential decay over the last tenth to 1 % from 2.250 to 2.416."""
    alone = [ts.schedule_score(ts.power(B), n) for n in (100, 10_000)]
    decayed = [ts.schedule_score(ts.power_decay(n, B), n) for n in (100, 10_000)]
    return all_of(
        [
            within(alone[0], 2.2541, 5.1e-5, "score of t^-.51, T = 100"),
            within(alone[1], 2.8859, 5.1e-5, "the same, T = 10000"),
            within(decayed[0], 2.2500, 5.1e-5, "with the decay, T = 100"),
            within(decayed[1], 2.4155, 5.1e-5, "the same, T = 10000"),
        ]
    )


CLAIMS = [past_the_crossover_the_plan_does_not_matter, the_decay_at_the_end_takes_most_of_the_logarithm]
DEVIATIONS = ledger("power2024",
    (f"{_PAPER}, the schedule", "lr = min(lr_max, beta a n^b), n the tokens seen, with warm-up and a decay "
                                "at the end.",
     "Read in a summary and in a public implementation, which has a = 4; we recall a = 4.6 of the paper. n "
     "counts steps here, and the product beta a is given by the crossover. The decay is the exponential "
     "one, from the value at its beginning.", "W2"),
    (f"{_PAPER}, decay at the end", "The exponents are fitted to language models.",
     "No model is trained. The score is that of the worst case, where b = .51 is next to the 1/2 that is "
     "best without a plan.", "X1"),
)  # fmt: skip
