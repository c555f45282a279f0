"""What D1 and D2 promise for quantized Adam, beside what the runs did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks import compression_bounds as paper
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, Any]
Cells = Mapping[str, dict[str, Array]]

_COLORS = dict(zip(paper.QUANTIZERS, (PALETTE[6], PALETTE[0], PALETTE[1], PALETTE[2]), strict=True))
_NAMES = {"none": "none", "Q_g": r"$Q_g$, $k=2$", "l1-sign": r"$\ell_1$-sign", "top-4": "top-4 of 16"}
_MARKERS = {"none": "s", "Q_g": "o", "l1-sign": "^", "top-4": "D"}


def _cells(grids: Sequence[xr.Dataset]) -> tuple[Cells, Cells]:
    """The cells of D1 and of D2, by quantizer."""
    first = len(paper.D1_SWEEPS)
    return paper.one_way(grids[:first]), paper.two_way(grids[first:])


def _strip(ax: Any, place: float, values: Array, name: str, label: str, full: bool = True) -> None:
    """The values of the cells one beside the other, in their order, a third of a unit wide."""
    x = place + np.linspace(-1.0, 1.0, values.size) / 6.0
    face = _COLORS[name] if full else "none"
    ax.plot(x, values, _MARKERS[name], color=_COLORS[name], mfc=face, ms=2.8, mew=0.7, label=label)


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    from matplotlib.lines import Line2D

    one, two = _cells(grids)
    titles = (r"(a) D1: $N=1$, with and without $Q_x$", r"(b) D2: $N=1,4,16$, two-way")
    for ax, cells, title in zip(axes, (one, two), titles, strict=False):
        for place, (name, cell) in enumerate(cells.items()):
            inside = cell["inside"]
            _strip(ax, place - 0.2, cell["measured"] / cell["observed"], name, f"{name}, measured D")
            proven = (cell["proven"] / cell["observed"])[inside]
            _strip(ax, place + 0.2, proven, name, f"{name}, proven D", full=False)
        ax.set(title=title, ylabel=r"bound over $\frac{1}{T}\sum_t\mathbb{E}\,\|\nabla f(y_t)\|^2$")
        ax.set_ylim(0.2, 5e5)
        ax.set_xticks(range(len(cells)), [_NAMES[name] for name in cells])
    gray: dict[str, Any] = {"color": "0.4", "marker": "o", "linestyle": "", "ms": 4}
    kinds = [
        Line2D([], [], label="bound with the $D$ of the run", **gray),
        Line2D([], [], markerfacecolor="none", label="bound with the proven $D$", **gray),
    ]
    axes[0].legend(handles=kinds, loc="upper left")
    ax, ticks = axes[2], {}
    for place, name in enumerate(list(two)[1:]):
        for cells, theorem, side in ((one, "D1", -0.2), (two, "D2", 0.2)):
            cell = cells[name]
            inside = cell["inside"]
            _strip(ax, place + side, (cell["D_proven"] / cell["D"])[inside], name, f"{theorem}, {name}")
            ticks[place + side] = theorem
        ticks[place] = f"\n{_NAMES[name]}"
    ax.set(
        title=r"(c) $D=\frac{1}{T}\sum_t\mathbb{E}\,\|y_t-\tilde x_t\|$",
        ylabel="proven bound on $D$ over $D$ of the run",
    )
    ax.set_ylim(0.2, 5e5)
    ax.set_xticks([*ticks], [*ticks.values()])
    for ax in axes:
        ax.set_yscale("log")
        ax.minorticks_off()
        ax.tick_params(axis="x", length=0)
        low, high = ax.get_xlim()
        ax.fill_between((low, high), 0.2, 1.0, color="0.92", zorder=0, linewidth=0.0)
        ax.set_xlim(low, high)
        ax.text(
            0.5,
            0.03,
            "a violation would lie here",
            ha="center",
            color="0.35",
            fontsize=8,
            transform=ax.transAxes,
        )


def _features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Number of cells, least and largest bound over observation with either D, largest D over its bound."""
    found: dict[str, float] = {}
    for theorem, cells in zip(("D1", "D2"), _cells(grids), strict=True):
        for name, cell in cells.items():
            key, inside = f"{theorem}_{name}", cell["inside"]
            measured = cell["measured"] / cell["observed"]
            proven = (cell["proven"] / cell["observed"])[inside]
            found |= {
                f"{key}_cells": float(measured.size),
                f"{key}_measured_least": float(np.min(measured)),
                f"{key}_measured_most": float(np.max(measured)),
                f"{key}_proven_least": float(np.min(proven)),
                f"{key}_proven_most": float(np.max(proven)),
                f"{key}_D_ratio": float(np.max(paper.excess(cell)[inside])),
            }
    return found


FIGURES = [
    Figure(
        name="quantized-bounds",
        caption="Theorems D1 (one worker, quantized updates up, quantized weights down) and D2 (N workers, "
        "quantized updates both ways) on sum x_i^2/(1 + x_i^2), d = 16, noise +-.5: every admitted beta1 in "
        "{0, .9}, eps in {1, .1}, T in {2000, 20000} and lr = min(cap, sqrt(N/T)).  The constants are "
        "ours.  (a, b) Bound over what the run did, one point a cell; the worst case of D costs up to six orders of magnitude for "
        "l1-sign both ways; with the D of the run every quantizer is within a factor 3 of none.  (c) The proven bound on D, the mean "
        "distance of the queried from the virtual iterate, over D; without quantization both are 0.",
        panels=(1, 3),
        size=(10.5, 3.9),
        sweeps=(*paper.D1_SWEEPS, *paper.D2_SWEEPS),
        draw=_draw,
        features=_features,
        claims=("qadam2021.QC17", "efficientadam2023.QC17"),
    )
]
