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
    """Horizontal bars of megabits, with the steps; `never` where the level is not reached."""
    found = {name: arrival(grid, COST_LEVEL) for name, grid in zip(LABELS, grids, strict=True)}
    ax, full = axes[0], found["full"]
    place = dict(zip(found, np.arange(len(found))[::-1].tolist(), strict=True))
    kinds = (("exact, or with error feedback", PALETTE[0], ""), ("without error feedback", PALETTE[1], "///"))
    for without, (label, color, hatch) in enumerate(kinds):
        names = [name for name in found if name.endswith("no_feedback") == bool(without)]
        bits = [found[name].bits / 1e6 if math.isfinite(found[name].bits) else 0.0 for name in names]
        y = [place[name] for name in names]
        ax.barh(y, bits, 0.7, color=color, hatch=hatch, edgecolor="w", label=label)
    for name, one in found.items():
        arrived, share = math.isfinite(one.bits), full.bits / one.bits
        text = f"{one.bits / 1e6:.3g} Mbit in {one.steps:.0f} steps" if arrived else "never"
        text += f", {share:.3g}× fewer bits" if arrived and share > 1.0 else ""
        ax.text(one.bits / 1e6 + 0.06 if arrived else 0.06, place[name], text, va="center", fontsize=8.0)
    ax.set_yticks([*place.values()], [*LABELS.values()])
    ax.tick_params(axis="y", length=0)
    longest = max(one.bits for one in found.values() if math.isfinite(one.bits)) / 1e6
    ax.set(
        xlim=(0.0, 1.5 * longest),
        xlabel=rf"Mbit per worker, both directions, until mean $\|\nabla f\|^2\leq{COST_LEVEL:g}$",
    )
    ax.legend(loc="lower right")


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
            f"Bits sent and received per worker, and steps, until the mean over the seeds of ||grad f||^2 is at most {COST_LEVEL:g}, on a "
            f"quadratic with eigenvalues from 1 to .1 (d = {DIM}, 8 workers, normal noise of standard deviation 1), for the best step size of a grid of "
            "ratio sqrt(2). One-way compression cannot save a factor 2. Without error feedback signs lose nothing "
            "under this symmetric noise at their best step size, top-8 never arrives."
        ),
        panels=(1, 1),
        size=(8.0, 3.6),
        sweeps=tuple(COST[name] for name in LABELS),
        draw=draw,
        features=features,
        claims=("efficientadam2023.QC20", "efficientadam2023.QC21", "qadam2021.QC32"),
    )
]
