"""Reddi, Kale, Kumar 2018, Figure 1: mean regret and iterates of Adam and AMSGrad on slopes 1010 and -10."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.reddi2018.experiment import (
    ADAM_ONLINE,
    ADAM_STOCHASTIC,
    AMSGRAD_ONLINE,
    AMSGRAD_STOCHASTIC,
    LIMIT,
    published,
)
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

COLORS = {"Adam": PALETTE[1], "AMSGrad": PALETTE[0]}


def _regret(ax: Axes, adam: xr.Dataset, amsgrad: xr.Dataset) -> None:
    for name, cell in (("Adam", published(adam)), ("AMSGrad", published(amsgrad))):
        ax.plot(cell.checkpoint, cell.regret_mean, color=COLORS[name], label=name)
    constant = amsgrad.sel(lr=0.01, s=0.0).isel(seed=0)
    ax.plot(
        constant.checkpoint,
        constant.regret_mean,
        "--",
        color=PALETTE[5],
        label="AMSGrad, constant step .01",
    )
    t = amsgrad.checkpoint.values.astype(float)
    ax.axhline(LIMIT, color="black", linestyle=":", linewidth=1.0, label="limit 20/101")
    late = t[t >= 1e4]
    level = float(published(amsgrad).regret_mean[-1]) * math.sqrt(t[-1])
    ax.plot(late, 2.0 * level / np.sqrt(late), color="0.6", linewidth=1.0, label=r"slope $T^{-1/2}$")
    ax.set(xscale="log", yscale="log", xlabel="steps $T$", ylabel="average regret $R_T/T$", ylim=(5e-4, 30))
    ax.legend(loc="lower left")


def _iterates(ax: Axes, adam: xr.Dataset, amsgrad: xr.Dataset) -> None:
    for name, cell in (("Adam", published(adam)), ("AMSGrad", published(amsgrad))):
        ax.plot(cell.checkpoint, cell.x, color=COLORS[name], label=name)
    _corners(ax)
    ax.legend(loc="center right")


def _band(ax: Axes, adam: xr.Dataset, amsgrad: xr.Dataset) -> None:
    # Where the bands cross, one is hatched and the other filled.
    looks: tuple[dict[str, Any], ...] = (
        {"facecolor": "none", "hatch": "////", "alpha": 0.45},
        {"facecolor": COLORS["AMSGrad"], "alpha": 0.25},
    )
    for name, grid, look in zip(("Adam", "AMSGrad"), (adam, amsgrad), looks, strict=True):
        low, high = (grid.x.quantile(q, dim="seed") for q in (0.1, 0.9))
        ax.fill_between(grid.checkpoint, low, high, edgecolor=COLORS[name], linewidth=0.0, **look)
        for edge in (low, high):
            ax.plot(grid.checkpoint, edge, color=COLORS[name], lw=0.6)
        ax.plot(grid.checkpoint, grid.x.mean("seed"), color=COLORS[name], lw=2.0, label=f"{name}, mean")
    _corners(ax)


def _corners(ax: Axes) -> None:
    ax.axhline(-1.0, color="black", linestyle=":", linewidth=1.0, label=r"optimum $x^*=-1$")
    ax.set(xscale="log", xlabel="step $t$", ylabel="$x_t$", ylim=(-1.1, 1.1))


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Average regret online, iterates online, iterates stochastic."""
    titles = (
        "(a) online: average regret",
        "(b) online: iterate",
        "(c) stochastic: mean, 80 % of seeds",
    )
    panels = (_regret, _iterates, _band)
    pairs = (grids[:2], grids[:2], grids[2:])
    for ax, title, panel, (adam, amsgrad) in zip(axes, titles, panels, pairs, strict=True):
        panel(ax, adam, amsgrad)
        ax.set_title(title)
        ax.set_xlim(int(adam.checkpoint[0]), int(adam.checkpoint[-1]))
        ax.xaxis.set_minor_locator(_no_ticks())


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def features(grids: Sequence[xr.Dataset]) -> Mapping[str, float]:
    """Ends of the curves, Adam's average regret over 20/101, AMSGrad's slope in the last decade."""
    adam, amsgrad = (published(grid) for grid in grids[:2])
    T = int(adam.checkpoint[-1])
    decade = [float(amsgrad.regret_mean.sel(checkpoint=t)) for t in (T // 10, T)]
    x_adam, x_amsgrad = (grid.x_final for grid in grids[2:])
    return {
        "steps": T,
        "adam_x": float(adam.x_final),
        "amsgrad_x": float(amsgrad.x_final),
        "adam_excess_regret": float(adam.regret_mean[-1]) - LIMIT,
        "amsgrad_average_regret": decade[1],
        "amsgrad_regret_slope": math.log10(decade[1] / decade[0]),
        "adam_stochastic_mean": float(x_adam.mean()),
        "adam_stochastic_min": float(x_adam.min()),
        "amsgrad_stochastic_mean": float(x_amsgrad.mean()),
        "amsgrad_stochastic_max": float(x_amsgrad.max()),
    }


FIGURES = [
    Figure(
        name="reddi",
        caption=(
            "Adam and AMSGrad (beta1 = 0.9, beta2 = 0.99, no bias correction, steps 0.5/sqrt(t), x_1 = 0) on slopes "
            "1010 once in 101 steps (a, b) or with probability 0.01 (c), else -10, on [-1, 1]; after Reddi, Kale, Kumar 2018, "
            "Figure 1, whose steps are not given. (c) Thick lines: mean over the seeds; bands: their 10 to 90 % quantiles, hatched "
            "for Adam. At the end of the quick tier, 10^6 steps, AMSGrad is still on its way to -1, which its claim leaves UNDECIDED there."
        ),
        panels=(1, 3),
        size=(10.0, 3.2),
        sweeps=(ADAM_ONLINE, AMSGRAD_ONLINE, ADAM_STOCHASTIC, AMSGRAD_STOCHASTIC),
        draw=draw,
        features=features,
        claims=("reddi2018.R7a", "reddi2018.R7b", "reddi2018.R7c", "reddi2018.R8a", "reddi2018.R8b"),
    )
]
