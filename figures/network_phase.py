"""Adam on an MLP: the loss over (beta1, beta2) with the line beta1 = sqrt(beta2), and beta2 against the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.networks.ends import final, tuned
from paper_checks.networks.phase import BATCHES, BY_BATCH, PHASE, admissible, edges, plateau, relative
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """The map, the tuned losses for every batch size, and the betas that these give."""
    from matplotlib.colors import LogNorm

    phase, batches = grids[0], grids[1:]
    beta1, beta2 = phase.beta1.values, phase.beta2.values
    loss = np.clip(final(phase).mean("seed").values, None, 100.0)
    # Cells as steps of the grid: betas crowd towards 1.
    image = axes[0].pcolormesh(
        np.arange(len(beta2)), np.arange(len(beta1)), loss, cmap="cividis_r", norm=LogNorm(loss.min(), 100.0)
    )
    places = np.interp(beta1**2, beta2, np.arange(len(beta2)))
    axes[0].plot(places, np.arange(len(beta1)), color=PALETTE[1], lw=2.0, label=r"$\beta_1=\sqrt{\beta_2}$")
    for axis, values in ((axes[0].xaxis, beta2), (axes[0].yaxis, beta1)):
        shown = np.arange(0, len(values), -(-len(values) // 7))
        axis.set_ticks(shown, [f"{values[i]:.3g}" for i in shown])
    axes[0].set(xlabel=r"$\beta_2$", ylabel=r"$\beta_1$", title="final loss of an MLP, batches of 4")
    axes[0].legend(loc="lower right", frameon=True)
    axes[0].figure.colorbar(image, ax=axes[0], label="final loss in nats (100: or more)")
    for batch, grid, color in zip(BATCHES, batches, PALETTE, strict=False):
        curve = tuned(grid).mean("seed").transpose("beta2").values
        axes[1].loglog(
            1.0 - grid.beta2.values, curve / curve.min(), "o-", ms=3.0, color=color, label=f"{batch}"
        )
    axes[1].set(xlabel=r"$1-\beta_2$", ylabel="tuned loss over the best", title=r"tuned loss, $\beta_1=0.9$")
    top = min(4.0, 1.1 * max(1.3, *(float(line.get_ydata().max()) for line in axes[1].get_lines())))
    axes[1].set_ylim(0.97, top)
    ticks = [tick for tick in (1, 1.1, 1.25, 1.5, 2, 3, 4) if tick <= top]
    axes[1].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[1].minorticks_off()
    axes[1].axhline(1.25, color="k", lw=0.9, ls=":", label="a quarter lost")
    axes[1].legend(title="batch size", loc="upper left")
    found = [admissible(grid) for grid in batches]
    for seed, values in enumerate(np.transpose(found)):
        label = "costs a quarter, each seed" if seed == 0 else None
        axes[2].loglog(BATCHES, values, ".", color=PALETTE[0], label=label)
    means = np.exp(np.log(found).mean(axis=1))
    axes[2].loglog(BATCHES, means, "-", color=PALETTE[0], label="costs a quarter, mean")
    ranges = np.array([plateau(grid) for grid in batches])
    axes[2].vlines(BATCHES, *ranges.T, color=PALETTE[1], lw=4.0, alpha=0.5, label="not told from the best")
    axes[2].set(xlabel="batch size", ylabel=r"$1-\beta_2$", title=r"admissible $1-\beta_2$")
    axes[2].set_xticks(BATCHES, map(str, BATCHES))
    axes[2].minorticks_off()
    axes[2].set_ylim(2e-4, 1.0)
    axes[2].legend(loc="lower right")


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Share of failing networks, the edges of bad beta2, and the betas of the batches."""
    rows = edges(grids[0]).mean("seed", skipna=False)[:8]
    found = {f"edge_at_{float(edge.beta1):.3g}": float(edge) for edge in rows}
    for batch, grid in zip(BATCHES, grids[1:], strict=True):
        found[f"admissible_{batch}"] = float(np.exp(np.log(admissible(grid)).mean()))
    return {"failing_share": float((relative(grids[0]) > 1.0).mean()), **found}


FIGURES = [
    Figure(
        name="network-phase",
        caption=(
            "Adam on an MLP of 2,410 parameters on digits. (a) Final loss over (beta1, beta2), every cell the mean of "
            "six networks, with the line beta1 = sqrt(beta2). (b) Final loss against 1 - beta2 for several batch "
            "sizes, the same epochs, lr tuned for each. (c) The 1 - beta2 at which a quarter is lost, and the range "
            "that seeds cannot tell from the best."
        ),
        panels=(1, 3),
        size=(11.0, 3.4),
        sweeps=(PHASE, *BY_BATCH),
        draw=draw,
        features=features,
        claims=tuple(f"zhang2022.N{i}" for i in range(1, 6)),
        needs=("torch", "sklearn"),
    )
]
