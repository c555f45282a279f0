"""Xie and Li, "Implicit Bias of AdamW: l_infinity Norm Constrained Optimization" (ICML 2024, arXiv:2404.04454).

If AdamW with steps that add up to infinity converges, with exact gradients and beta1 <= beta2, it converges to a KKT
point of min f subject to abs(x_i) <= 1/weight_decay.

With beta1 = beta2 corrected m and v are averages of g and g^2 with the same weights, so that abs(m) <= sqrt(v) and

    abs(x_{t+1}) - 1/w <= (1 - lr w)(abs(x_t) - 1/w)

for every sequence of gradients; equality for a constant gradient that points out of the box.  For other betas
abs(m)/sqrt(v) can be as large as (1-beta1)/sqrt((1-beta2)(1 - beta1^2/beta2)), by gradients of ratio beta2/beta1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import theory_sim as ts
from counterexamples import quantized, sequences, smooth
from counterexamples.drift import update_bound
from paper_checks.theorems.conditions import CONSTANT, POSITIVE
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.theorem import Condition, Theorem

if TYPE_CHECKING:
    import xarray as xr

BETAS = (0.8, 0.9, 0.95)
DECAYS = (0.0, 0.5, 0.8, 1.25)
STEPS = 1_500
LR, DECAY = 0.02, 0.5

BOX = Theorem(
    id="xie2024adamw.box",
    where="the bound on the iterates, for beta1 = beta2; derived here",
    statement="For beta1 = beta2 and lr weight_decay <= 1 the distance of every coordinate of AdamW from the box abs(x_i) <= "
    "1/weight_decay shrinks by 1 - lr weight_decay per step, whatever the gradients.",
    conditions=(
        Condition("weight_decay > 0"),
        Condition("lr*weight_decay <= 1"),
        Condition("beta1 == beta2", "equal betas"),
        Condition("optimum == 0", "distances are to the origin"),
        POSITIVE,
        CONSTANT,
    ),
    bound="sqrt(d)*(1/weight_decay + (1 - lr*weight_decay)**T*Max(Abs(x0) - 1/weight_decay, 0))",
    quantity="distance_final",
    problem=lambda: smooth.quadratic(x0=8.0),
    optimizer=lambda: ts.adamw(0.05, 0.9, 0.9, 0.0, 0.5),
    run={"steps": 40},
    values=lambda problem, optimizer: {} if problem.optimum is None else {"optimum": problem.optimum},
)

GEOMETRIC = ts.Sweep(
    sequences.geometric(1.0),
    ts.adamw(LR, 0.9, 0.9, 0.0, DECAY),
    {"ratio": sorted({round(b2 / b1, 12) for b1 in BETAS for b2 in BETAS}), "beta1": BETAS, "beta2": BETAS},
    steps=STEPS,
    x0=6.0,
    checkpoints=(100, STEPS),
    name="xie2024adamw.geometric",
)
QUADRATIC = ts.Sweep(
    quantized.quadratic(0.0, d=16, decades=1.0, spread=3.0, x0=0.0),
    ts.adamw(0.2, 0.9, 0.95, 0.0, 1.0, schedule=ts.power(0.6)),
    {"weight_decay": DECAYS},
    steps=200_000,
    name="xie2024adamw.quadratic",
    quick={"steps": 20_000},
)


@claim("xie2024adamw.W1", "bound on the iterates", "tight", GEOMETRIC, constants="derived")
def the_box_holds_for_equal_betas(grid: xr.Dataset) -> Evidence:
    """With beta1 = beta2 AdamW approaches the box abs(x) <= 1/weight_decay at the rate of the theorem and attains its
    edge on constant gradients; with beta1 other than beta2 there are gradients that hold it outside, at the bound on
    abs(m)/sqrt(v) times as far."""
    parts = []
    edge = 1.0 / DECAY
    for beta1 in BETAS:
        for beta2 in BETAS:
            cell = grid.x.sel(beta1=beta1, beta2=beta2).isel(seed=0)
            if beta1 == beta2:
                # Constant gradients point to -1/w from the start: exact for every t.
                x = cell.sel(ratio=1.0)
                for t in x.checkpoint.values.tolist():
                    wanted = -edge + (6.0 + edge) * (1.0 - LR * DECAY) ** t
                    parts.append(
                        within(float(x.sel(checkpoint=t)), wanted, 1e-9, f"beta = {beta1:g}: x_{t}, g = 1")
                    )
                inside = float(np.abs(cell.isel(checkpoint=-1)).max())
                reached = edge + (6.0 - edge) * (1.0 - LR * DECAY) ** STEPS
                parts.append(
                    at_most(inside, reached + 1e-9, f"beta = {beta1:g}: largest abs(x_T) over the sequences")
                )
            elif beta1 < np.sqrt(beta2):
                far = float(-cell.sel(ratio=round(beta2 / beta1, 12)).isel(checkpoint=-1))
                limit = float(update_bound(beta1, beta2)) * edge
                # What is left of the start and of the corrections after 1500 steps of decay lr w = .01 is 3e-7 of 8.
                parts.append(within(far / limit, 1.0, 1e-4, f"({beta1:g}, {beta2:g}): -x_T over its bound"))
                parts.append(at_least(limit / edge, 1.01, f"({beta1:g}, {beta2:g}): how far outside the box"))
    return all_of(parts)


@claim("xie2024adamw.W2", "Theorem 1.1", "exact", QUADRATIC, constants="read")
def adamw_ends_at_the_constrained_minimum(grid: xr.Dataset) -> Evidence:
    """On a separable quadratic with minimisers c_i AdamW ends at the point of the box abs(x_i) <= 1/weight_decay that is
    nearest to c, for every weight decay, and without decay at c."""
    centers = np.array(QUADRATIC.problem.constants["center"])
    T = int(grid.attrs["steps"])
    last = 0.2 * T**-0.6
    parts = []
    for decay in DECAYS:
        limit = 1.0 / decay if decay else np.inf
        x = grid.x_final.sel(weight_decay=decay).isel(seed=0).values
        # Inside the box x swings around c by some steps; at its edge it stops one short of it at most.
        error = np.max(np.abs(x - np.clip(centers, -limit, limit)))
        outside = int((np.abs(centers) > limit).sum())
        note = f"weight decay {decay:g}: distance of x_T from its point, in last steps; {outside} of 16 c_i outside"
        parts.append(at_most(error / last, 5.0, note))
        if decay:
            parts.append(at_least(outside, 3, f"weight decay {decay:g}: c_i outside the box"))
    return all_of(parts)


CLAIMS = [the_box_holds_for_equal_betas, adamw_ends_at_the_constrained_minimum]
THEOREMS = [BOX]

DEVIATIONS = ledger("xie2024adamw",
    ("Theorem 1.1", "If AdamW converges with exact gradients, non-increasing steps that add up to infinity and beta1 <= "
     "beta2, then to a KKT point in the box.",
     "Read in its abstract and introduction. Run on a separable quadratic, convex, where the KKT point is the nearest "
     "point of the box; five last steps are allowed.", "W2"),
    ("Bound on the iterates", "The norm of the iterates is at most 1/weight_decay in the end.",
     "That is for gradients that converge: for gradients that grow geometrically and beta1 other than beta2 it fails by the "
     "factor of the update bound. Equal betas need no assumption.", "W1"),
)  # fmt: skip
