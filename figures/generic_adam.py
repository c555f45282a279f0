"""Zou et al. 2019: Generic Adam on the counterexample, and the rates of power schedules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.zou2019 import claims as zou2019
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

COLORS = dict(zip(zou2019.R, (PALETTE[6], PALETTE[3], PALETTE[1], PALETTE[2], PALETTE[0]), strict=True))
EXPONENT_LEVELS = np.arange(0.0, 0.51, 0.1)


def _lr(grid: xr.Dataset) -> float:
    """The step size of the tier that the grid comes from."""
    tiers = {sweep.job.digest: sweep for sweep in (zou2019.PERIODIC, zou2019.PERIODIC.at("quick"))}
    return tiers[grid.attrs["digest"]].optimizer.lr


def _compared(grid: xr.Dataset) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Times from 1e4 on at which a period ends."""
    times = grid["checkpoint"].values.astype(float)
    return np.asarray(times[(times >= 1e4) & (times % zou2019.PERIOD == 0.0)])


def _periodic(ax: Axes, grid: xr.Dataset) -> None:
    times, late = grid["checkpoint"].values, _compared(grid)
    for (r, color), width in zip(
        COLORS.items(), (6.0, 3.6, 1.4, 1.4, 1.4), strict=True
    ):  # the first three stay at 1
        ax.plot(times, grid["x"].sel(r=r).values[0], color=color, lw=width, label=f"$r={r:g}$")
    for r in (0.5, 0.75, 1.0):
        start = float(grid["x"].sel(r=r, checkpoint=late[0])[0])
        label = "drift at $\\theta_t$" if r == 1.0 else f"_path {r}"
        ax.plot(late, zou2019.path(r, _lr(grid), late, start), ":", color="black", linewidth=1.6, label=label)
    for r in (0.5, 0.75):
        turn = zou2019.turning_time(r)
        if turn < times[-1]:
            label = "drift turns at this $t$"
            ax.plot(turn, 1.12, "v", color=COLORS[r], clip_on=False, markersize=5, ls="", label=label)
    ax.axhline(-1.0, color="0.6", linewidth=0.6, zorder=0)
    ax.set(xscale="log", xlabel="step $t$", ylabel="$x_t$", ylim=(-1.08, 1.12), xlim=(1e3, times[-1]))
    ax.legend(loc="lower left")


def _stochastic(ax: Axes, grid: xr.Dataset) -> None:
    times = grid["checkpoint"].values
    for r, color in COLORS.items():
        x = grid["x"].sel(r=r).values
        if r in (0.0, 0.5, 1.0):  # five ranges would hide each other
            ax.fill_between(times, x.min(axis=0), x.max(axis=0), color=color, alpha=0.15, linewidth=0)
        ax.plot(times, x.mean(axis=0), color=color, label=f"$r={r:g}$")
    ax.axhline(-1.0, color="0.6", linewidth=0.6, zorder=0)
    ax.set(xscale="log", xlabel="step $t$", ylabel="$x_t$", ylim=(-1.08, 1.08), xlim=(1e3, times[-1]))


def _averages(grid: xr.Dataset) -> xr.DataArray:
    """(mean over x_1 ... x_T and seeds of ||grad f||^(4/3))^(3/2), over (s, r, checkpoint)."""
    return grid["gradient_43_mean"].mean("seed", skipna=False) ** 1.5


def _rates(ax: Axes, grid: xr.Dataset) -> None:
    value = _averages(grid)
    T = value["checkpoint"].values
    colors = (PALETTE[6], PALETTE[3], PALETTE[1], PALETTE[0])
    for s, color in zip(value["s"].values.tolist(), colors, strict=True):
        for r in value["r"].values.tolist():
            label = f"$s={s:g}$" if r == 1.0 else f"_{s}, {r}"
            ax.plot(T, value.sel(s=s, r=r), color=color, linewidth=0.9, label=label)
    anchor = value.sel(checkpoint=T[-1])
    for s, r, style in ((0.25, 0.5, "--"), (0.5, 1.0, ":")):
        rate = zou2019.power_rate(s, r)
        guide = 1.5 * float(anchor.sel(s=s, r=r)) * (T / T[-1]) ** rate
        ax.plot(
            T,
            guide,
            style,
            color="black",
            linewidth=1.2,
            label=rf"bound at $({s:g},{r:g})$: $T^{{{rate:g}}}$",
        )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="horizon $T$",
        ylabel=r"$(\mathrm{mean}\ \|\nabla f\|^{4/3})^{3/2}$",
        xlim=(T[0], T[-1]),
    )
    ax.legend(loc="lower left")


def _slopes(grid: xr.Dataset) -> xr.DataArray:
    """Log-slopes over the last two decades of T, over (s, r)."""
    value = _averages(grid)
    T = int(value["checkpoint"][-1])
    ratio = value.sel(checkpoint=T) / value.sel(checkpoint=T // 100)
    return ratio.copy(data=np.log10(ratio.values) / 2.0)


def _condition(ax: Axes, grid: xr.Dataset) -> None:
    r, s = np.linspace(-0.12, 2.0, 213), np.linspace(-0.12, 1.12, 125)
    exponent = [[-zou2019.power_rate(y, x) if zou2019.accepted(y, x) else np.nan for x in r] for y in s]
    filled = ax.contourf(r, s, exponent, levels=EXPONENT_LEVELS, cmap="Blues", alpha=0.75)
    ax.figure.colorbar(filled, ax=ax, label="exponent $e$ of the bound $O(T^{-e})$", pad=0.02)
    refused = np.isnan(exponent).astype(float)
    ax.contourf(r, s, refused, levels=[0.5, 1.5], colors="none", hatches=["///"]).set_edgecolor("0.8")
    ax.plot([0.0, 2.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], color="black", label="sufficient condition")
    box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}
    ax.text(1.55, 0.66, "$s=r/2$", ha="center", va="center", bbox=box)
    ax.text(1.0, 1.06, "$s=1$", ha="center", va="center", bbox=box)
    slopes = _slopes(grid)
    for y in slopes["s"].values.tolist():
        for x in slopes["r"].values.tolist():
            number = f"{-float(slopes.sel(s=y, r=x)):.2f}".replace("0.", ".")
            ax.plot(x, y, "ko", ms=3.0)
            ax.annotate(number, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=7.5, bbox=box)
    ax.set(xlabel=r"$r$ in $\theta_t=1-c/t^r$", ylabel=r"$s$ in $\alpha_t=\eta/t^s$")


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    periodic, stochastic, rates = grids
    _periodic(axes[0], periodic)
    axes[0].set_title("(a) 1010/$-$10, period 101", pad=10)
    _stochastic(axes[1], stochastic)
    axes[1].set_title("(b) 1010 with probability .01: mean and range", pad=10)
    _rates(axes[2], rates)
    axes[2].set_title(r"(c) $\sum x_i^2/(1+x_i^2)$, all $r$ for each $s$")
    _condition(axes[3], rates)
    axes[3].set_title("(d) sufficient condition; numbers: observed $e$")


def _features(grids: Sequence[xr.Dataset]) -> Mapping[str, float]:
    periodic, stochastic, rates = grids
    times = _compared(periodic)
    x = periodic["x"].sel(checkpoint=times)
    errors = {
        r: float(
            np.max(
                np.abs(zou2019.path(r, _lr(periodic), times, x.sel(r=r).values[0, 0]) - x.sel(r=r).values[0])
            )
        )
        for r in zou2019.R
    }
    left = times[np.argmax(x.sel(r=0.75).values[0] < 0.99)]
    slopes = _slopes(rates)
    return {
        "path_error_max": max(errors.values()),
        "leaves_r075": float(left),
        "turns_r075": zou2019.turning_time(0.75),
        "final_r0": float(periodic["x_final"].sel(r=0.0)[0]),
        "final_r1": float(periodic["x_final"].sel(r=1.0)[0]),
        "stochastic_r0": float(stochastic["x_final"].sel(r=0.0).values.mean()),
        "stochastic_r1": float(stochastic["x_final"].sel(r=1.0).values.mean()),
        "slope_s05_r1": float(slopes.sel(s=0.5, r=1.0)),
        "slope_s0_r0": float(slopes.sel(s=0.0, r=0.0)),
        "log10_turns_r025": math.log10(zou2019.turning_time(0.25)),
    }


FIGURES = [
    Figure(
        name="generic-adam",
        caption=(
            "Zou et al. 2019, Generic Adam with beta = .9 and theta_t = 1 - (.01 + .99 r)/t^r. (a, b) The "
            "counterexample of Reddi et al. from x_1 = 1, alpha_t = .5/sqrt(t); dotted: the path along the "
            "exact drift at theta_t; triangle: when that drift changes its sign; x* = -1; r = 0, .25 and .5 stay at 1 in (a). "
            "(b), in the colours of (a): mean over 16 seeds, bands: range, for r = 0, .5 and 1. (c) f = sum x_i^2/(1 + x_i^2), d = "
            "5, uniform noise on [-1, 1], alpha_t = .5/t^s. (d) Power schedules that satisfy the sufficient "
            "condition, with the exponent of the bound; refused ones are hatched. Numbers: exponents "
            "observed in (c) over the last two decades."
        ),
        panels=(2, 2),
        size=(9.0, 6.8),
        sweeps=(zou2019.PERIODIC, zou2019.STOCHASTIC, zou2019.RATES),
        draw=_draw,
        features=_features,
        claims=("zou2019.G1a", "zou2019.G1b", "zou2019.G1c", "zou2019.G2", "zou2019.G3"),
    )
]
