"""Three quadratics with top-1 messages: no feedback, error feedback, EF21, and EF21's bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks import ef21 as paper
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_NAMES = ("no feedback", "error feedback", "EF21")
_KEYS = ("without", "feedback", "ef21")


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    lr = paper.GAMMA
    t = grids[0].checkpoint.values
    # Error feedback and EF21 fall together with descent: the narrower lie on the wider.
    looks = ((PALETTE[1], 3.0), (PALETTE[2], 5.0), (PALETTE[0], 2.2))
    for name, grid, (color, width) in zip(_NAMES, grids, looks, strict=True):
        axes[0].plot(t, grid.gap.sel(lr=lr).isel(seed=0), color=color, linewidth=width, label=name)
    axes[0].plot(
        t, 1.75 * paper.growth(lr, t) ** 2, "k:", linewidth=1.0, label=r"$1.75\,(1+11\gamma/6)^{2t}$"
    )
    axes[0].plot(t, paper.descent(lr, t), "k--", linewidth=0.8, label=r"descent, $1.75\,(1-7\gamma/6)^{2t}$")
    axes[0].set(
        yscale="log", ylim=(1e-14, 1e26), ylabel="$f(x_t)-f^*$", xlabel="step $t$", xlim=(0, paper.STEPS)
    )
    axes[0].set_title(rf"(a) top-1 messages, $\gamma={lr:.5f}$")
    axes[0].legend(loc="upper left")
    for name, grid, (color, width) in zip(
        _NAMES[1:], grids[1:], ((PALETTE[2], 0.25), (PALETTE[0], 1.2)), strict=True
    ):
        ratio = grid.gap.sel(lr=lr).isel(seed=0) / paper.descent(lr, t)
        axes[1].plot(t, ratio, color=color, linewidth=width, label=f"{name} over descent")
    axes[1].axhline(1.0, color="k", linestyle="--", linewidth=1.0)
    axes[1].set(xlabel="step $t$", ylim=(0.6, 1.2), xlim=(0, paper.STEPS))
    axes[1].set(title="(b) against gradient descent", ylabel=r"$f(x_t)-f^*$ over that of descent")
    axes[1].legend(loc="lower left")
    mean = grids[2].gradient_square_mean.sel(lr=lr).isel(seed=0)
    axes[2].plot(t, mean, color=PALETTE[0], label="EF21, observed")
    axes[2].plot(t, paper.bound(t.astype(float)), "k--", label=r"bound, $2\Delta/(\gamma T)+G^0/(\theta T)$")
    axes[2].set(
        xscale="log",
        yscale="log",
        xlabel="horizon $T$",
        xlim=(1, paper.STEPS),
        ylabel=r"$\frac{1}{T}\sum_{t<T}\|\nabla f(x_t)\|^2$",
    )
    axes[2].set_title("(c) the bound")
    axes[2].legend()
    for ax in axes:
        ax.minorticks_off()


def _features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Final f over the closed forms, and the bound over the mean squared gradient."""
    lr = paper.GAMMA
    t = grids[0].checkpoint.values
    found: dict[str, float] = {}
    for key, grid in zip(_KEYS, grids, strict=True):
        exact = 1.75 * paper.growth(lr, t) ** 2 if key == "without" else paper.descent(lr, t)
        ratio = grid.gap.sel(lr=lr).isel(seed=0).values / exact
        found |= {
            f"{key}_final_over_exact": float(ratio[-1]),
            f"{key}_largest_over_exact": float(ratio.max()),
        }
    slack = paper.bound(t.astype(float)) / grids[2].gradient_square_mean.sel(lr=lr).isel(seed=0).values
    found |= {"bound_least_slack": float(slack.min()), "bound_final_slack": float(slack[-1])}
    return found


FIGURES = [
    Figure(
        name="three-quadratics",
        caption=(
            "Three workers, f_j = <a_j, x>^2 + ||x||^2/4, top-1 messages from (1, 1, 1), at the step size of EF21's theorem. "
            "(a) Without feedback the iterate grows by 1 + 11 lr/6 per step; error feedback and EF21 follow gradient descent, "
            "(b) to within a fifth, error feedback in a cycle whose steps fill a band. (c) The running mean of the squared gradient of EF21 and its bound."
        ),
        panels=(1, 3),
        size=(11.0, 3.6),
        sweeps=(paper.WITHOUT, paper.FEEDBACK, paper.EF21),
        draw=_draw,
        features=_features,
        claims=("ef21.QC13a", "ef21.QC13b", "ef21.QC13d"),
    )
]
