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
    for on, color in ((False, PALETTE[1]), (True, PALETTE[0])):
        label = "with feedback" if on else "without feedback"
        axes[0].plot(quantized["up.k"], mean.sel(error_feedback=on), "o-", color=color, label=label)
        ratio = (final(quantized) / final(whole)).sel({"error_feedback": on, "up.k": 0})
        for seed in range(ratio.sizes["seed"]):
            shown = label if seed == 0 else None
            axes[1].semilogx(ratio.lr, ratio.isel(seed=seed), "o-", ms=3.0, lw=0.8, color=color, label=shown)
    axes[0].set(xlabel=r"$k$: levels $0, \pm2^{-k}, \dots, \pm1$", title="geometric mean over lr and seeds")
    axes[0].set(ylabel="loss over that of Adam", xticks=quantized["up.k"].values)
    axes[1].set(xlabel="lr", title=r"$k=0$: levels $0,\pm1$; every seed")
    for ax in axes:
        ax.axhline(1.0, color="k", lw=0.7, ls=":")
        ax.legend()


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
            "QAdam with one worker on an MLP on digits: final loss with updates quantized to a few levels over that "
            "without quantization, with and without error feedback."
        ),
        panels=(1, 2),
        size=(7.0, 3.2),
        sweeps=(WHOLE, QUANTIZED),
        draw=draw,
        features=features,
        claims=("qadam2021.N1", "qadam2021.N2"),
        needs=("torch", "sklearn"),
    )
]
