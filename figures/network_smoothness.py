"""Local smoothness against the norm of the gradient along trainings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.networks.curvature import PATHS, slopes
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_TITLES = ("Transformer on text, clipped SGD", "CNN on digits, SGD")


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """A scatter for each network, darker with time, with the power law of the claim."""
    from matplotlib.ticker import LogLocator

    for ax, grid, title in zip(axes, grids, _TITLES, strict=True):
        gradient, smoothness = grid.gradient_norm.values, grid.smoothness.values
        time = np.broadcast_to(grid.checkpoint.values, gradient.shape)
        shown = ax.scatter(gradient, smoothness, c=time, s=8.0, cmap="cividis_r", rasterized=True)
        exponent = float(np.median(slopes(grid)))
        line = np.quantile(gradient, (0.02, 0.98))
        through = np.exp(np.log(smoothness).mean() + exponent * (np.log(line) - np.log(gradient).mean()))
        ax.loglog(line, through, color=PALETTE[1], label=f"exponent {exponent:.2f}")
        ax.set(xlabel=r"$\|\nabla f\|$", ylabel="local smoothness", title=title)
        ax.xaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))  # more labels of less than a decade collide
        ax.xaxis.set_minor_formatter("{x:g}")
        ax.legend(loc="upper left")
        ax.figure.colorbar(shown, ax=ax, label="step")


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """The exponents with their 95% intervals."""
    found = {}
    for name, grid in zip(("transformer", "cnn"), grids, strict=True):
        for quantile in (2.5, 50.0, 97.5):
            found[f"{name}_{quantile:g}"] = float(np.quantile(slopes(grid), quantile / 100.0))
    return found


FIGURES = [
    Figure(
        name="network-smoothness",
        caption=(
            "Local smoothness along single steps against the norm of the gradient at their beginning, both of the loss "
            "of a fixed evaluation set, along a training; the line is the power law by least squares."
        ),
        panels=(1, 2),
        size=(8.0, 3.2),
        sweeps=PATHS,
        draw=draw,
        features=features,
        claims=("zhang2020clipping.N1", "zhang2020clipping.N2"),
        needs=("torch", "sklearn"),
    )
]
