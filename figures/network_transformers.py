"""Adam and SGD with momentum on a Transformer and a CNN, and the spectra of the blocks of their Hessians."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.networks.ends import final
from paper_checks.networks.transformers import RIVALS, SPECTRA, heterogeneity, lag
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_NAMES = ("Transformer", "CNN")


def _curves(ax: Any, adam: xr.Dataset, sgdm: xr.Dataset, name: str) -> None:
    for grid, method, color in ((adam, "Adam", PALETTE[0]), (sgdm, "SGDM", PALETTE[1])):
        at = int(final(grid).mean("seed").values.argmin())
        loss = grid.loss.isel(lr=at).mean("seed").values
        ax.plot(grid.checkpoint, loss, color=color, label=f"{method}, lr {float(grid.lr[at]):g}")
    ax.set(yscale="log", xlabel="step", ylabel="loss (nats)", title=f"{name}, tuned lr")
    ax.minorticks_off()
    low, high = ax.get_ylim()
    ticks = [t for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0) if low <= t <= high]
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    ax.legend()


def _spectra(ax: Any, grid: xr.Dataset, name: str) -> None:
    start = grid.isel(seed=0, checkpoint=0)
    for block in range(start.sizes["block"]):
        nodes, weights = start.nodes.values[block], start.weights.values[block]
        size = np.abs(nodes)
        order = np.argsort(size)
        share = 1.0 - np.cumsum(weights[order])
        ax.plot(
            size[order], np.maximum(share, 0.0), lw=0.9, alpha=0.7, color=PALETTE[0], label=f"block {block}"
        )
    mean = heterogeneity(grid, True).mean()
    ax.set(xscale="log", xlim=(1e-6, 1.0), ylim=(1e-3, 1.1), yscale="log")
    ax.set(
        xlabel=r"$|\lambda|$",
        ylabel="share of eigenvalues beyond",
        title=f"{name}, JS distance {mean:.2f}",
    )


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Losses of both, then spectra of both."""
    for i, name in enumerate(_NAMES):
        _curves(axes[i], grids[2 * i], grids[2 * i + 1], name)
        _spectra(axes[2 + i], grids[4 + i], name)
    axes[2].legend(axes[2].get_lines()[:1], ["one matrix of weights"], loc="lower left")


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """What SGDM lacks of Adam's progress, and the distances of the blocks."""
    found = {}
    for i, name in enumerate(_NAMES):
        found[f"{name}_lag"] = float(lag(grids[2 * i], grids[2 * i + 1]).mean())
        found[f"{name}_distance"] = float(heterogeneity(grids[4 + i], True).mean())
    return found


FIGURES = [
    Figure(
        name="network-transformers",
        caption=(
            "(a, b) Loss of a character-level Transformer and a CNN on digits with Adam and SGD with momentum, each at "
            "its best step size, mean over the seeds. (c, d) For every matrix of weights, the share of the eigenvalues of its block of "
            "the Hessian at the start that are larger than |lambda|, by Lanczos quadrature; the title has the mean "
            "Jensen-Shannon (JS) distance of two blocks."
        ),
        panels=(1, 4),
        size=(11.0, 3.0),
        sweeps=(*RIVALS, *SPECTRA),
        draw=draw,
        features=features,
        claims=tuple(f"zhang2024transformers.N{i}" for i in range(1, 4)),
        needs=("torch", "sklearn"),
    )
]
