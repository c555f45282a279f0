"""8-bit optimizer states: the relative error of the maps, and the spread of scales that Adam survives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from paper_checks import dettmers2022 as paper
from theory_sim.nouns.figure import PALETTE, Figure

_MAPS = (("dynamic", paper.dynamic, PALETTE[0]), ("linear", paper.linear, PALETTE[1]))
BINS = 16  # per decade


def _worst(build: paper.Build) -> tuple[Any, Any]:
    """Bin centres and the largest |C(t) - t|/t in each, of the signed map beside an entry 1."""
    edges = np.geomspace(1e-8, 1.0, 8 * BINS + 1)
    positive = paper.levels(build, True)
    positive = positive[positive >= 0.0]
    t = np.sort(np.concatenate([np.geomspace(1e-8, 1.0, 40_001)[:-1], (positive[1:] + positive[:-1]) / 2.0]))
    error = np.abs(t[:, None] - positive).min(axis=1) / t
    which = np.clip(np.searchsorted(edges, t, side="right") - 1, 0, 8 * BINS - 1)
    worst = np.array([error[which == i].max() for i in range(8 * BINS)])
    return np.sqrt(edges[1:] * edges[:-1]), worst


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    for name, build, color in _MAPS:
        t, worst = _worst(build)
        axes[0].plot(t, worst, color=color, drawstyle="steps-mid", label=f"{name} map")
    ends = 10.0 ** -np.arange(8.0)
    axes[0].plot(
        np.ravel([(high, low, math.nan) for high, low in pairwise(ends)]),
        np.repeat(paper.DECADES, 3),
        "k-",
        linewidth=1.0,
        label="dynamic, worst of each decade",
    )
    axes[0].set(
        xscale="log",
        yscale="log",
        xlim=(1e-8, 1.0),
        ylim=(2e-3, 2.0),
        xlabel=r"$|t|$, relative to the largest entry",
        ylabel=r"largest $|C(t)-t|/|t|$",
        title="(a) signed maps of 8 bits",
    )
    axes[0].legend(loc="lower left")
    ax = axes[1]
    full = paper.level(grids[0])
    ax.axhline(float(full.mean()), color="k", linewidth=1.0, label="full precision", zorder=0)
    for (name, build, color), pair, marker, side in zip(
        _MAPS, ((grids[1], grids[3]), (grids[2], grids[4])), "os", (-0.012, 0.012), strict=True
    ):
        values = xr.concat([paper.level(grid) for grid in pair], "decades", join="exact").sortby("decades")
        every = np.repeat(values.decades.values + side, values.sizes["seed"])
        ax.plot(every, values.values.ravel(), marker, color=color, ms=3.0, alpha=0.4, markeredgewidth=0)
        ax.plot(
            values.decades + side,
            values.median("seed"),
            "_",
            ms=11,
            mew=2.2,
            color=color,
            label=f"{name} map, median of the seeds",
        )
        edge = paper.tolerated(build)
        ax.axvline(edge, color=color, linestyle=":", zorder=0, label=f"{name} map, predicted edge")
    ax.set(
        yscale="log",
        xlabel="decades of gradient scales in one block",
        ylabel=r"$\frac{1}{2}\,$mean$\,x_i^2$ after 3000 steps",
        title="(b) Adam with 8-bit moments",
        ylim=(1e-4, 1e6),
        xlim=(0.9, 4.1),
    )
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncol=3, title="(b)")
    for one in axes:
        one.minorticks_off()


def _features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Worst relative error by decade, predicted and observed edges, and the level in full precision."""
    full = paper.level(grids[0])
    found = {"full": float(full.mean(skipna=False))}
    for (name, build, _), grid, near in zip(_MAPS, grids[1:3], grids[3:], strict=True):
        last, first = paper.edge(full, paper.level(grid))
        found |= {
            f"{name}_predicted": paper.tolerated(build),
            f"{name}_healthy": last,
            f"{name}_broken": first,
        }
        over = paper.level(near).median("seed") / full.median()
        found |= {f"{name}_over_full_at_{at:g}": float(over.sel(decades=at)) for at in near.decades.values}
        found |= {f"{name}_decade_{j + 1}": float(v) for j, v in enumerate(paper.worst_by_decade(build))}
    return found


FIGURES = [
    Figure(
        name="eight-bit",
        caption=(
            "8-bit optimizer states in one block of 256. (a) Largest relative error of an entry by its size, dynamic and linear map. "
            "(b) Adam on a quadratic whose gradients, noise included, scale with lambda_i, spread over the block, against the "
            "decades of the spread: single seeds (points) and their median (bars). Dotted: the edge predicted, the spread from which the mean of the smallest v is "
            "below half the smallest level and stored as 0, 3.39 and 1.35. Near it the linear map fails at 1.3 already; with the "
            "dynamic map the level is a third higher at 3.5, and most runs fail at 3.6."
        ),
        panels=(1, 2),
        size=(9.0, 4.2),
        sweeps=(paper.FULL, paper.DYNAMIC, paper.LINEAR, *paper.NEAR),
        draw=_draw,
        features=_features,
        claims=("dettmers2022.QC25a", "dettmers2022.QC26a", "dettmers2022.QC26b"),
    )
]
