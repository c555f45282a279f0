"""Wang and Klabjan, "Divergence results and convergence of a variance reduced version of ADAM"
(arXiv:2210.05607).

Checked, on the divergence function of Zhang et al. (2022): Adam diverges on it in expectation and with high
probability when component gradients are drawn, and converges for every beta1 < sqrt(beta2) when the same
gradients are averaged.  The direction and the size of the problem are the same; only the variance of the
gradients differs.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

import theory_sim as ts
from counterexamples import averaged, zhang
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger

if TYPE_CHECKING:
    import xarray as xr

N = 10
ADAM = ts.adam(
    lr=0.1, eps=0.0, bias_correction=False, m0="mean_gradient", v0="max_square", schedule=ts.power(0.5)
)

FULL_GRADIENT = ts.Sweep(
    averaged.piecewise(N),
    ADAM,
    {"x0": [0.0, -3.0], "beta1": np.arange(20) / 20, "beta2": np.arange(1, 20) / 20},
    steps=50_000,
    checkpoints=range(25_000, 50_001, 53),  # 53: prime, to meet every phase of an oscillation
    name="wang2022divergence.full_gradient",
)
COMPONENTS = replace(
    FULL_GRADIENT, problem=zhang.piecewise(N), order="reshuffled", name="wang2022divergence.components"
)
# beta2 below the critical value with replacement (about .97) for both beta1.
SEEDS = ts.Sweep(
    zhang.piecewise(N),
    ADAM,
    {"beta1": [0.0, 0.9], "beta2": [0.85, 0.9]},
    steps=50_000,
    seeds=256,
    order="replacement",
    checkpoints=[6_250, 12_500, 25_000, 50_000],
    entropy=2022,
    name="wang2022divergence.seeds",
)


_VARIANCE = "Abstract: the variance of the gradients causes the divergence"


@claim("wang2022divergence.X5a", _VARIANCE, "region", FULL_GRADIENT, COMPONENTS, constants="read")
def full_gradients_converge(full: xr.Dataset, components: xr.Dataset) -> Evidence:
    """On the divergence function with n = 10 and a = 1, Adam with full gradients converges for every beta1 <
    sqrt(beta2) and from both sides of the kink; with component gradients it diverges in most of the cells."""
    inside = full["beta1"].values[:, None] < np.sqrt(full["beta2"].values)[None, :]
    safe = np.broadcast_to(inside, (full.sizes["x0"], *inside.shape))
    largest = full["distance"].isel(seed=0).max("checkpoint", skipna=False).values
    start = np.abs(components["x0"] + 2.0)
    diverged = (components["distance"].min("checkpoint", skipna=False) > start).values[..., 0]
    near = f"full gradient: largest |x - x*| of the second half, {safe.sum()} cells"
    farther = "components reshuffled: share of the same cells that stay farther from x* than they began"
    parts = [
        # 1e-3 is 1.6 steps at the middle of the run, .1/sqrt(25000), and the distance starts at 1 or 2.
        at_most(largest[safe].max(), 1e-3, near),
        at_least(diverged[safe].mean(), 0.85, farther),
    ]
    return all_of(parts)


@claim(
    "wang2022divergence.X5b",
    "Abstract: divergence in expectation and with high probability",
    "order",
    SEEDS,
    constants="read",
)
def adam_diverges_in_expectation_and_probability(grid: xr.Dataset) -> Evidence:
    """With components drawn with replacement and beta2 below its critical value, Adam's expected distance
    from the minimiser grows and almost every run diverges."""
    seeds = grid.sizes["seed"]
    grown = grid["distance"].diff("checkpoint")
    mean, error = grown.mean("seed"), grown.std("seed", ddof=1) / math.sqrt(seeds)
    slowest = float((mean - 5.0 * error).min(skipna=False))
    low, _ = ts.wilson((grid["verdict"] == "DIVERGED").sum("seed").values, seeds)
    grows = f"E |x - x*| grows with every doubling of the steps, 5 standard errors of {seeds} seeds"
    share = at_least(np.min(low), 0.98, "share of seeds that diverge, lower end of the Wilson interval")
    return all_of([at_least(slowest, 0.0, grows), share])


CLAIMS = [full_gradients_converge, adam_diverges_in_expectation_and_probability]

DEVIATIONS = ledger("wang2022divergence",
    ("Examples of divergence", "Own examples in expectation and with high probability.",
     "The function of Zhang et al. (2022, Proposition 3.3), on which the boundary is known; n = 10, a = 1, "
     "lr_t = .1/sqrt(t), m_0 the mean and v_0 the largest square of the gradients at the start.",
     "X5a", "X5b"),
    ("Variance reduced Adam", "A variance-reduced gradient with snapshots of the full gradient.",
     "Its limit, variance 0: the full gradient at every step. For x > -1 the components are linear, so that "
     "the variance-reduced gradient is the full gradient there whatever the snapshot. With eps = 0 the "
     "result does not depend on n.", "X5a"),
)  # fmt: skip
