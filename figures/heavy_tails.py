"""Heavy-tailed noise on an exponential well: momentum SGD fails in the mean; what an agnostic step costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.noisy_well import capped_gradient, escape_probability, median_escape_time
from paper_checks.wang2024separability.stochastic import (
    AGNOSTIC,
    GAUSSIAN,
    NU,
    SURVIVAL,
    escape_times,
    first_step_cost,
    hazard_median,
    tail_increment,
)
from theory_sim.evidence.rates import theil_sen
from theory_sim.nouns.figure import PALETTE, Figure
from theory_sim.nouns.verdict import wilson

if TYPE_CHECKING:
    import xarray as xr

Grids = Sequence["xr.Dataset"]

_STEPS = np.geomspace(0.01, 1.0, 61)
_TAIL_STEPS = (0.5, 0.05, 0.005)
_CAPS = 10.0 ** np.arange(0.0, 65.0, 4.0)


def _escaped(grid: xr.Dataset) -> xr.DataArray:
    """Number of paths that left the floats, over the axes."""
    return (escape_times(grid) < np.inf).sum("seed")


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Grids) -> None:
    """Share of paths thrown out, the time it takes, and the expectation of the capped gradient norm."""
    survival, gaussian = grids
    steps, paths = int(survival.attrs["steps"]), survival.sizes["seed"]
    median, escapes = hazard_median(survival)
    for color, beta in zip(PALETTE, survival.momentum.values.tolist(), strict=False):
        count = _escaped(survival).sel(momentum=beta).values
        low, high = wilson(count, paths)
        share = count / paths
        bars = np.maximum([share - low, high - share], 0.0)
        axes[0].errorbar(survival.lr, share, bars, fmt="o", ms=3.5, lw=1.0, capsize=2.5, color=color)
        p = np.array([escape_probability(lr, NU, beta) for lr in _STEPS.tolist()])
        axes[0].plot(_STEPS, -np.expm1(-p * steps), color=color, label=rf"$1-e^{{-pT}}$, $\beta={beta:g}$")
        seen = escapes.sel(momentum=beta).values >= 5
        centre = median.sel(momentum=beta).values[seen]
        axes[1].errorbar(survival.lr.values[seen], centre, centre / np.sqrt(escapes.sel(momentum=beta).values[seen]),
                         fmt="o", ms=3.5, lw=1.0, capsize=2.5, color=color)  # fmt: skip
        axes[1].plot(_STEPS, math.log(2.0) / p, color=color, label=rf"$\ln 2/p$, $\beta={beta:g}$")
    normal = _escaped(gaussian).values / gaussian.sizes["seed"]
    axes[0].plot(gaussian.lr, normal, "x", ms=5, color="0.3", label=r"Gaussian, $\beta=0$")
    axes[0].set(xscale="log", xlabel=r"step size $\eta$", ylabel=rf"share of paths out by $T={steps:,}$")
    axes[0].set_title(r"thrown to infinity, started at $x^\star$")
    axes[1].axhline(steps, color="0.5", ls=":", lw=1.0, label=r"horizon $T$")
    axes[1].set(
        xscale="log",
        yscale="log",
        xlabel=r"step size $\eta$",
        ylabel="median time (updates)",
        ylim=(10, 1e8),
        xlim=(0.06, 1.2),
    )
    axes[1].set_title("time until thrown out")
    start = 3.0
    for color, lr in zip(PALETTE, _TAIL_STEPS, strict=False):
        values = [10.0 ** capped_gradient(cap, start, lr, NU) for cap in _CAPS.tolist()]
        axes[2].plot(_CAPS, values, color=color, label=rf"Student-t, $\eta={lr:g}$")
    values = [10.0 ** capped_gradient(cap, start, _TAIL_STEPS[0], math.inf) for cap in _CAPS.tolist()]
    axes[2].plot(_CAPS, values, color="0.3", ls="--", label=rf"Gaussian, $\eta={_TAIL_STEPS[0]:g}$")
    axes[2].plot(_CAPS, _CAPS, color="0.55", ls=":", lw=1.0, label="slope 1")
    axes[2].set(xscale="log", yscale="log", xlabel=r"cap $K$", ylabel=r"$E\,\min(|f'(x_2)|,\,K)$")
    axes[2].set_title("one step, exact")
    axes[2].set_xticks(_CAPS[::4])
    for ax in axes:
        ax.minorticks_off()
        ax.legend(fontsize=7.5)


def features(grids: Grids) -> dict[str, float]:
    """Times over the closed form where 200 paths or more are out, shares, growth of the capped mean."""
    survival, gaussian = grids
    median, escapes = hazard_median(survival)
    found: dict[str, float] = {}
    for lr in survival.lr.values.tolist():
        cell = {"momentum": 0.0, "lr": lr}
        found[f"out_{lr:g}"] = float(escapes.sel(cell)) / survival.sizes["seed"]
        p = escape_probability(lr, NU)
        found[f"out_exact_{lr:g}"] = -math.expm1(-p * float(survival.attrs["steps"]))
        if int(escapes.sel(cell)) >= 200:
            found[f"time_over_exact_{lr:g}"] = float(median.sel(cell)) / median_escape_time(lr, NU)
    small = _escaped(gaussian).sel(lr=slice(None, 0.5))
    found["gaussian_out"] = float(small.sum()) / (small.size * gaussian.sizes["seed"])
    for lr in _TAIL_STEPS:
        found[f"tail_{lr:g}"] = tail_increment(lr)
    return found


def draw_agnostic(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Grids) -> None:
    """Average gradient norm against T, without and with momentum."""
    grid = grids[0]
    T = grid.checkpoint.values
    for ax, beta1 in zip(axes, grid.beta1.values.tolist(), strict=True):
        for color, L1 in zip(PALETTE, grid.L1.values.tolist(), strict=False):
            values = grid.gradient_norm_mean.sel(beta1=beta1, L1=L1)
            # L1 = 1 lies under L1 = 4: larger markers and a wider line show both.
            size, width = (5.5, 3.0) if L1 == 1.0 else (3.0, 1.4)
            ax.plot(T, values.mean("seed"), "o-", ms=size, lw=width, color=color, label=rf"$L_1={L1:g}$")
            ax.fill_between(T, values.min("seed"), values.max("seed"), color=color, alpha=0.2, lw=0.0)
            if beta1 == 0.0 and L1 > 4.0:
                ax.plot(T, first_step_cost(L1) / T, color="black", ls="--", lw=0.9)
        ax.set(xscale="log", yscale="log", xlabel=r"horizon $T$", title=rf"$\beta_1={beta1:g}$")
        ax.minorticks_off()
    axes[0].plot([], [], color="black", ls="--", lw=0.9, label=r"first step alone, $e^{L_1-1}/(L_1T)$")
    axes[1].plot(T, 0.55 * (T / T[0]) ** -0.25, color="0.3", ls=":", label=r"$\propto T^{-1/4}$")
    axes[1].set_yticks([0.05, 0.1, 0.2, 0.5, 1.0], ["0.05", "0.1", "0.2", "0.5", "1"])
    axes[0].set_ylabel(r"average gradient norm $\frac{1}{T}\sum_{t\leq T}|f'(x_t)|$")
    handles = [*axes[0].get_lines(), *axes[1].get_lines()]
    named = {str(line.get_label()): line for line in handles if not str(line.get_label()).startswith("_")}
    axes[0].figure.legend(named.values(), named.keys(), loc="outside lower center", ncol=3)


def features_agnostic(grids: Grids) -> dict[str, float]:
    """Exponents of the average from T = 1e4 on at beta1 = .9.

    Average at T = 1000 over the cost of the first step.
    """
    means = grids[0].gradient_norm_mean.mean("seed")
    tail = means.sel(checkpoint=slice(10_000, None))
    found: dict[str, float] = {}
    for L1 in grids[0].L1.values.tolist():
        rate = theil_sen(tail.checkpoint.values, tail.sel(beta1=0.9, L1=L1).values)
        found |= {
            f"exponent_{L1:g}": rate.slope,
            f"exponent_{L1:g}_low": rate.low,
            f"exponent_{L1:g}_high": rate.high,
        }
        at = means.sel(checkpoint=1_000, L1=L1)
        found[f"transient_{L1:g}"] = 1_000.0 * float(at.sel(beta1=0.0)) / first_step_cost(L1)
        found[f"without_over_with_{L1:g}"] = float(at.sel(beta1=0.0) / at.sel(beta1=0.9))
    return found


FIGURES = [
    Figure(
        name="heavy-tails",
        caption=(
            "SGD with momentum (averaged form) on E(x), L0 = L1 = 1, with unit-variance Student-t noise, nu = 3. (a) Share of "
            "paths thrown to infinity within T steps from the minimum with Wilson 95 % intervals, over the closed form "
            "1 - exp(-p T) of independent kicks (lines), where p is the probability per step of a kick that escapes; crosses: "
            "Gaussian noise. At beta = .5 and steps near 1 more paths are out, as they still move from the last kick when the "
            "next one comes. (b) Median time, estimated by ln 2 (time lived)/(paths out) where five or more are out, bars of one "
            "standard error, over ln 2/p (lines). (c) Expectation of the gradient norm after one step from x_1 = 3, capped at K: "
            "it grows like K for every step size, so E|f'| is infinite."
        ),
        panels=(1, 3),
        size=(10.5, 3.6),
        sweeps=(SURVIVAL, GAUSSIAN),
        draw=draw,
        features=features,
        claims=("wang2024separability.S1", "wang2024separability.S2", "wang2024separability.S2b"),
    ),
    Figure(
        name="agnostic",
        caption=(
            "Adam without knowledge of the problem, lr_t = t^-1/2 and 1 - beta2_t = t^-3/4, on E(x) with Student-t noise (nu = 3) "
            "from x_1 = 0: average gradient norm of the first T steps, lines the mean and bands the range over 8 seeds. (a) At "
            "beta1 = 0 the first step has length 1 whatever L1, and its gradient alone (dashed) keeps the average up; (b) at "
            "beta1 = 0.9 the average falls like T^-1/4 for L1 = 1 and 4 and comes down to the same line for larger L1."
        ),
        panels=(1, 2),
        size=(7.6, 4.0),
        sweeps=(AGNOSTIC,),
        draw=draw_agnostic,
        features=features_agnostic,
        claims=("wang2024separability.S6", "wang2024separability.S7"),
    ),
]
