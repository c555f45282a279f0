"""QAdam on an MLP: the loss with quantized updates over that without, with and without error feedback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.networks.ends import final
from paper_checks.networks.messages import QUANTIZED, WHOLE, cost
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """The costs by the number of levels, and by lr for the coarsest."""
    whole, quantized = grids
    mean = cost(whole, quantized)
    for on, color, marker, side in ((False, PALETTE[1], "o", 0.98), (True, PALETTE[0], "D", 1.02)):
        label = "with feedback" if on else "without feedback"
        axes[0].plot(quantized["up.k"], mean.sel(error_feedback=on), marker + "-", color=color, label=label)
        ratio = (final(quantized) / final(whole)).sel({"error_feedback": on, "up.k": 0})
        for seed in range(ratio.sizes["seed"]):
            axes[1].semilogx(
                side * ratio.lr,
                ratio.isel(seed=seed),
                marker,
                ms=4.0,
                alpha=0.7,
                color=color,
                label=f"{label}, seed {seed}",
            )
    axes[0].set(xlabel=r"$k$: levels $0, \pm2^{-k}, \dots, \pm1$", title="geometric mean over lr and seeds")
    axes[0].set(ylabel="loss over that of Adam", xticks=quantized["up.k"].values)
    axes[1].set(xlabel="lr", ylabel="loss over that of Adam", title=r"$k=0$: levels $0,\pm1$; every seed")
    lr = quantized.lr.values
    axes[1].set_xticks(lr, [f"{one:g}" for one in lr])
    axes[1].set_xlim(lr[0] / 2.0, 2.0 * lr[-1])
    axes[1].minorticks_off()
    for ax in axes:
        ax.axhline(1.0, color="k", lw=0.7, ls=":", zorder=0)
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=2)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """The costs."""
    mean = cost(*grids)
    return {
        f"k_{k}_{'with' if on else 'without'}": float(mean.sel({"error_feedback": on, "up.k": k}))
        for k in mean["up.k"].values
        for on in (False, True)
    }


FIGURES = [
    Figure(
        name="network-messages",
        caption=(
            "QAdam with one worker on an MLP on digits: final loss with updates quantized to the levels 0 and +-2^-j, j = 0 ... k, over that "
            "without quantization, with and without error feedback. (a) Geometric mean over step sizes and seeds; (b) every seed "
            "at the coarsest, by step size (one in the quick tier), set apart to be seen."
        ),
        panels=(1, 2),
        size=(7.4, 3.6),
        sweeps=(WHOLE, QUANTIZED),
        draw=draw,
        features=features,
        claims=("qadam2021.N1", "qadam2021.N2"),
        needs=("torch", "sklearn"),
    )
]
