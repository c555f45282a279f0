"""RR-Adam's residual gradient against 1 - beta2: proportional for D0 > 0, the last step for D0 = 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.wang2022 import CONCENTRATED, EPOCHS, LR, TILTED, residual
from theory_sim.evidence.rates import least_squares
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_CURVES = ((1.0, 0.0, "o"), (0.3, 0.0, "s"), (1.0, 0.9, "^"))
_LAST = LR / math.sqrt(EPOCHS)


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """One panel: three curves with D0 > 0, two with D0 = 0, the line of slope 1 and the last step."""
    ax = axes[0]
    tilted, concentrated = (residual(grid).mean("seed") for grid in grids)
    share = 1.0 - grids[0].beta2.values
    for color, (tilt, beta1, marker) in zip(PALETTE, _CURVES, strict=False):
        size = r"\sqrt{7}" if tilt == 1.0 else rf"{tilt:g}\sqrt{{7}}"
        label = rf"$\sqrt{{D_0}}={size}$, $\beta_1={beta1:g}$"
        covered = np.where(beta1**2 < grids[0].beta2.values, tilted.sel(tilt=tilt, beta1=beta1), np.nan)
        ax.plot(share, covered, marker + "-", color=color, ms=4, label=label)
    ax.plot(share, 1.53 * share, color="0.3", ls=":", label=r"$\propto 1-\beta_2$")
    for color, beta1, marker in zip(PALETTE[3:], (0.0, 0.9), "Dv", strict=False):
        values = concentrated.sel(beta1=beta1).values
        values = np.where((beta1**2 < grids[1].beta2.values) & (values > 1e-6), values, np.nan)
        ax.plot(
            share, values, marker + "--", color=color, ms=4, lw=1.0, label=rf"$D_0=0$, $\beta_1={beta1:g}$"
        )
    ax.axhline(
        2.0 * _LAST, color="0.3", lw=1.0, label=r"floor of the step size: twice the last, $2\eta_1/\sqrt{K}$"
    )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel=r"$1-\beta_2$",
        ylabel=r"mean $|f'(w_k)|$, last tenth of the epochs",
    )
    ax.set_title(rf"RR-Adam on tilted wells, $n=8$, $K={EPOCHS:,}$")
    ax.minorticks_off()
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncol=2)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Exponents in 1 - beta2 on [.001, .1] at beta1 = 0, the ratio of the two tilts, the largest control."""
    tilted = residual(grids[0])
    few = [0.9, 0.99, 0.999]
    share = 1.0 - np.array(few)
    found = {}
    for tilt, beta1, _ in _CURVES:
        values = tilted.sel(tilt=tilt, beta1=beta1, beta2=few).transpose("beta2", "seed").values
        found[f"slope_{tilt:g}_{beta1:g}"] = least_squares(share, values, seed=0).slope
    means = tilted.sel(beta1=0.0, beta2=0.99).mean("seed")
    found["tilt_ratio"] = float(means.sel(tilt=1.0) / means.sel(tilt=0.3))
    control = residual(grids[1]).sel(beta2=few).max()
    found["control_in_steps"] = float(control) / _LAST
    return found


FIGURES = [
    Figure(
        name="reshuffled-adam",
        caption=(
            "RR-Adam (arXiv:2208.09900) on f_i = E(x) + a_i x with D0 = mean a_i^2, step 0.1/sqrt(k) in epoch k, 20000 epochs: "
            "|f'| at the epoch starts of the last tenth against 1 - beta2, mean over the seeds. Solid line: twice the last step, the floor "
            "that steps of this size leave. With D0 > 0 it is proportional to "
            "1 - beta2 and to sqrt(D0); with D0 = 0 (f_1 = 8E, the others 0) it is of the size of the last step. Points with "
            "beta1^2 >= beta2 are left out, as is D0 = 0 at beta2 = 0.9999, where the residual is below 1e-100."
        ),
        panels=(1, 1),
        size=(5.6, 4.8),
        sweeps=(TILTED, CONCENTRATED),
        draw=draw,
        features=features,
        claims=("wang2022.R1", "wang2022.R2"),
    )
]
