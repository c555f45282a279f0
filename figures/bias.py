"""The bias of compressed Adam under skewed noise, with and without error feedback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.qadam2021.bias import BIAS, MEDIAN, biases
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

COMPRESSORS = {
    "log_levels(0)": "$Q_g$, $k=0$",
    "log_levels(2)": "$Q_g$, $k=2$",
    "l1_sign": r"$\ell_1$-sign",
    "rms_sign": "RMS-sign",
    "top_k": "top-2 of 16",
}
PANELS = (
    ("gradient", 0, r"(a) compressed gradient, $\beta_1=0$"),
    ("update", 0, r"(b) compressed update, $\beta_1=0$"),
    ("update", 1, r"(c) compressed update, $\beta_1=0.9$"),
)
SIDES = (("without feedback", PALETTE[1], "o", 7.5), ("with feedback", PALETTE[0], "D", 4.5))


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Two points per compressor, the median that signs find, and the sampling error."""
    size = biases(grids)
    place = np.arange(len(COMPRESSORS))
    for ax, (what, row, title) in zip(axes, PANELS, strict=True):
        ends = np.array([[size[name, what][row, side] for name in COMPRESSORS] for side in range(2)])
        ax.vlines(place, *ends, color="0.8", lw=1.2, zorder=0)
        for values, (label, color, marker, ms) in zip(ends, SIDES, strict=True):
            ax.plot(place, values, marker, color=color, ms=ms, label=label)
        ax.axhline(MEDIAN, color="0.3", ls=":", lw=1.1, label="median of the noise, $4/9$", zorder=0)
        ax.set(title=title, yscale="log", ylim=(1e-3, 4.0), xlim=(-0.5, len(place) - 0.5))
        ax.set_xticks(place, [*COMPRESSORS.values()], rotation=30, ha="right")
        ax.tick_params(axis="x", length=0)
        ax.minorticks_off()
    axes[0].set_ylabel(r"bias $|\bar x-x_*|$")
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, labels, loc="outside lower center", ncol=3)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Every bar by compressor, what is compressed, beta1 (0 or 9) and feedback (0 or 1)."""
    return {
        f"{name}_{what}_{beta1}_{side}": float(values[row, side])
        for (name, what), values in biases(grids).items()
        for row, beta1 in enumerate((0, 9))
        for side in (0, 1)
    }


FIGURES = [
    Figure(
        name="bias",
        caption=(
            "Distance of the mean iterate from the minimiser of ||x||^2/2 under noise of mean 0, +4 with probability .1 and "
            "-4/9 else (d = 16, lr = .3/sqrt(t), second half of 60,000 steps, mean over 8 seeds; quick: 20,000 and 3), for (a) a "
            "compressed gradient, (b, c) a compressed update. Without "
            "feedback signs end at the median of the noise and top-2 beyond; with feedback what is left is the sampling error. Momentum "
            "hides the bias if the update is compressed, not if the gradient is."
        ),
        panels=(1, 3),
        size=(9.6, 3.5),
        sweeps=tuple(BIAS.values()),
        draw=draw,
        features=features,
        claims=("qadam2021.QC11",),
    )
]
