"""Bernstein, Zhao, Azizzadenesheli, Anandkumar, "signSGD with Majority Vote is Communication Efficient and Fault Tolerant"
(ICLR 2019, arXiv:1810.05291): a vote bears any share below one half of workers that send the opposite of their sign.

With M voters, A of them adversaries, each sign of an honest one right with probability p > 1/2, the sum of the votes has the
mean (M - 2 A)(2 p - 1) and the variance 4 M p (1-p), so that by Cantelli's inequality, 1/(1 + y^2) <= 1/(2 y),

    P(vote wrong) <= sqrt(M) sqrt(4 p (1-p))/(2 (M - 2 A)(2 p - 1)) <= sqrt(M) sigma/((M - 2 A) abs(g)),

as sqrt(4 p (1-p))/(2 p - 1) <= 2 sigma/abs(g) for unimodal symmetric noise.  The rest is the descent of signSGD.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import sign
from paper_checks.theorems.conditions import CONSTANT, POSITIVE, UNBIASED
from paper_checks.theorems.sign import MAJORITY_VOTE
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.theorem import Condition, Theorem

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]

VOTERS = 9
ADVERSARIES = (0, 2, 4, 5, 9)
LR = 0.02

DISTURBED = Theorem(
    id="bernstein2019.thm2",
    where="Theorem 2, adversaries that invert their sign, for any constant step; constants of our own",
    statement="With unimodal symmetric noise and adversaries among less than half of the workers the mean of E||grad f||_1 of a "
    "majority vote is at most gap_1/(lr T) + lr L_sum/2 + 2 sigma_sum sqrt(workers)/(workers - 2 adversaries).",
    conditions=(
        POSITIVE,
        CONSTANT,
        Condition("asymmetry == 0", "unimodal symmetric noise"),
        Condition("2*adversaries < workers", "less than half of the workers are adversaries"),
        UNBIASED,
    ),
    bound="gap_1/(lr*T) + lr*L_sum/2 + 2*sigma_sum*sqrt(workers)/(sqrt(batch)*(workers - 2*adversaries))",
    quantity="gradient_l1_mean",
    meaning={
        "asymmetry": "|P(noise > 0) - P(noise < 0)|, 0 for unimodal symmetric noise",
        "adversaries": "workers that send the opposite of their sign",
    },
    assumes=("workers are independent",),
    problem=lambda: sign.quadratic(20),
    optimizer=lambda: ts.disturbed_vote(LR, 2),
    run={"steps": 500, "seeds": 8, "workers": VOTERS},
    values=MAJORITY_VOTE.values,
)

FIRST = ts.Sweep(
    sign.quadratic(20, loud=1.0),
    ts.disturbed_vote(LR),
    {"adversaries": ADVERSARIES},
    steps=1,
    seeds=4_000,
    workers=VOTERS,
    entropy=1810,
    name="bernstein2019.first",
    quick={"seeds": 1_000},
)
RUN = ts.Sweep(
    sign.quadratic(20, sigma=4.0, loud=4.0),
    ts.disturbed_vote(LR),
    {"adversaries": ADVERSARIES},
    steps=1_000,
    seeds=16,
    workers=VOTERS,
    running=True,
    entropy=1810,
    name="bernstein2019.run",
    quick={"seeds": 8},
)


def mean_vote(p: Array, adversaries: int, voters: int = VOTERS) -> Array:
    """Return P(vote is right) - P(vote is wrong), where a sign of an honest worker is right with probability p."""
    found = []
    for chance in p.tolist():
        law = np.ones(1)  # of the number of right votes
        for j in range(voters):
            right = 1.0 - chance if j < adversaries else chance
            law = np.convolve(law, [1.0 - right, right])
        counts = np.arange(voters + 1)
        found.append(float(law @ np.sign(2 * counts - voters)))
    return np.array(found)


@claim("bernstein2019.Y1", "votes under adversaries", "exact", FIRST, constants="derived")
def the_mean_step_of_a_disturbed_vote(grid: xr.Dataset) -> Evidence:
    """The mean step of a vote of nine, of which 0, 2, 4, 5 or 9 invert their sign, is that of the two binomial laws, in every
    coordinate; with A and 9 - A adversaries it is opposite."""
    slopes = np.array(FIRST.problem.constants["L"])
    p = np.array([0.5 * math.erfc(-slope / math.sqrt(2.0)) for slope in slopes.tolist()])
    parts = []
    for adversaries in ADVERSARIES:
        step = (1.0 - grid.x_final.sel(adversaries=adversaries).transpose("seed", "coordinate").values) / LR
        wanted = mean_vote(p, adversaries)
        # The standard error of a mean of signs, of 20 coordinates together.
        error = np.sqrt(np.maximum(1.0 - wanted**2, 1e-3) / len(step))
        chi = float(np.mean(((step.mean(axis=0) - wanted) / error) ** 2))
        parts.append(
            at_most(
                chi, 2.8, f"{adversaries} adversaries: mean squared error in standard errors, 20 coordinates"
            )
        )
        parts.append(
            within(
                step.mean(), wanted.mean(), 5.0 * float(np.mean(error)), f"{adversaries} adversaries: mean"
            )
        )
    mirrored = float(np.max(np.abs(mean_vote(p, 4) + mean_vote(p, 5))))
    return all_of([*parts, at_most(mirrored, 1e-12, "mean steps with 4 and 5 adversaries add up to")])


@claim("bernstein2019.Y2", "Theorem 2", "upper", RUN, constants="derived")
def less_than_half_is_borne(grid: xr.Dataset) -> Evidence:
    """With up to 4 adversaries among nine the mean 1-norm of the gradient stays below the bound and falls; with 5 or 9 the
    gradient grows from the start."""
    T = int(grid.attrs["steps"])
    start = float(np.sum(RUN.problem.constants["L"]))
    parts = []
    means = []
    for adversaries in ADVERSARIES:
        cell = grid.sel(adversaries=adversaries)
        end = float(cell.gradient_l1_final.mean(skipna=False))
        mean = float(cell.gradient_l1_mean.mean(skipna=False))
        if 2 * adversaries > VOTERS:
            parts.append(
                at_least(
                    end / start, 1.2, f"{adversaries} adversaries: ||grad f||_1 at the end over its start"
                )
            )
            continue
        known = DISTURBED.gather(RUN.problem, RUN.optimizer.replace(adversaries=adversaries))
        bound = float(DISTURBED.evaluate({**known, "T": T, "workers": VOTERS, "gap_1": 0.5 * start}))
        parts.append(
            at_most(mean / bound, 1.0, f"{adversaries} adversaries: mean ||grad f||_1 over the bound")
        )
        means.append(mean)
    known = DISTURBED.gather(RUN.problem, RUN.optimizer.replace(adversaries=0))
    tight = means[0] / float(DISTURBED.evaluate({**known, "T": T, "workers": VOTERS, "gap_1": 0.5 * start}))
    parts.append(at_least(tight, 0.05, "no adversary: the same, no vacuous bound"))
    parts.append(at_least(float(np.min(np.diff(means))), 0.05, "what two more adversaries add to the mean"))
    return all_of(parts)


CLAIMS = [the_mean_step_of_a_disturbed_vote, less_than_half_is_borne]
THEOREMS = [DISTURBED]

DEVIATIONS = ledger("bernstein2019",
    ("Theorem 2", "(mean of E||g||_1)^2 <= 4/sqrt(N) [sigma/((1 - 2 alpha) sqrt(M)) + sqrt(||L||_1 (f_0 - f*))]^2, as we recall it.",
     "Derived here for any constant step, with alpha = A/M; the noise term is 2 sigma/((1 - 2 alpha) sqrt(M)).", "Y2"),
    ("Adversaries", "Workers that invert their sign; a share alpha of them, whichever.",
     "The first A of nine, which have the same gradients as the others.", "Y1", "Y2"),
)  # fmt: skip
