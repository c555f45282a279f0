"""Running mean of the squared gradient against the horizon, for quantized updates and quantized weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples import quantized
from paper_checks.qadam2021.bias import predicted_floor
from paper_checks.theorems.compression import EXACT
from theory_sim.compressors import l1_sign, log_levels, top_k, weights
from theory_sim.compressors.compressor import Compressor
from theory_sim.nouns.figure import PALETTE, Figure
from theory_sim.nouns.schedule import power
from theory_sim.nouns.sweep import Sweep
from theory_sim.optimizers.quantized import qadam

if TYPE_CHECKING:
    import xarray as xr

_TIMES = tuple(np.unique(np.geomspace(1, 100_000, 61).round().astype(int)).tolist())
_QUICK = tuple(t for t in _TIMES if t <= 10_000)
_FIELDS: dict[str, Any] = {
    "steps": _TIMES[-1],
    "checkpoints": _TIMES,
    "running": True,
    "seeds": 4,
    "entropy": 2004,
    "quick": {"steps": _QUICK[-1], "checkpoints": _QUICK},
}
UPDATES: dict[str, tuple[str, Compressor, bool, str, Any]] = {
    "full": ("full precision", EXACT, True, PALETTE[6], "-"),
    "log_levels": ("$Q_g$, $k=2$, feedback", log_levels(2), True, PALETTE[0], (0, (6, 4))),
    "l1_sign": (r"$\ell_1$-sign, feedback", l1_sign(), True, PALETTE[2], (0, (3, 3))),
    "top_k": ("top-1, feedback", top_k(1), True, PALETTE[4], (0, (1, 2))),
    "top_k_no_feedback": ("top-1, no feedback", top_k(1), False, PALETTE[1], "-"),
}
CURVES = {
    name: Sweep(
        quantized.bowl(),
        qadam(0.1, theta=0.999, up=up, down=EXACT, error_feedback=feedback, schedule=power(0.5)),
        x0=(1.5 + np.linspace(0.0, 0.013, 16)).tolist(),
        name=f"qadam2021.curve_{name}",
        **_FIELDS,
    )
    for name, (_, up, feedback, *_) in UPDATES.items()
}
_NOISY = quantized.quadratic(0.1, d=20, spread=0.4, x0=0.0)
GRIDS = (1, 3, 5)
WEIGHTS, UNQUANTIZED = (
    Sweep(
        _NOISY,
        qadam(0.05, theta=1.0, up=EXACT, down=down, schedule=power(0.5)),
        axes=axes,
        name=f"qadam2021.curve_{name}",
        **_FIELDS,
    )
    for name, down, axes in (("weights", weights(1), {"down.k": GRIDS}), ("full_weights", EXACT, {}))
)


def _mean(grid: xr.Dataset) -> xr.DataArray:
    mean: xr.DataArray = grid.gradient_square_mean.mean("seed", skipna=False)
    return mean


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Quantized updates on the bowl; quantized weights on a noisy quadratic, with their floors."""
    from matplotlib.lines import Line2D

    *curves, weighted, full = grids
    exact = _mean(curves[0])
    for (label, _, _, color, style), grid in zip(UPDATES.values(), curves, strict=True):
        mean = _mean(grid)
        axes[0].plot(mean.checkpoint, mean, color=color, ls=style, label=label)
        axes[1].plot(mean.checkpoint, mean / exact, color=color, label=f"{label}, over full precision")
    t = exact.checkpoint.values
    axes[0].plot(t, 25.0 * t**-0.5, "-.", color="0.5", lw=1.0, label=r"$\propto T^{-1/2}$")
    mean = _mean(full)
    axes[2].plot(mean.checkpoint, mean, color=PALETTE[6], label="full precision")
    for k, color in zip(GRIDS, PALETTE, strict=False):
        mean = _mean(weighted.sel({"down.k": k}))
        axes[2].plot(mean.checkpoint, mean, color=color, label=f"$Q_x$, $k={k}$")
        axes[2].axhline(predicted_floor(k, 0), color=color, ls="--", lw=1.0, label=f"floor, $k={k}$")
    axes[0].set(title="(a) quantized updates", ylabel=r"$\frac{1}{T}\sum_{t\leq T}\|\nabla f(x_t)\|^2$")
    axes[1].set(title="(b) the same over full precision", ylabel="ratio to full precision")
    axes[2].set(title="(c) quantized weights", ylabel=r"$\frac{1}{T}\sum_{t\leq T}\|\nabla f(x_t)\|^2$")
    for ax in axes:
        ax.set(xscale="log", yscale="log", xlabel="horizon $T$", xlim=(1, t[-1]))
        ax.minorticks_off()
    axes[0].set_ylim(1e-3 if t[-1] > _QUICK[-1] else 1e-2, 20.0)
    axes[1].set(yscale="linear", ylim=(0.8, 1.3))
    axes[2].set_ylim(top=40.0)  # room for the legend
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=6)
    solid = [line for line in axes[2].get_lines() if line.get_linestyle() == "-"]
    floors = Line2D([], [], color="0.3", ls="--", lw=1.0, label="floors without noise")
    axes[2].legend(handles=[*solid, floors], loc="upper right")


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Running means at powers of ten, and the last increment of the weighted runs over their floors."""
    *curves, weighted, full = grids
    found: dict[str, float] = {}
    for name, grid in zip(UPDATES, curves, strict=True):
        mean = _mean(grid)
        found |= {
            f"{name}_{int(t)}": float(mean.sel(checkpoint=t))
            for t in (100, 1_000, 10_000, 100_000)
            if t <= mean.checkpoint[-1]
        }
    for name, each in (
        ("full_weights", _mean(full)),
        *((f"weights_{k}", _mean(weighted.sel({"down.k": k}))) for k in GRIDS),
    ):
        sums = each * each.checkpoint
        a, b = 1_000, int(each.checkpoint[-1])
        late = (sums.sel(checkpoint=b) - sums.sel(checkpoint=a)) / (b - a)
        found[f"{name}_late"] = float(late)
    return found | {f"floor_{k}": predicted_floor(k, 0) for k in GRIDS}


FIGURES = [
    Figure(
        name="quantized-curves",
        caption=(
            "Running mean of ||grad f||^2 under QAdam. (a) sum x_i^2/(1 + x_i^2) with noise +-.5, d = 16, lr = .1/sqrt(t), beta1 = "
            ".9, beta2 = 1 - .999/t: with feedback all fall faster than T^(-1/2), and (b) quantized updates cost a few per cent (without it they leave the panel). (c) A quadratic "
            "with noise .1, d = 20, lr = .05/sqrt(t), beta2 = 1 - 1/t, weights on a grid of spacing 2^-(k+1): the curves settle at the floor without noise "
            "where that is above the noise. Mean over 4 seeds."
        ),
        panels=(1, 3),
        size=(11.0, 3.9),
        sweeps=(*CURVES.values(), WEIGHTS, UNQUANTIZED),
        draw=draw,
        features=features,
        claims=("qadam2021.QC14",),
    )
]
