"""Shi et al. 2021: Figure 1, for the problem as printed and as first coded, and the regimes of Table 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples import drift, shi
from paper_checks.shi2021 import claims as shi2021
from theory_sim.nouns.figure import PALETTE, VERDICT_COLORS, Figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

BLUE, RED, GREEN = PALETTE[0], PALETTE[1], PALETTE[2]
PUBLISHED = 0.635  # the middle of "between .63 and .64"


def _convergent(grid: xr.Dataset) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The caption's criterion at the horizon, shape (C, beta2)."""
    return np.asarray(grid["distance_window"].values[..., 0, -1] < shi.RULE.converged)


def _phases(ax: Axes, grid: xr.Dataset, large: int) -> None:
    from matplotlib.colors import ListedColormap

    colors = ListedColormap([VERDICT_COLORS["DIVERGED"], VERDICT_COLORS["CONVERGED"]])
    u, C = shi2021.exponent(grid["beta2"].values), grid["C"].values
    ax.pcolormesh(
        u, C, _convergent(grid), cmap=colors, vmin=0, vmax=1, shading="nearest", alpha=0.55, rasterized=True
    )
    fine = np.arange(3, 33)
    for number, style in ((1, "-"), (2, "--")):
        curve = [shi2021.critical_exponent(int(c), number) for c in fine]
        name = "one" if number == 1 else "two"
        width = 2.0 if number == large else 1.2
        ax.plot(curve, fine, style, color="black", linewidth=width, label=f"$D=0$, {name} large per period")
    ax.plot(
        shi2021.exponent(PUBLISHED),
        10,
        "*",
        color="white",
        markeredgecolor="black",
        markersize=11,
        label=r"published, $C=10$: $.63<\beta_2<.64$",
        zorder=5,
    )
    ax.set(xlabel=r"$-\log_{10}(1-\beta_2)$", ylabel="$C$", xlim=(0.05, 4.05), ylim=(2.5, 32.5))
    ax.text(3.0, 26, "converges", color="black", ha="center")
    ax.text(1.45 if large == 1 else 0.42, 26, "diverges", color="black", ha="center")


def _realizable(ax: Axes, grid: xr.Dataset) -> None:
    k = grid["checkpoint"].values
    lr = shi2021.REALIZABLE.optimizer.lr
    shown = {0.1: RED, 0.6: RED, 0.9: RED, 0.95: RED, 0.96: BLUE, 0.98: BLUE, 0.999: BLUE}
    for beta2, color in shown.items():
        cell = grid.sel(beta2=beta2).isel(seed=0)
        size = np.maximum(np.abs(cell["x"].values), 1e-5)  # an iterate that crosses 0 leaves the picture
        ax.plot(k, size, color=color, linewidth=1.0 if 0.95 < beta2 < 0.97 else 1.4)
        if beta2 != 0.98:  # ends where .999 does
            name = ".98, .999" if beta2 == 0.999 else f"{beta2:g}".lstrip("0")
            ax.text(1.15 * k[-1], size[-1], name, color=color, va="center", fontsize=8)
    late = k[k >= 1000].astype(float)
    slope = 2.0 * lr * abs(float(drift.drift(0.0, 0.6, 10, 10.0))) / 10.0
    ax.plot(late, slope * np.sqrt(late), ":", color="black", label=r"$2\eta|D|\sqrt{k}/n$ at $\beta_2=.6$")
    ax.plot(late, 3.0 * lr / np.sqrt(late), "--", color="black", linewidth=1.0, label=r"$3\,\eta/\sqrt{k}$")
    ax.set(xscale="log", yscale="log", xlabel="step $k$", ylabel="$|x_k|$", ylim=(1e-4, 4e2), xlim=(10, 8e6))
    ax.text(1.15 * k[-1], 380.0, r"$\beta_2$", va="center", fontsize=8)
    ax.legend(loc="lower left")


def _nonrealizable(ax: Axes, grid: xr.Dataset, published: xr.Dataset) -> None:
    k = grid["checkpoint"].values
    end = float(k[-1])
    for beta2, color in ((0.99, BLUE), (0.995, GREEN), (0.999, PALETTE[3])):
        ax.plot(
            k,
            grid["x"].sel(beta2=beta2).values[0],
            color=color,
            label=rf"$a=1$, $\beta_2={beta2:g}$".replace("0.", "."),
        )
        limit = drift.quadratics_bias(0.0, beta2, 1.0)
        ax.plot([1e4, 1.5 * end], [limit] * 2, "--", color=color, linewidth=1.0)
    ax.plot(
        published["checkpoint"].values,
        published["x"].sel(a=100.0).values[0],
        color="black",
        label=r"$a=100$, $\beta_2=.999$",
    )
    limit = drift.quadratics_bias(0.0, 0.999, 100.0)
    ax.text(end, -0.375, rf"limit ${limit:.2f}$ $\downarrow$", ha="right", va="center", fontsize=8)
    ax.axhline(0.0, color="0.6", linewidth=0.6, zorder=0)
    ax.set(xscale="log", xlabel="step $k$", ylabel="$x_k$", ylim=(-0.41, 0.12), xlim=(10, 1.5 * end))
    ax.legend(loc="lower left")


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    printed, coded, realizable, nonrealizable, published = grids
    _phases(axes[0], printed, 1)
    axes[0].set_title("(a) RMSProp on the printed problem")
    axes[0].legend(
        loc="lower right", bbox_to_anchor=(1.0, 0.0), frameon=True, framealpha=0.9, edgecolor="none"
    )
    _phases(axes[1], coded, 2)
    axes[1].set_title("(b) on the problem first coded: two large gradients")
    _realizable(axes[2], realizable)
    axes[2].set_title("(c) realizable quadratics, boundary .9554")
    _nonrealizable(axes[3], nonrealizable, published)
    axes[3].set_title("(d) non-realizable quadratics, limits dashed")


def _edge(grid: xr.Dataset, C: int) -> float:
    """The smallest u of a row from which every cell converges."""
    row = _convergent(grid.sel(C=[C]))[0]
    first = row.size - int(np.argmin(row[::-1])) if not row.all() else 0
    return float(shi2021.exponent(grid["beta2"].values[first]))


def _features(grids: Sequence[xr.Dataset]) -> Mapping[str, float]:
    printed, coded, realizable, nonrealizable, published = grids
    rows = [int(C) for C in printed["C"].values if C >= 3]
    last = realizable["checkpoint"].values[-1]
    decade = np.abs(realizable["x"].sel(checkpoint=[last // 10, last], beta2=0.6).values[0])
    return {
        "agreement": shi2021.agreement(printed, 1).mean(),
        "agreement_two_hit": shi2021.agreement(coded, 2).mean(),
        "edge_two_hit_C11": _edge(coded, 11),
        "edge_C11": _edge(printed, 11),
        "edge_error_max": max(abs(_edge(printed, C) - shi2021.critical_exponent(C)) for C in rows),
        "monotone": float(np.all(np.diff([_edge(printed, C) for C in rows]) >= 0.0)),
        "growth_exponent": math.log10(decade[1] / decade[0]),
        "limit_995": float(nonrealizable["x_final"].sel(beta2=0.995)[0]),
        "published_level": float(published["x_final"].sel(a=100.0)[0]),
    }


FIGURES = [
    Figure(
        name="shi",
        caption=(
            "Shi et al. 2021. (a, b) RMSProp on [-1, 1] with slopes C and -1, x_1 = 100, v_0 = 100 C, lr_t "
            "= 1/sqrt(t), 1e6 steps; convergent (blue) if the distance to -1 is below .01 on average over "
            "the last quarter. Lines: zeros of the exact drift. (c, d) Ten quadratics in cyclic order, lr_t "
            "= .1/sqrt(t), x recorded at ends of periods: realizable (a = 0) and not (a = 1, and a = 100 as "
            "in the published run)."
        ),
        panels=(2, 2),
        size=(8.6, 6.8),
        sweeps=(
            shi2021.PHASES,
            shi2021.PHASES_TWO_HIT,
            shi2021.REALIZABLE,
            shi2021.NONREALIZABLE,
            shi2021.PUBLISHED_LEVEL,
        ),
        draw=_draw,
        features=_features,
        claims=("shi2021.S1", "shi2021.S2a", "shi2021.S3", "shi2021.S5a", "shi2021.S5b", "shi2021.S5c"),
    )
]
