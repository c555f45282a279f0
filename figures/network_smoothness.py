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
    from matplotlib.ticker import LogLocator, NullLocator

    for ax, grid, title in zip(axes, grids, _TITLES, strict=True):
        gradient, smoothness = grid.gradient_norm.values, grid.smoothness.values
        time = np.broadcast_to(grid.checkpoint.values, gradient.shape)
        shown = ax.scatter(gradient, smoothness, c=time, s=8.0, cmap="cividis_r", rasterized=True)
        least, exponent, most = np.quantile(slopes(grid), (0.025, 0.5, 0.975)).tolist()
        line = np.quantile(gradient, (0.02, 0.98))
        through = np.exp(np.log(smoothness).mean() + exponent * (np.log(line) - np.log(gradient).mean()))
        ax.loglog(line, through, color=PALETTE[1], label=f"exponent {exponent:.2f} [{least:.2f}, {most:.2f}]")
        ax.set(xlabel=r"$\|\nabla f\|$ before the step", ylabel="local smoothness along the step")
        for axis in (ax.xaxis, ax.yaxis):  # plain numbers, also where the axis is shorter than a decade
            low, high = axis.get_view_interval()
            few = (1.0, 2.0, 5.0) if high / low > 4.0 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
            axis.set_major_locator(LogLocator(subs=few))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(NullLocator())
        ax.set_title(f"{title}\n{ax.get_lines()[-1].get_label()}")
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
            "of a fixed evaluation set, along a training; the line is the power law by least squares, its exponent and 95 % interval in the title."
        ),
        panels=(1, 2),
        size=(8.4, 3.6),
        sweeps=PATHS,
        draw=draw,
        features=features,
        claims=("zhang2020clipping.N1", "zhang2020clipping.N2"),
        needs=("torch", "sklearn"),
    )
]
