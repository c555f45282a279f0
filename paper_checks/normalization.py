"""Normalised weights: growth and equilibrium of their length, projection (arXiv:2407.01800), and Peri-LN (arXiv:2502.02732).

SGD with decay, w <- (1 - eta lam) w - eta g with g orthogonal to w and |g| = |g~|/|w|, has |w|^2 <- (1 - eta lam)^2 |w|^2 + eta^2
|g~|^2/|w|^2 exactly, so that in equilibrium (2 lam - eta lam^2) E|w|^2 = eta E[|g~|^2/|w|^2]; as the length hardly
fluctuates, E|w|^4 = eta E|g~|^2/(2 lam - eta lam^2) up to order eta lam.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples import normalization
from paper_checks.theorems.recursions import GROWTH as BOUND
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger
from theory_sim.nouns.sweep import Sweep
from theory_sim.optimizers.momentum import gd, sgd
from theory_sim.optimizers.projected import projected_sgd

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]

D = 10
LENGTHENING = Sweep(
    normalization.rayleigh(D),
    gd(),
    {"lr": (0.1, 1.0, 10.0)},
    steps=1000,
    running=True,
    checkpoints=[1000],
    name="lyle2024.growth",
)
EQUILIBRIUM = Sweep(
    normalization.rayleigh(D, sigma=1.0),
    sgd(),
    {"lr": (0.02, 0.05), "decay": (0.05, 0.2)},
    steps=100_000,
    seeds=16,
    running=True,
    checkpoints=[50_000, 100_000],
    name="lyle2024.equilibrium",
    quick={"steps": 20_000, "checkpoints": [10_000, 20_000], "seeds": 16},
)
# The same directions: (w, lr) and (3 w, 9 lr).
PROJECTED = Sweep(
    normalization.rayleigh(D, sigma=0.3),
    projected_sgd(),
    {"size": (1.0, 3.0), "lr": (0.1, 0.9)},
    steps=300,
    name="lyle2024.projected",
    checkpoints=[300],
)
FREE = Sweep(
    normalization.rayleigh(D, sigma=0.3),
    sgd(),
    {"lr": (0.1, 0.9)},
    steps=300,
    name="lyle2024.free",
    checkpoints=[300],
)


def equilibrium(grid: xr.Dataset) -> Array:
    """Return E|w|^4 over eta E|g~|^2/(2 lam - eta lam^2), over the second half of the runs, shape (lr, decay)."""

    def late(name: str) -> Array:
        half, end = (
            grid[name].isel(checkpoint=k).mean("seed").transpose("lr", "decay").values for k in (0, 1)
        )
        return np.asarray(2.0 * end - half)

    eta, lam = grid.lr.values[:, None], grid.decay.values[None, :]
    square = (D - 1.0) * 1.0 + late("direction_square_mean")  # that of the noise across w is sigma^2 (d - 1)
    return np.asarray(late("length4_mean") * (2.0 * lam - eta * lam**2) / (eta * square))


@claim(
    "lyle2024.N1",
    "growth of the norm, effective learning rate",
    "tight",
    LENGTHENING,
    EQUILIBRIUM,
    constants="derived",
)
def lengths_grow_and_settle_where_decay_says(growing: xr.Dataset, settled: xr.Dataset) -> Evidence:
    """On a scale-invariant function gradients are orthogonal to w, |w|^2 grows by the squared steps exactly and stays below its
    bound; with weight decay E|w|^4 settles at eta E|g~|^2/(2 lam - eta lam^2), to within 1 %."""
    lr, T = growing.lr.values, 1000
    lengths = growing.length.squeeze("seed").transpose("lr", "checkpoint").values[:, -1]
    squares = growing.gradient_square_mean.squeeze("seed").transpose("lr", "checkpoint").values[:, -1]
    grown = lengths**2 - 1.0
    problem = LENGTHENING.problem
    start = {"length_1": 1.0, "stochastic": 0, "s": 0, "T": T}
    bounds = [BOUND.assess(BOUND.gather(problem, gd(float(one)), **start)).bound for one in lr]
    parts = [
        # 1000 sums of doubles.
        at_most(
            np.max(np.abs(grown / (lr**2 * T * squares) - 1.0)), 1e-10, "growth over the sum of squared steps"
        ),
        at_most(np.max(np.abs(growing.radial_max.values)), 1e-14, "w.grad f"),
        at_most(np.max(lengths / bounds), 1.0, "length over its bound"),
        at_least(lengths[-1], 1.5, "length after 1000 steps of lr = 10"),
    ]
    ratio = equilibrium(settled)
    parts.append(at_most(np.max(np.abs(ratio - 1.0)), 0.01, "E|w|^4 over the equilibrium, less 1"))
    return all_of(parts)


@claim("lyle2024.N3", "normalize and project", "exact", PROJECTED, FREE, constants="none")
def projection_keeps_the_step_that_is_set(projected: xr.Dataset, free: xr.Dataset) -> Evidence:
    """With the projection |w| stays, and (w, lr) and (3 w, 9 lr) take the same directions; without it w grows and the effective
    step lr/|w|^2 shrinks."""
    x = projected.x_final.squeeze("seed")
    one, other = (x.sel(size=c, lr=lr).values for c, lr in ((1.0, 0.1), (3.0, 0.9)))
    lengths = projected.length.squeeze("seed").transpose("size", "lr", ...).values.reshape(2, 2)
    grown = free.length.squeeze("seed").transpose("lr", ...).values.reshape(2)
    return all_of(
        [
            # 300 steps of rounding that are not amplified: the direction contracts.
            at_most(np.max(np.abs(3.0 * one - other)), 1e-10, "3 w of the first run less w of the second"),
            at_most(np.max(np.abs(lengths / [[1.0], [3.0]] - 1.0)), 1e-12, "length over the first, less 1"),
            at_least(np.min(grown), 1.2, "length after 300 steps without projection"),
            at_least(np.max(grown) ** 2, 10.0, "loss of effective step at lr = .9"),
        ]
    )


GAINS = (1.0, 2.0, 4.0)
BLOCKS = 40


def variances(place: str, seeds: int) -> Array:
    """Return the variance after 40 blocks over seeds and gains, shape (seeds, gains)."""
    return np.array(
        [normalization.residual_stack(place, GAINS, BLOCKS, seed=seed)[:, -1] for seed in range(seeds)]
    )


@claim("kim2025periln.N2", "placement of layer norm", "tight", constants="derived")
def peri_ln_does_not_feel_the_size_of_weights(tier: str) -> Evidence:
    """After 40 random residual blocks the variance is 1 + 40 gain^4 with layer norm before a branch and 41 with layer norm around it,
    to within 15 %, whatever the gain; without it grows as 2^40, and with it after the sum it is 1."""
    seeds = 2 if tier == "quick" else 8
    pre, peri = variances("pre", seeds), variances("peri", seeds)
    gains = np.array(GAINS)
    expected = 1.0 + BLOCKS * gains**4
    none = normalization.residual_stack("none", (1.0,), BLOCKS)[0, -1]
    post = normalization.residual_stack("post", (1.0, 4.0), 4)
    spread = np.max(np.abs(peri / peri[:, :1] - 1.0))
    return all_of(
        [
            at_most(
                np.max(np.abs(pre.mean(axis=0) / expected - 1.0)), 0.15, "Pre-LN over 1 + 40 gain^4, less 1"
            ),
            at_most(
                np.max(np.abs(peri.mean(axis=0) / (1.0 + BLOCKS) - 1.0)), 0.15, "Peri-LN over 41, less 1"
            ),
            at_most(spread, 1e-9, "Peri-LN at gains 2 and 4 against gain 1, relative"),
            # The growth per block fluctuates by some percent in 256 dimensions.
            at_most(abs(np.log2(none) - BLOCKS), 2.0, "log2 of the variance without layer norm, less 40"),
            at_most(np.max(np.abs(post - 1.0)), 1e-9, "Post-LN, less 1"),
        ]
    )


CLAIMS = [
    lengths_grow_and_settle_where_decay_says,
    projection_keeps_the_step_that_is_set,
    peri_ln_does_not_feel_the_size_of_weights,
]

DEVIATIONS = [
    *ledger(
        "lyle2024",
        (
            "normalize and project",
            "Normalised networks have an effective learning rate that falls as weights grow; NaP keeps it.",
            "A Rayleigh quotient in 10 dimensions stands for the network, with noise of size 1/|w| across w. NaP's projection only, with "
            "its normalisation layers taken for granted; no reinforcement learning. The equilibrium of |w|^4 is exact for "
            "a constant |g~|, and otherwise up to order lr decay.",
            *("N1", "N3"),
        ),
    ),
    *ledger(
        "kim2025periln",
        (
            "placement of layer norm",
            "Peri-LN bounds the growth of activations.",
            "Random two-layer branches of width 256 without attention, 8 inputs; the laws 1 + k gain^4 and 1 + k are derived for independent branches. "
            "The band of 15 % is two standard deviations of the correlation between branch and sum for two draws.",
            "N2",
        ),
    ),
]
