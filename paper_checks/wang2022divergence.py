"""Wang and Klabjan, "Divergence results and convergence of a variance reduced version of ADAM" (arXiv:2210.05607).

Checked, on the divergence function of Zhang et al. (2022): Adam diverges on it in expectation and with high
probability when component gradients are drawn, and converges for every beta1 < sqrt(beta2) when the same gradients are
averaged.  The direction and the size of the problem are the same; only the variance of the gradients differs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import averaged, zhang
from theory_sim.claim import Claim, Deviation, Evidence, all_of, at_least, at_most
from theory_sim.verdict import wilson

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[Any]]
Grids = Sequence["xr.Dataset"]

N = 10
ADAM = ts.adam(
    lr=0.1,
    eps=0.0,
    bias_correction=False,
    m0="mean_gradient",
    v0="max_square",
    schedule=ts.power(0.5),
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


def _safe(grid: xr.Dataset) -> Array:
    """Cells with beta1 < sqrt(beta2), shape (x0, beta1, beta2)."""
    inside = grid["beta1"].values[:, None] < np.sqrt(grid["beta2"].values)[None, :]
    return np.broadcast_to(inside, (grid.sizes["x0"], *inside.shape))


def _largest(grid: xr.Dataset) -> Array:
    """Largest |x - x*| over the second half of the run, per cell; NaN if the run is not finite."""
    return grid["distance"].isel(seed=0).max("checkpoint", skipna=False).values


def _x5a(grids: Grids, tier: str) -> Evidence:
    full, components = grids
    safe, largest = _safe(full), _largest(full)
    start = np.abs(components["x0"] + 2.0)
    diverged = (components["distance"].min("checkpoint", skipna=False) > start).values[..., 0]
    return all_of(
        [
            # 1e-3 is 1.6 steps at the middle of the run, .1/sqrt(25000), and the distance starts at 1 or 2.
            at_most(
                largest[safe].max(),
                1e-3,
                f"full gradient: largest |x - x*| of the second half, {safe.sum()} cells",
            ),
            at_least(
                diverged[safe].mean(),
                0.85,
                "components reshuffled: share of the same cells that stay farther from x* than they began",
            ),
        ]
    )


def _x5b(grids: Grids, tier: str) -> Evidence:
    (grid,) = grids
    seeds = grid.sizes["seed"]
    distance = grid["distance"]
    grown = distance.diff("checkpoint")
    mean, error = grown.mean("seed"), grown.std("seed", ddof=1) / math.sqrt(seeds)
    farther = (grid["verdict"] == "DIVERGED").sum("seed").values
    low, _ = wilson(farther, seeds)
    return all_of(
        [
            at_least(
                float((mean - 5.0 * error).min(skipna=False)),
                0.0,
                f"E |x - x*| grows with every doubling of the steps, 5 standard errors of {seeds} seeds",
            ),
            at_least(np.min(low), 0.98, "share of seeds that diverge, lower end of the Wilson interval"),
        ]
    )


CLAIMS = [
    Claim(
        "wang2022divergence.X5a",
        "Abstract: the variance of the gradients causes the divergence",
        "On the divergence function with n = 10 and a = 1, Adam with full gradients converges for every "
        "beta1 < sqrt(beta2) and from both sides of the kink; with component gradients it diverges in most of the cells.",
        "region",
        _x5a,
        (FULL_GRADIENT, COMPONENTS),
    ),
    Claim(
        "wang2022divergence.X5b",
        "Abstract: divergence in expectation and with high probability",
        "With components drawn with replacement and beta2 below its critical value, Adam's expected distance from the "
        "minimiser grows and almost every run diverges.",
        "order",
        _x5b,
        (SEEDS,),
    ),
]

DEVIATIONS = [
    Deviation(
        "wang2022divergence",
        "Examples of divergence",
        "Own examples in expectation and with high probability.",
        "The function of Zhang et al. (2022, Proposition 3.3), on which the boundary is known; n = 10, a = 1, "
        "lr_t = .1/sqrt(t), m_0 the mean and v_0 the largest square of the gradients at the start.",
        ("wang2022divergence.X5a", "wang2022divergence.X5b"),
    ),
    Deviation(
        "wang2022divergence",
        "Variance reduced Adam",
        "A variance-reduced gradient with snapshots of the full gradient.",
        "Its limit, variance 0: the full gradient at every step. For x > -1 the components are linear, so that the "
        "variance-reduced gradient is the full gradient there whatever the snapshot. With eps = 0 the result does not "
        "depend on n.",
        ("wang2022divergence.X5a",),
    ),
]
