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
    from matplotlib.ticker import LogLocator, NullFormatter

    (grid,) = grids
    relative = (grid.preconditioned / threshold(grid)).isel(seed=0)
    styles = ("-", "--", ":")
    for i, lr in enumerate(grid.lr.values):
        for j, beta1 in enumerate(grid.beta1.values):
            cell = {"lr": lr, "beta1": beta1}
            # Curves that lie on another stay visible: the earlier are wider.
            wide = 1.2 + 1.3 * (grid.sizes["beta1"] - 1 - j)
            look = {"color": PALETTE[j % 7], "ls": styles[i % 3], "lw": wide}
            label = rf"lr {lr:g}, $\beta_1={beta1:g}$"
            axes[0].plot(grid.checkpoint, relative.sel(cell), label=label, **look)
            axes[1].semilogy(grid.checkpoint, grid.sharpness.isel(seed=0).sel(cell), label=label, **look)
            axes[2].semilogy(grid.checkpoint, grid.loss.isel(seed=0).sel(cell), label=label, **look)
    axes[0].axhline(1.0, color="k", lw=0.8, ls=":", zorder=0)
    threshold_ = r"$\lambda_{\max}(D^{-1}H)\,(1-\beta_1)\,\mathrm{lr}\,/\,(2+2\beta_1)$"
    top = min(2.0, 1.05 * float(relative.max()))
    axes[0].set(title="preconditioned sharpness over its threshold", ylabel=threshold_, ylim=(0.0, top))
    axes[1].set(title="sharpness", ylabel=r"$\lambda_{\max}(H)$")
    axes[2].set(title="loss", ylabel="loss (nats)")
    for ax in axes:
        ax.set_xlabel("step")
    for ax in axes[1:]:
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, labels, loc="outside lower center", ncol=min(len(labels), 5))


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """The plateaus, in units of the threshold."""
    return {
        f"lr_{lr:g}_beta1_{beta1:g}": float(np.mean(one)) for (lr, beta1), one in plateaus(grids[0]).items()
    }


FIGURES = [
    Figure(
        name="network-edge",
        caption=(
            "Full-batch Adam on an MLP on digits. (a) The largest eigenvalue of D^(-1) H, D the preconditioner, rises to "
            "(2 + 2 beta1)/((1 - beta1) lr) and stays there, for every lr and beta1 that has the time; (b) the "
            "largest eigenvalue of the Hessian H itself falls meanwhile, and (c) the loss goes on falling. First seed; the first "
            "beta1 is drawn wider, as curves coincide."
        ),
        panels=(1, 3),
        size=(11.0, 3.7),
        sweeps=(EDGE,),
        draw=draw,
        features=features,
        claims=("cohen2022.N1",),
        needs=("torch", "sklearn"),
    )
]
