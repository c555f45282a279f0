"""Learning-rate-free methods: what they know of D, what the first guess costs, what a search finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks import learning_rate_free as paper
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_NAMES = ("D-Adaptation", "Prodigy", "DoG")
_MEASURES = ("estimate", "estimate", "reach")
_GOLDEN = (5.0**0.5 - 1.0) / 2.0
_ENDS = (paper.D0[0], paper.D0[-1])


def _medians(grids: Sequence[xr.Dataset], problem: str) -> list[Any]:
    """The median gap over instances of each method by d0."""
    return [np.median(paper.gaps(grid, paper.PROBLEMS[problem]), axis=0) for grid in grids]


def _searched(grid: xr.Dataset) -> Any:
    """Largest estimate over D, shape (d0, far)."""
    top = grid.estimate_max.squeeze("seed").transpose("d0", "far", ...).values
    return top.reshape(grid.sizes["d0"], -1) / paper.CENTRE


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    paths, absolute, chebyshev, searched = grids[:3], grids[3:6], grids[6:9], grids[9:]
    D = paper.distance(paper.PROBLEMS["absolute"])
    for name, measure, grid, color in zip(_NAMES, _MEASURES, paths, PALETTE, strict=False):
        for d0, dash in zip(_ENDS, ("-", "--"), strict=True):
            values = grid[measure].sel(d0=d0).values.ravel() / D
            label = f"{name}, $d_0 = 10^{{{round(np.log10(d0))}}}$"
            axes[0].plot(grid.checkpoint.values, values, dash, color=color, label=label)
    axes[0].axhline(1.0, color="k", linewidth=0.8)
    axes[0].axhline(_GOLDEN, color="k", linewidth=0.8, linestyle=":")
    axes[0].annotate(r"$(\sqrt{5}-1)/2$", (1.2, _GOLDEN), xytext=(0, 3), textcoords="offset points")
    axes[0].set(
        xscale="log", xlabel="step $t$", ylabel="estimate or distance walked, over $D$", ylim=(0, 1.6)
    )
    axes[0].set_title(r"(a) what is known of $D$, $\|x-c\|_1$")
    axes[0].legend(loc="upper left", ncols=2, fontsize=7.5)
    for problem, some, mark in (("absolute", absolute, "o-"), ("chebyshev", chebyshev, "s--")):
        label = r"$\|x-c\|_1$" if problem == "absolute" else r"$\max|a_i(x-c)|$"
        for name, gap, color in zip(_NAMES, _medians(some, problem), PALETTE, strict=False):
            axes[1].plot(paper.D0, gap, mark, color=color, mfc="w", label=f"{name}, {label}")
    axes[1].set(
        xscale="log", yscale="log", xlabel="first guess $d_0$", ylabel="gap of the average, $T = 3000$"
    )
    axes[1].set(ylim=(0.015, 1.5), title="(b) what the first guess costs")
    axes[1].legend(loc="upper right")
    for name, grid, color in zip(_NAMES, searched, PALETTE, strict=False):
        shares = grid.d0.values / paper.CENTRE
        for k, width in ((1, 0.9), (3, 1.8)):
            label = f"{name}, slope beyond $c$: {grid.far.values[k]:g}"
            axes[2].plot(shares, _searched(grid)[:, k], color=color, linewidth=width, label=label)
    axes[2].axhline(1.0, color="k", linewidth=0.8)
    axes[2].set(xscale="log", xlabel="$d_0/D$", ylabel="largest estimate over $D$", ylim=(0, 1.12))
    axes[2].set_title("(c) search in one dimension")
    axes[2].legend(loc="lower left")


def _features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Final estimates over D, medians of the gap at both ends of d0, and the largest estimates found."""
    D = paper.distance(paper.PROBLEMS["absolute"])
    found: dict[str, float] = {}
    for name, measure, path, gap in zip(
        _NAMES, _MEASURES, grids[:3], _medians(grids[3:6], "absolute"), strict=True
    ):
        last = path[measure].isel(checkpoint=-1).values.ravel() / D
        found |= {
            f"{name}_known": float(last[0]),
            f"{name}_first": float(gap[0]),
            f"{name}_last": float(gap[-1]),
        }
    for name, grid in zip(_NAMES, grids[9:], strict=False):
        found[f"{name}_searched"] = float(_searched(grid).max())
    return found


FIGURES = [
    Figure(
        name="learning-rate-free",
        caption=(
            "Methods that estimate D, the distance from the start to the minimiser. (a) The estimates of D-Adaptation and Prodigy and the distance "
            "walked by DoG on ||x - c||_1 in 20 dimensions: the first two stay below D, at D/2 and at the golden ratio; DoG passes D by "
            "a few percent. (b) The gap of the averaged iterate after 3000 steps (median over instances) against the first guess d0. "
            "(c) The largest estimate on |x - c| in one dimension, for two slopes beyond c: never above D, as proven."
        ),
        panels=(1, 3),
        size=(12.0, 4.0),
        sweeps=(
            *paper.PATHS,
            paper.ADAPTED[0],
            paper.EXPEDITED[0],
            paper.WALKED[0],
            paper.ADAPTED[1],
            paper.EXPEDITED[1],
            paper.WALKED[1],
            *paper.SEARCHED,
        ),
        draw=_draw,
        features=_features,
        claims=(
            *(
                "defazio2023dadaptation.F1",
                "mishchenko2023prodigy.F1",
                "mishchenko2023prodigy.F2",
                "ivgi2023dog.F2",
            ),
        ),
    )
]
