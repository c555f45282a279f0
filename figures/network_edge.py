"""Full-batch Adam on an MLP: preconditioned sharpness over (2 + 2 beta1) / ((1 - beta1) lr), and the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.networks.curvature import EDGE, plateaus, threshold
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """The sharpness in units of its threshold, the sharpness itself, the loss."""
    (grid,) = grids
    relative = (grid.preconditioned / threshold(grid)).isel(seed=0)
    styles = ("-", "--", ":")
    for i, lr in enumerate(grid.lr.values):
        for j, beta1 in enumerate(grid.beta1.values):
            cell = {"lr": lr, "beta1": beta1}
            look = {"color": PALETTE[j % 7], "ls": styles[i % 3], "lw": 1.2}
            label = rf"lr {lr:g}, $\beta_1$ = {beta1:g}"
            axes[0].plot(grid.checkpoint, relative.sel(cell), label=label, **look)
            axes[1].semilogy(grid.checkpoint, grid.sharpness.isel(seed=0).sel(cell), label=label, **look)
            axes[2].semilogy(grid.checkpoint, grid.loss.isel(seed=0).sel(cell), label=label, **look)
    axes[0].axhline(1.0, color="k", lw=0.8)
    axes[0].set(title=r"$\lambda_{\max}(D^{-1}H)$ over its threshold", xlabel="step", ylim=(0.0, 1.4))
    axes[1].set(title=r"$\lambda_{\max}(H)$", xlabel="step")
    axes[2].set(title="loss", xlabel="step")
    axes[2].legend(fontsize=6.5)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """The plateaus, in units of the threshold."""
    return {f"lr_{lr:g}_beta1_{beta1:g}": one for (lr, beta1), one in plateaus(grids[0]).items()}


FIGURES = [
    Figure(
        name="network-edge",
        caption=(
            "Full-batch Adam on an MLP on digits. The largest eigenvalue of D^(-1) H, D the preconditioner, rises to "
            "(2 + 2 beta1)/((1 - beta1) lr) and stays there, for every lr and beta1 that has the time; the "
            "largest eigenvalue of H itself falls meanwhile, and the loss goes on falling."
        ),
        panels=(1, 3),
        size=(11.0, 3.2),
        sweeps=(EDGE,),
        draw=draw,
        features=features,
        claims=("cohen2022.N1",),
        needs=("torch", "sklearn"),
    )
]
