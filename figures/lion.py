"""Lion's two phases: exponential entry into the box, a constrained minimiser up to lr; and its cycle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.chen2023lion import BOX, CYCLE, KKT, box_distance, kkt_score
from theory_sim.evidence.rates import least_squares
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_LR = 0.01
Array = np.ndarray[Any, np.dtype[np.float64]]


def _entry(grid: xr.Dataset, decay: float) -> tuple[Array, Array, Array]:
    """Updates t, max |x_i| weight_decay, the envelope 1 + (1 - lr weight_decay)^t (its start - 1)."""
    x = abs(grid.x.sel(lr=_LR, weight_decay=decay)).max(("seed", "coordinate")).values * decay
    steps = grid.checkpoint.values
    start = 20.0 * decay
    return steps, x, 1.0 + (1.0 - _LR * decay) ** steps * max(start - 1.0, 0.0)


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Entry into the box; KKT score and distance against lr; the cycle against q."""
    from matplotlib.lines import Line2D

    box, kkt, cycle = grids
    for color, decay in zip(PALETTE, box.weight_decay.values.tolist(), strict=False):
        steps, x, envelope = _entry(box, decay)
        axes[0].plot(steps, x, color=color, label=rf"$\lambda={decay:g}$")
        axes[0].plot(steps, envelope, color=color, ls="--", lw=1.0, label=rf"bound, $\lambda={decay:g}$")
    axes[0].axhline(1.0, color="0.3", ls=":", lw=1.0)
    axes[0].set(xscale="log", yscale="log", xlabel="step $t$", ylabel=r"$\lambda\,\max_i|x_{t,i}|$ (box: 1)")
    axes[0].set_title(r"(a) phase 1: into the box, $\eta=0.01$")
    axes[0].set_yticks([1, 2, 5, 10, 20, 40])
    axes[0].set_yticklabels(["1", "2", "5", "10", "20", "40"])

    lr = kkt.lr.values
    score, distance = kkt_score(kkt).max(axis=-1), box_distance(kkt)
    for color, marker, column, decay in zip(PALETTE, "os^D", range(4), kkt.weight_decay.values, strict=False):
        axes[1].plot(lr, score[:, column], marker + "-", color=color, ms=4, label=rf"$\lambda={decay:g}$")
        axes[1].plot(lr, distance[:, column], marker + ":", color=color, ms=3, mfc="white", lw=1.0)
    axes[1].plot(lr, 8.0 * lr, color="0.3", ls="--", lw=1.0, label=r"$\propto\eta$")
    axes[1].set(
        xscale="log", yscale="log", xlabel=r"step size $\eta$", ylabel="largest value in the last 1000 steps"
    )
    axes[1].set_title("(b) phase 2: the minimiser over the box")

    q = np.linspace(0.02, 1.95, 200)
    axes[2].plot(q, 1.0 / (2.0 - q), color=PALETTE[0], label=r"two-cycle, $1/(2-q)$")
    axes[2].plot(q, 1.0 / q, color="0.3", ls="--", lw=1.0, label=r"edge of the box, $1/q$")
    size = np.abs(cycle.x.values[:, 0, :]).max(axis=-1)
    axes[2].plot(cycle.weight_decay, size, "o", color=PALETTE[1], ms=5, label="simulated")
    axes[2].fill_between(q, 1.0 / q, 60.0, color="0.93", linewidth=0.0, zorder=0)
    axes[2].text(1.0, 3.2, "outside the box", color="0.35", fontsize=8.0, ha="center")
    axes[2].set(
        yscale="log",
        ylim=(0.4, 60.0),
        xlim=(0.0, 2.0),
        xlabel=r"$q=\eta\lambda$",
        ylabel=r"size of the cycle, $|x|/\eta$",
    )
    axes[2].set_title(r"(c) two-cycle on $x^2/2$")
    axes[2].set_yticks([0.5, 1, 2, 5, 10, 20])
    axes[2].set_yticklabels(["0.5", "1", "2", "5", "10", "20"])
    for ax in axes:
        ax.minorticks_off()
    bound = Line2D([], [], color="0.3", ls="--", lw=1.0, label=r"bound, $1+c\,(1-\eta\lambda)^t$")
    axes[0].legend(handles=[bound], loc="upper right")
    look: dict[str, Any] = {"color": "0.3", "marker": "o", "ms": 4}
    distance_line = Line2D([], [], ls=":", mfc="white", label=r"distance $\|x-x_*\|_\infty$", **look)
    slope = Line2D([], [], color="0.3", ls="--", lw=1.0, label=r"$\propto\eta$")
    axes[1].legend(
        handles=[Line2D([], [], label="KKT score", **look), distance_line, slope], loc="upper left"
    )
    axes[1].set_ylim(top=0.6)  # room for the legend
    axes[2].legend(loc="upper center", fontsize=7.5)
    weights = [line for line in axes[1].get_lines() if str(line.get_label()).startswith(r"$\lambda")]
    axes[0].figure.legend(handles=weights, loc="outside lower center", ncol=4)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Largest ratio to the envelope, slopes of score and distance in lr, largest error of the cycle."""
    box, kkt, cycle = grids
    paths = [_entry(box, decay) for decay in box.weight_decay.values.tolist()]
    lr, q = kkt.lr.values, cycle.weight_decay.values
    size = np.abs(cycle.x.values[:, 0, :]).max(axis=-1)
    return {
        "over_envelope": float(max(np.max(x / envelope) for _, x, envelope in paths)),
        "score_slope": least_squares(lr, kkt_score(kkt).max(axis=-1).mean(axis=1), seed=0).slope,
        "distance_slope": least_squares(lr, box_distance(kkt).mean(axis=1), seed=0).slope,
        "cycle_error": float(np.max(np.abs(size - 1.0 / (2.0 - q)))),
    }


FIGURES = [
    Figure(
        name="lion",
        caption=(
            "Lion with step size eta and weight decay lambda (arXiv:2302.06675, 2310.05898). (a) The largest coordinate, in units of "
            "the box |x_i| <= 1/lambda, under Cauchy noise, and the bound (1 - eta lambda)^t on its excess, c at the start. (b) KKT score of min f over "
            "the box and distance to its minimiser x_*, largest values of the last 1000 steps on a coupled quadratic in 20 "
            "dimensions. (c) The cycle on x^2/2 leaves the box when eta lambda > 1."
        ),
        panels=(1, 3),
        size=(10.5, 4.0),
        sweeps=(BOX, KKT, CYCLE),
        draw=draw,
        features=features,
        claims=("chen2023lion.L1", "chen2023lion.L2", "chen2023lion.L3", "chen2023lionk.KKT"),
    )
]
