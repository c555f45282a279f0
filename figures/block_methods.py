"""Methods that know blocks: Adam-mini on three dense blocks, the fit of a preconditioner, and what MoFO moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.chen2024mofo import REGRESSION, SHARES, TOY_RUNS, TOYS, at_equal_loss
from paper_checks.zhang2024mini import CASE, CONDITIONS, best, fit
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_CASES = ("gradient descent", "gradient descent,\na step size\nfor each block", "Adam", "Adam-mini")
_PLACES = ((190.0, 8.0), (8.0, -85.0), (215.0, -19.0), (230.0, -47.0))
_PATHS = TOY_RUNS[:2]
_MOVED = {
    "distance_l1": r"$\|x-x_1\|_1$",
    "distance": r"$\|x-x_1\|_2$",
    "touched": "weights moved",
    "steps": "steps",
}


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Losses on three dense blocks; r against tau; two paths to hyperplanes; what is moved at the same loss."""
    for color, label, sweep, grid in zip(PALETTE, _CASES, CASE, grids, strict=False):
        values = best(sweep, grid)
        steps = grid.checkpoint.values
        axes[0].fill_between(steps, values.min(axis=0), values.max(axis=0), color=color, alpha=0.2, lw=0)
        axes[0].plot(steps, np.median(values, axis=0), color=color, label=label)
    axes[0].set(
        xlabel="step $t$", ylabel=r"$\log_{10}f(x_t)/f(x_1)$", ylim=(-125, 15),
        title="three dense blocks of 30",
    )  # fmt: skip
    for (x, y), color, label in zip(_PLACES, PALETTE, _CASES, strict=False):
        axes[0].annotate(label, (x, y), color=color, va="center")
    for color, kappa in zip(PALETTE, CONDITIONS, strict=False):
        taus, ratios = fit(kappa)
        axes[1].plot(taus, ratios, "o-", color=color, ms=4, label=rf"$\kappa={kappa:g}$")
    axes[1].axhline(1.0, color="0.4", lw=0.9, ls=":")
    axes[1].annotate("helps", (0.12, 0.55), color="0.3")
    axes[1].annotate("hurts", (0.12, 1.25), color="0.3")
    axes[1].set(
        yscale="log", xlim=(1.03, 0.07), xlabel=r"$\tau(H)$: diagonal 1, dense below", ylim=(0.02, 60),
        ylabel=r"$r=\kappa(DH)/\kappa(H)$", title="what Adam's preconditioner does, $d=50$",
    )  # fmt: skip
    axes[1].minorticks_off()
    axes[1].legend(loc="lower right")
    a, b = TOYS["two"]
    axes[2].axvline(b[0] / a[0], color="0.6", lw=0.9)
    axes[2].axhline(b[1] / a[1], color="0.6", lw=0.9, label="minimisers")
    for color, label, grid in zip(PALETTE[2:], ("Adam", "MoFO"), grids[len(CASE) :], strict=False):
        x = grid.x.isel(seed=0).transpose("checkpoint", "coordinate").values
        path = np.vstack([np.zeros((1, 2)), x])
        axes[2].plot(path[:, 0], path[:, 1], color=color, label=label)
        axes[2].plot(*path[-1], "o", color=color, ms=5)
    axes[2].plot(0.0, 0.0, "k+", ms=8)
    axes[2].set(
        xlim=(-0.06, 1.1), ylim=(-0.06, 1.1), xlabel="$x_1$", ylabel="$x_2$", aspect="equal",
        title=r"$(x_1-1)^2(1.2\,x_2-1)^2$ from 0",
    )  # fmt: skip
    axes[2].legend(loc="lower center")
    found = at_equal_loss(grids[-1])
    for color, marker, (name, label) in zip(PALETTE, "osD^", _MOVED.items(), strict=False):
        relative = np.mean(found[name] / found[name][:, :1], axis=0)
        axes[3].plot(SHARES, relative, marker + "-", color=color, ms=4, label=label)
    axes[3].axhline(1.0, color="0.4", lw=0.9, ls=":")
    axes[3].set(
        xscale="log", yscale="log", xlabel="fraction of the weights that move in a step",
        ylabel="relative to Adam, same loss", title="least squares, 200 weights, 50 data", xlim=(1.15, 0.043),
    )  # fmt: skip
    axes[3].minorticks_off()
    axes[3].set_xticks(SHARES, [f"{share:g}" for share in SHARES])
    ticks = (0.3, 0.5, 1.0, 2.0, 4.0, 8.0)
    axes[3].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[3].legend(loc="upper left")


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Decades of the four methods; r at both ends of tau; ends of the paths; ratios at the smallest fraction."""
    found = {
        sweep.name.partition(".")[2]: float(np.median(best(sweep, grid)[:, -1]))
        for sweep, grid in zip(CASE, grids, strict=False)
    }
    for kappa in CONDITIONS:
        _, ratios = fit(kappa)
        found |= {f"r_diagonal_{kappa:g}": float(ratios[0]), f"r_dense_{kappa:g}": float(ratios[-1])}
    for label, grid in zip(("adam", "mofo"), grids[len(CASE) :], strict=False):
        found[f"distance_{label}"] = float(grid.distance.values.ravel()[-1])
    moved = at_equal_loss(grids[-1])
    for name in _MOVED:
        found[f"{name}_least"] = float(np.mean(moved[name][:, -1] / moved[name][:, 0]))
    return found


FIGURES = [
    Figure(
        name="block-methods",
        caption=(
            "(a) Three dense blocks of 30 with eigenvalues about 2, 100 and 4999 (Adam-mini, arXiv:2406.16793): the loss of gradient "
            "descent with one best step and with one for each block, and of Adam and Adam-mini with the better of beta1 = 0 and .9 "
            "and the best of 17 steps; medians and ranges of 3 instances. (b) How Adam's preconditioner changes the "
            "condition number as eigenvectors turn away from the axes, medians of 20 bases and 25 starts. (c) Adam and MoFO "
            "(arXiv:2407.20999) on a loss whose minimisers are two lines. (d) MoFO on least squares, when the loss has "
            "come down to .01: fewer weights move, less in the 1-norm, in more steps; mean of the instances."
        ),
        panels=(2, 2),
        size=(9.0, 7.4),
        sweeps=(*CASE, *_PATHS, REGRESSION),
        draw=draw,
        features=features,
        claims=("zhang2024mini.A2", "zhang2024mini.A3", "chen2024mofo.M1", "chen2024mofo.M3"),
    )
]
