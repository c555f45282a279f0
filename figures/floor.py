"""The floor of quantized weights against the bits of the grid, with its exact value and two bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.efficientadam2023.quantizers import QUIET
from paper_checks.qadam2021.bias import (
    FLOOR,
    FLOOR_BOTH,
    floors,
    linear_bound,
    predicted_floor,
    uniform_error,
)
from theory_sim.evidence.cases import tail
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr


def _last(grid: xr.Dataset) -> float:
    """The largest mean ||grad f||^2 of two-way quantized updates at the end, over instances."""
    return float(tail(grid.gradient_square_mean).max(skipna=False))


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Floors, prediction and bounds by k; two-way quantized updates as a level."""
    ax = axes[0]
    weights, both, signs, _ = grids
    k = weights["down.k"].values
    seen, predicted = floors(weights)
    ax.plot(k, [linear_bound(int(one), 1.0) for one in k], "-.", color=PALETTE[1],
            label=r"linear bound $2C_0LG\,\delta_x/\sqrt{\varepsilon}$, $\varepsilon=1$")  # fmt: skip
    ax.plot(
        k, [uniform_error(int(one)) ** 2 for one in k], "--", color=PALETTE[4], label=r"$(L\,\delta_x)^2$"
    )
    ax.plot(k, predicted[:, 0], "-", color=PALETTE[0], label=r"$\sum_i(c_i-a_i)(a_i+h-c_i)$")
    ax.plot(k, seen[:, 0], "o", color=PALETTE[0], mfc="w", label="simulated, weights quantized")
    also, _ = floors(both)
    ax.plot(
        both["down.k"].values, also[:, 0], "x", color=PALETTE[6], label="and updates, 3 bits, with feedback"
    )
    ax.axhline(_last(signs), color=PALETTE[2], ls=":", label="two-way 1-bit updates, full weights")
    ax.set(yscale="log", xlabel="grid exponent $k$ ($k+2$ bits per weight)", ylim=(1e-7, 1e5))
    ax.set_ylabel(r"mean $\|\nabla f(Q_x(x_t))\|^2$, second half of the run")
    ax.set_title("floor of quantized weights")
    ax.yaxis.minorticks_off()
    ax.legend(loc="upper right")


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Largest relative error of the prediction, slope per bit of floor and linear bound, where signs end."""
    weights, both, signs, levels = grids
    k = weights["down.k"].values
    seen, predicted = floors(weights)
    also, its = floors(both)
    linear = [linear_bound(int(one)) for one in k]
    return {
        "error": float(np.max(np.abs(seen / predicted - 1.0))),
        "error_both": float(np.max(np.abs(also / its - 1.0))),
        "slope": float(np.polyfit(k, np.log2(seen[:, 0]), 1)[0]),
        "slope_linear": float(np.polyfit(k, np.log2(linear), 1)[0]),
        **{f"floor_{int(one)}": float(value) for one, value in zip(k, seen[:, 0], strict=True)},
        "signs": _last(signs),
        "log_levels": _last(levels),
        "floor_6_predicted": predicted_floor(6, 0),
    }


FIGURES = [
    Figure(
        name="floor",
        caption=(
            "QAdam with weights on a grid of spacing h = 2^-(k+1) (nearest rounding) on a quadratic without noise, d = 20: mean "
            "squared gradient at the quantized weights over the second half of 60,000 steps (quick: 30,000; levels of updates only: last 1000). The prediction is "
            "exact, a_i being the grid point below c_i: each coordinate visits its two neighbours so that the mean gradient "
            "is 0. The floor is quadratic in delta_x = sqrt(d) h/2; a bound linear in it (drawn for eps = 1; for eps = 1e-8 it is 10^4 "
            "times larger) loses one power of two per bit. Quantized updates with feedback have no floor (dotted: signs; 3 bits end at 0)."
        ),
        panels=(1, 1),
        size=(6.0, 4.4),
        sweeps=(FLOOR, FLOOR_BOTH, QUIET["l1_sign"], QUIET["log_levels"]),
        draw=draw,
        features=features,
        claims=("qadam2021.QC14", "qadam2021.QC15", "efficientadam2023.QC16"),
    )
]
