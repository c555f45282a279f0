"""Ahn, Zhang, Kook, Dai, "Understanding Adam Optimizer via Online Learning of Updates: Adam is FTRL in Disguise" (ICML 2024,
arXiv:2402.01567): Adam with beta2 = beta1^2 is discounted FTRL, whose next update is

    -alpha sum_s beta^(t-s) g_s / sqrt(sum_s beta^(2(t-s)) g_s^2).

There is no largest one: by Cauchy's inequality it is at most sqrt(t), attained when beta^(t-s) g_s does not depend on s, by
gradients that decay like beta^t.  Hence the clipping in the paper's algorithm.  In units of Adam without correction

    abs(m_t)/sqrt(v_t) <= sqrt((1-beta)/(1+beta)) sqrt(t),

a threshold: for beta1 < sqrt(beta2) updates are bounded, for beta1 > sqrt(beta2) they can grow like (beta1/sqrt(beta2))^t.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import sequences
from counterexamples.drift import update_bound
from paper_checks.theorems.conditions import CONSTANT, NO_EPS, POSITIVE, REST, UNCORRECTED
from theory_sim import random
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]

BETAS = (0.5, 0.8, 0.9)
STEPS = 200
ENTROPY = 2402


def tied(beta: float = 0.9) -> Optimizer:
    """Adam with beta1 = beta and beta2 = beta^2, uncorrected, lr = 1: discounted FTRL."""
    checks.beta("beta", beta)
    base = ts.adam(1.0, beta, beta * beta, 0.0, bias_correction=False)
    return replace(base, family=tied, arguments={"beta": beta})


GROWTH = Theorem(
    id="ahn2024.growth",
    where="discounted FTRL without clipping; derived here",
    statement="The t-th update of Adam with beta2 = beta1^2 is at most lr sqrt((1-beta1)/(1+beta1)) sqrt(t), so that x moves at most "
    "by the sum of these.",
    conditions=(
        POSITIVE,
        CONSTANT,
        Condition("beta1^2 == beta2", "beta2 is the square of beta1"),
        UNCORRECTED,
        *REST,
        *NO_EPS,
    ),
    bound="x0 - lr*sqrt((1 - beta1)/(1 + beta1))*2*((T + 1)^(3/2) - 1)/3",
    side="lower",
    quantity="x_final",
    problem=lambda: sequences.geometric(0.9),
    own_problem=True,
    families=(sequences.heavy_tailed,),
    optimizer=lambda: ts.adam(1.0, 0.9, 0.81, 0.0, bias_correction=False),
    run={"steps": 200},
)

DECAYING = ts.Sweep(
    sequences.geometric(1.0),
    tied(),
    {"ratio": (0.5, 0.8, 0.9, 1.0), "beta": BETAS},
    steps=STEPS,
    checkpoints=range(1, STEPS + 1),
    name="ahn2024.decaying",
)
RANDOM = ts.Sweep(
    sequences.heavy_tailed(0.5),
    tied(),
    {"beta": BETAS},
    steps=STEPS,
    seeds=4,
    checkpoints=range(1, STEPS + 1),
    entropy=ENTROPY,
    name="ahn2024.random",
)


def updates(grid: xr.Dataset) -> xr.DataArray:
    """Return -(x_{t+1} - x_t) of a run from 0."""
    moves: xr.DataArray = -grid.x.diff("checkpoint", label="upper")
    return moves


def followed(g: Array, beta: float) -> Array:
    """Return the updates of discounted FTRL by minimising its objective, in units of Adam.

    At step t it is the minimiser over u of sum_s beta^(t-s) g_s u + sqrt(sum_s beta^(2(t-s)) g_s^2) u^2/2, with the
    sign of what is added to x turned.
    """
    found = []
    for t in range(1, len(g) + 1):
        weights = beta ** np.arange(t - 1, -1, -1.0)
        found.append(weights @ g[:t] / math.sqrt(weights**2 @ g[:t] ** 2))
    return math.sqrt((1.0 - beta) / (1.0 + beta)) * np.array(found)


@claim("ahn2024.U1", "Adam is discounted FTRL", "exact", RANDOM, constants="derived")
def adam_is_discounted_ftrl(grid: xr.Dataset) -> Evidence:
    """With beta2 = beta1^2 every update of Adam on random heavy-tailed gradients is sqrt((1-beta)/(1+beta)) times that of
    discounted FTRL, computed from its definition."""
    parts = []
    for seed in grid.seed.values.tolist():
        stream = int(random.key(ENTROPY, seed))
        draws = [
            (random.uniform_at(stream, t, 1), random.uniform_at(stream, t, 2)) for t in range(1, STEPS + 1)
        ]
        g = np.array([(1.0 - u) ** -0.5 * (1.0 if v < 0.5 else -1.0) for u, v in draws])
        for beta in BETAS:
            seen = updates(grid.sel(beta=beta, seed=seed)).values
            error = float(np.max(np.abs(seen - followed(g, beta)[1:])))
            # x is a sum of up to 200 updates of size up to 1.
            parts.append(
                at_most(error, 1e-12, f"beta = {beta:g}: largest difference of an update, {STEPS} steps")
            )
    return all_of(parts)


@claim("ahn2024.U2", "clipping of the updates", "tight", DECAYING, constants="derived")
def updates_grow_without_clipping(grid: xr.Dataset) -> Evidence:
    """On gradients that decay like beta^t the t-th update of Adam with beta2 = beta^2 is exactly sqrt((1-beta)/(1+beta) t), so that
    nothing bounds it; beta2 slightly larger does."""
    parts = []
    for beta in BETAS:
        limit = math.sqrt((1.0 - beta) / (1.0 + beta)) * np.sqrt(np.arange(2.0, STEPS + 1.0))
        cell = updates(grid.sel(beta=beta).isel(seed=0)).transpose("ratio", "checkpoint")
        worst = cell.sel(ratio=beta).values / limit
        # x sums up to 1100, and the updates are differences.
        parts.append(
            within(
                float(worst.min()), 1.0, 1e-10, f"beta = {beta:g}, ratio beta: smallest share of the limit"
            )
        )
        parts.append(
            at_most(float((np.abs(cell.values) / limit).max()), 1.0 + 1e-10, f"beta = {beta:g}: every ratio")
        )
        constant = float(cell.sel(ratio=1.0).values[-1])
        parts.append(within(constant, 1.0, 1e-6, f"beta = {beta:g}, constant gradients: last update"))
        bounded = float(update_bound(beta, beta**1.9))
        parts.append(
            at_least(float(limit[-1]) / bounded, 0.5, "limit at t = 200 over the bound for beta2 = beta^1.9")
        )
    return all_of(parts)


CLAIMS = [adam_is_discounted_ftrl, updates_grow_without_clipping]
THEOREMS = [GROWTH]

DEVIATIONS = ledger("ahn2024",
    ("Regret of discounted FTRL", "Discounted regret of order D sqrt(sum beta^(2(T-t)) g_t^2) with clipped updates.",
     "Only the abstract and the introduction were at hand. Checked is the equivalence, and why the updates are clipped: Adam itself "
     "does not clip them.", "U1", "U2"),
)  # fmt: skip
