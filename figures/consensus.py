"""Compressed consensus on a ring: the error against the step, at the theorem's weight and at tuned ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.quantized import consensus
from paper_checks import choco2019 as paper
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]

_NAMES = ("exact", "top-10 %", "rand-10 %", "scaled sign", "QSGD, 10 levels")
_KEYS = ("exact", "top", "rand", "sign", "qsgd")
_COLORS = (PALETTE[6], PALETTE[0], PALETTE[5], PALETTE[1], PALETTE[2])


def exact_error(mixing: float, t: Any) -> Array:
    """Return sum_i ||x_i - mean||^2 after t exact exchanges on the ring, from its Fourier modes."""
    n = paper.NODES
    start = np.asarray(consensus(n, d=paper.D).start).reshape(n, paper.D)
    size = (np.abs(np.fft.fft(start, axis=0)) ** 2).sum(axis=1) / n
    eigenvalue = 2.0 / 3.0 * (1.0 - np.cos(2.0 * np.pi * np.arange(n) / n))
    factor = (1.0 - mixing * eigenvalue[1:]) ** (2 * np.asarray(t)[:, None])
    return np.asarray(factor @ size[1:])


def _curves(grid: xr.Dataset) -> tuple[Array, Array]:
    """t = 0 ... and the consensus error over its start, shape (mixing, t)."""
    error = paper.consensus_error(paper.split(grid)[0])
    return np.concatenate([[0], grid.checkpoint.values]), error / error[:, :1]


def _written(mixing: float) -> str:
    if mixing > 1e-3:
        return f"{mixing:.2g}"
    digits, exponent = f"{mixing:.1e}".split("e")
    return rf"{digits}\cdot10^{{{int(exponent)}}}"


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    lowest = 1.0
    for grid, name, key, color in zip(grids, _NAMES, _KEYS, _COLORS, strict=True):
        t, error = _curves(grid)
        slow, fast = paper.MIXING[key]
        label = rf"{name}: $\gamma={_written(slow)}$ (a), ${_written(fast)}$ (b)"
        # Curves that others cover: top-10 % has the step of rand-10 % in (a), where they differ by little.
        width, style = (3.0, "-") if key in ("exact", "top") else (1.4, "--" if key == "rand" else "-")
        for ax, values in zip(axes, error, strict=True):
            ax.plot(t, values, color=color, lw=width, ls=style, label=label)
        lowest = min(lowest, float(error[0].min()))
    for ax, mixing in zip(axes, paper.MIXING["exact"], strict=True):
        line = exact_error(mixing, t)
        ax.plot(t, line / line[0], ":", color=PALETTE[4], linewidth=1.8, label="exact, closed form")
        ax.set(yscale="log", xlabel="exchange $t$", ylabel=r"$\sum_i\|x_i-\bar x\|^2$, relative to $t=0$")
        ax.minorticks_off()
    rate = 1.0 - paper.RHO**2 / 82.0
    axes[0].plot(
        t, rate**t, "-.", color="0.3", lw=1.1, label=r"guaranteed rate $1-\rho^2\delta/82$ at $\delta=1$ (a)"
    )
    ticks = [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if tick >= 0.9 * lowest]
    axes[0].set(title=r"(a) $\gamma^*$ of the theorem", xlim=(0, t[-1]), ylim=(0.85 * lowest, 1.1))
    axes[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[1].set(title=r"(b) tuned $\gamma$", xlim=(0, paper.LATE), ylim=(1e-16, 3.0))
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, labels, loc="outside lower center", ncol=2)


def _features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Factor per exchange at both weights, and how far exact messages are from the closed form."""
    found: dict[str, float] = {}
    for grid, key in zip(grids, _KEYS, strict=True):
        slow, fast = paper.rates(grid)
        found |= {f"{key}_theorem": slow, f"{key}_tuned": fast}
    t, error = _curves(grids[0])
    early = t <= paper.LATE  # later the tuned one is rounding
    off = 0.0
    for values, mixing in zip(error, paper.MIXING["exact"], strict=True):
        line = exact_error(mixing, t)
        off = max(off, float(np.abs(values / (line / line[0]) - 1.0)[early].max()))
    return found | {"closed_form_off": off}


FIGURES = [
    Figure(
        name="consensus",
        caption=(
            "CHOCO-Gossip on a ring of 9 nodes with 50 coordinates each, node i from i times a standard normal vector; gamma is the consensus step size; mean over "
            "8 seeds (2 and 1,000 exchanges in the quick tier). (a) The consensus step of the theorem; (b) tuned ones. The "
            "closed form is that of exact messages; the guaranteed rate is drawn for delta = 1, the others being flatter."
        ),
        panels=(1, 2),
        size=(8.8, 4.6),
        sweeps=paper.GOSSIP,
        draw=_draw,
        features=_features,
        claims=("choco2019.QC27b", "choco2019.QC27c"),
    )
]
