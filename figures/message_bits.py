"""Bits and steps to a level of the squared gradient, by compressor and with or without error feedback."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.efficientadam2023.speed import COST, COST_LEVEL, DIM, arrival
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

LABELS = {
    "full": "full precision",
    "one_way_sign": "one-way $\\ell_1$-sign",
    "log_levels": "two-way $Q_g$, $k=2$",
    "top_k": f"two-way top-8 of {DIM}",
    "sign": "two-way $\\ell_1$-sign",
    "log_levels_no_feedback": "$Q_g$, no feedback",
    "top_k_no_feedback": "top-8, no feedback",
    "sign_no_feedback": "$\\ell_1$-sign, no feedback",
}


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Horizontal bars of megabits and of steps; `never` where the level is not reached."""
    found = {name: arrival(grid, COST_LEVEL) for name, grid in zip(LABELS, grids, strict=True)}
    place = np.arange(len(found))[::-1]
    colors = [PALETTE[1] if name.endswith("feedback") else PALETTE[0] for name in found]
    full = found["full"]
    values = ([one.bits / 1e6 for one in found.values()], [one.steps for one in found.values()])
    shares = [full.bits / one.bits for one in found.values()]
    for ax, heights in zip(axes, values, strict=True):
        finite = [value if math.isfinite(value) else 0.0 for value in heights]
        ax.barh(place, finite, 0.7, color=colors)
        ax.set_yticks(place, [*LABELS.values()] if ax is axes[0] else [])
        ax.tick_params(axis="y", length=0)
    for y, bits, steps, share in zip(place, *values, shares, strict=True):
        arrived = math.isfinite(bits)
        text = f"{bits:.3g}  ({share:.3g}× fewer)" if arrived and share > 1.0 else f"{bits:.3g}"
        axes[0].text(
            bits * 1.08 if arrived else 0.055, y, text if arrived else "never", va="center", fontsize=8.0
        )
        axes[1].text(
            steps + 5 if arrived else 5, y, f"{steps:.0f}" if arrived else "never", va="center", fontsize=8.0
        )
    axes[0].set(xscale="log", xlim=(0.05, 60.0), xlabel="Mbit per worker, both directions", title="(a) bits")
    axes[0].minorticks_off()
    axes[1].set(
        xlim=(0.0, 1.2 * max(s for s in values[1] if math.isfinite(s))), xlabel="steps", title="(b) steps"
    )


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Steps, bits, best lr and savings against full precision; NaN where the level is never reached."""
    found = {name: arrival(grid, COST_LEVEL) for name, grid in zip(LABELS, grids, strict=True)}
    numbers = {}
    for name, one in found.items():
        arrived = math.isfinite(one.steps)
        numbers[f"{name}_steps"] = one.steps if arrived else math.nan
        numbers[f"{name}_bits"] = one.bits if arrived else math.nan
        numbers[f"{name}_lr"] = one.lr
        numbers[f"{name}_saving"] = found["full"].bits / one.bits if arrived else math.nan
    return numbers


FIGURES = [
    Figure(
        name="message-bits",
        caption=(
            f"Bits sent and received per worker, and steps, until the mean of ||grad f||^2 is at most {COST_LEVEL:g}, on a "
            f"quadratic with eigenvalues from 1 to .1 (d = {DIM}, 8 workers, normal noise of standard deviation 1), for the best step size of a grid of "
            "ratio sqrt(2). One-way compression cannot save a factor 2. Orange: without error feedback; signs lose nothing "
            "under this symmetric noise at their best step size, top-8 never arrives."
        ),
        panels=(1, 2),
        size=(9.2, 3.4),
        sweeps=tuple(COST[name] for name in LABELS),
        draw=draw,
        features=features,
        claims=("efficientadam2023.QC20", "efficientadam2023.QC21", "qadam2021.QC32"),
    )
]
