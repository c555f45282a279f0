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


def _scatter(ax: Any, cells: Cells) -> None:
    """Bound against observation: full markers for the measured D, open ones for the proven D."""
    for name, cell in cells.items():
        style = {"color": _COLORS[name], "marker": _MARKERS[name], "linestyle": "", "markersize": 3.5}
        inside = cell["inside"]
        ax.plot(
            cell["observed"][inside],
            cell["proven"][inside],
            markerfacecolor="none",
            alpha=0.45,
            label=f"{name}, proven D",
            zorder=2,
            **style,
        )
        ax.plot(cell["observed"], cell["measured"], label=f"{name}, measured D", zorder=3, **style)
    ends = np.array([0.01, 10.0])
    ax.plot(ends, ends, color="0.3", linewidth=1.0, label="bound = observed")
    ax.fill_between(ends, 1e-3, ends, color="0.92", zorder=0)
    ax.text(0.9, 0.05, "a violation\nwould lie here", ha="center", color="0.35", fontsize=8)
    ax.set(xscale="log", yscale="log", xlim=(0.015, 8.0), ylim=(1e-2, 1e5))
    ax.set_xlabel(r"observed $\frac{1}{T}\sum_t\mathbb{E}\,\|\nabla f(y_t)\|^2$")


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.ticker import NullLocator

    one, two = _cells(grids)
    for ax, cells, title in zip(
        axes[:2],
        (one, two),
        (r"(a) D1: $N=1$, with and without $Q_x$", r"(b) D2: $N=1,4,16$, two-way"),
        strict=True,
    ):
        _scatter(ax, cells)
        ax.set_title(title)
    axes[0].set_ylabel("bound")
    ax = axes[2]
    for name in list(two)[1:]:
        for cells, theorem, filled in ((one, "D1", "none"), (two, "D2", _COLORS[name])):
            cell = cells[name]
            inside = cell["inside"]
            ax.plot(
                cell["D"][inside],
                cell["D_proven"][inside],
                color=_COLORS[name],
                marker=_MARKERS[name],
                markerfacecolor=filled,
                linestyle="",
                markersize=3.5,
                alpha=0.6,
                label=f"{theorem}, {name}",
            )
    ends = np.array([1e-5, 10.0])
    ax.plot(ends, ends, color="0.3", linewidth=1.0, label="bound = measured")
    ax.fill_between(ends, 1e-6, ends, color="0.92", zorder=0)
    ax.set(xscale="log", yscale="log", xlim=(5e-5, 1.0), ylim=(1e-4, 3e3))
    ax.set(
        title=r"(c) $D=\frac{1}{T}\sum_t\mathbb{E}\,\|y_t-\tilde x_t\|$",
        xlabel="measured $D$",
        ylabel="proven bound on $D$",
    )
    ax.text(0.5, 0.02, "open: D1\nfull: D2", transform=ax.transAxes, va="bottom", fontsize=8)
    for ax in axes:
        ax.xaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_minor_locator(NullLocator())
    shown: list[Any] = [
        Line2D([], [], color=_COLORS[name], marker=_MARKERS[name], linestyle="", label=_NAMES[name])
        for name in paper.QUANTIZERS
    ]
    gray: dict[str, Any] = {"color": "0.4", "marker": "o", "linestyle": ""}
    shown += [
        Line2D([], [], label="bound with measured $D$", **gray),
        Line2D([], [], markerfacecolor="none", label="bound with proven $D$", **gray),
    ]
    axes[0].figure.legend(handles=shown, loc="outside lower center", ncol=len(shown))


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
        "ours.  The worst case of D costs up to six orders of magnitude for l1-sign both ways; with the D "
        "of the run every quantizer is within a factor 3 of none.",
        panels=(1, 3),
        size=(10.5, 3.9),
        sweeps=(*paper.D1_SWEEPS, *paper.D2_SWEEPS),
        draw=_draw,
        features=_features,
        claims=("qadam2021.QC17", "efficientadam2023.QC17"),
    )
]
