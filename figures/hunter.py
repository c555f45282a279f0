"""The smallest failures: heights, periods and strengths for Adam over (beta1, beta2), and cycles of the heavy ball."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.hunter import data
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_BANDS = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")  # viridis, in five steps


def draw_maps(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Three maps over beta1 and beta2."""
    from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm

    left, middle, right = axes
    made, curve = data.data(), np.linspace(0.0, 0.9998, 400)
    for ax, x in ((left, 1.0 - curve), (middle, curve), (right, 1.0 - curve)):
        ax.plot(
            x,
            np.sqrt(curve),
            c="w" if ax is not middle else PALETTE[1],
            lw=1.0,
            label=r"$\beta_1=\sqrt{\beta_2}$",
        )
    shown = left.pcolormesh(
        data.RATE2, data.BETA1, np.array(made["heights"]), norm=LogNorm(), cmap="viridis", rasterized=True
    )
    left.set(xscale="log", title="least height at period 3", xlabel=r"$1-\beta_2$", ylabel=r"$\beta_1$")
    left.set(xlim=(1.0, data.RATE2[-1]), ylim=(0.0, data.BETA1[-1]))
    left.legend(loc="lower left", labelcolor="white")
    left.figure.colorbar(shown, ax=left, label=r"least $\max|g|$")
    periods = np.array(made["periods"], dtype=float)
    periods[periods == 0.0] = 8.0
    colors = ListedColormap([*_BANDS, "0.85"])
    shown = middle.pcolormesh(
        data.SMALL2,
        data.SMALL1,
        periods,
        cmap=colors,
        norm=BoundaryNorm(np.arange(2.5, 9.0), 6),
        rasterized=True,
    )
    middle.set(
        title=r"shortest period with $|g|\leq 3$",
        xlabel=r"$\beta_2$",
        ylabel=r"$\beta_1$",
        xlim=(0.005, 0.98),
        ylim=(0.0, 0.93),
    )
    middle.legend(loc="lower left", labelcolor="white")
    bar = middle.figure.colorbar(shown, ax=middle, ticks=range(3, 9), label="period")
    bar.ax.set_yticklabels(["3", "4", "5", "6", "7", "more"])
    shown = right.pcolormesh(
        1.0 - data.STRONG2,
        data.STRONG1,
        np.array(made["strengths"]),
        norm=LogNorm(),
        cmap="magma",
        rasterized=True,
    )
    right.set(
        xscale="log", title="strength at period and height 50", xlabel=r"$1-\beta_2$", ylabel=r"$\beta_1$"
    )
    right.set(xlim=(1.0 - data.STRONG2[0], 1.0 - data.STRONG2[-1]), ylim=(0.0, data.STRONG1[-1]))
    right.figure.colorbar(shown, ax=right, label="wrong way per step, units of lr")


def map_features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Extremes of the maps and cells by period."""
    made = data.data()
    heights, periods, strengths = (np.array(made[name]) for name in ("heights", "periods", "strengths"))
    found = {f"period_{n}": float((periods == n).sum()) for n in (3, 4, 5, 6, 7, 0)}
    return found | {
        "lowest_height": float(heights.min()),
        "highest_height": float(heights.max()),
        "strongest": float(strengths.max()),
        "weakest": float(strengths.min()),
    }


def draw_cycles(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """The shortest cycle of the heavy ball over step size and momentum."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    from theory_sim.evidence.hunter.linear import polyak

    (ax,) = axes
    periods = np.array(data.data()["cycles"], dtype=float)
    periods[periods == 0.0] = np.nan
    colors = ListedColormap(["#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"])
    edges = [2.5, 3.5, 4.5, 5.5, 7.5, 12.5]
    shown = ax.pcolormesh(
        data.SHARES, data.BETAS, periods.T, cmap=colors, norm=BoundaryNorm(edges, 5), rasterized=True
    )
    bar = ax.figure.colorbar(shown, ax=ax, ticks=[3, 4, 5, 6.5, 10], label="steps of the shortest cycle")
    bar.ax.set_yticklabels(["3", "4", "5", "6, 7", "8 to 12"])
    tuned = polyak(data.KAPPA)
    share = tuned.alpha * data.KAPPA / (2.0 * (1.0 + tuned.beta))
    ax.plot(share, tuned.beta, marker="*", ms=13, c=PALETTE[1], mec="w", ls="", label="Polyak's tuning")
    ax.set(
        xlabel=r"step size, share of $2(1+\beta)/L$", ylabel=r"momentum $\beta$", xlim=(0, 1), ylim=(0, 0.98),
        title=rf"cycles of the heavy ball, $L/\mu={data.KAPPA:g}$",
    )  # fmt: skip
    ax.text(0.3, 0.35, "no cycle of at most 12 steps", ha="center", color="0.3")
    ax.legend(loc="lower left")


def cycle_features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Shares of the square by the shortest cycle."""
    periods = np.array(data.data()["cycles"])
    return {f"cycle_{n}": float((periods == n).mean()) for n in range(data.CYCLES + 1)}


FIGURES = [
    Figure(
        name="hunter_maps",
        caption=(
            "The smallest periodic integer gradients of positive sum on which Adam (eps = 0, vanishing steps) drifts the wrong "
            "way. (a) Lowest max|g| at period 3, by a line search. (b) Shortest period with |g| <= 3, enumerated. (c) "
            "How far x moves the wrong way per step in units of lr, for sequences of period and height 50 that annealing found. Lines: beta1 = sqrt(beta2)."
        ),
        panels=(1, 3),
        size=(11.5, 3.5),
        sweeps=(),
        draw=draw_maps,
        features=map_features,
        claims=("hunter.heights", "hunter.periods", "hunter.strength"),
    ),
    Figure(
        name="heavy_ball_cycles",
        caption=(
            "Step sizes and momenta at which the heavy ball has a cycle on some function with mu = 1 and L = 25, of any "
            "dimension, by the shortest such cycle up to 12 (white: none of them); up to the right edge it converges on every quadratic of the class."
        ),
        panels=(1, 1),
        size=(5.4, 4.0),
        sweeps=(),
        draw=draw_cycles,
        features=cycle_features,
        claims=("goujaud2023.region",),
    ),
]
