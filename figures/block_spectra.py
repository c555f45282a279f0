"""Adam and gradient descent on Hessians of alike and unlike blocks, and what a diagonal preconditioner leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.spectra import ARRANGEMENTS
from paper_checks.zhang2024transformers import HORIZON, KAPPA, METHODS, RACES, TRIALS, decades, ends, trials
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_LABELS = {
    "gd": "gradient descent, best step",
    "adam": r"Adam, $\beta_1=0$, $\beta_2=.99$, linear decay",
    "frozen": r"Adam with $v_t=g_1^2$",
    "adagrad": r"AdaGrad, $v_t=\sum g_s^2$",
}
_TITLES = {"heterogeneous": "unlike blocks", "homogeneous": "alike blocks"}


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Gradient norms against steps on unlike and on alike blocks; the distribution of kappa_pre."""
    for panel, arrangement in enumerate(ARRANGEMENTS):
        ax = axes[panel]
        for k, method in enumerate(METHODS):
            place = panel * len(METHODS) + k
            values = decades(RACES[place], grids[place])
            steps = grids[place].checkpoint.values
            ax.fill_between(steps, values.min(axis=0), values.max(axis=0), color=PALETTE[k], alpha=0.2, lw=0)
            ax.plot(steps, np.median(values, axis=0), color=PALETTE[k], label=_LABELS[method])
        ax.set(
            xscale="log",
            xlabel="step $t$",
            title=f"{_TITLES[arrangement]}, $d=9$",
            xlim=(1, HORIZON),
        )
        ax.minorticks_off()
    axes[0].set(ylim=(-125, 5), ylabel=r"$\log_{10}\|\nabla f(x_t)\|/\|\nabla f(x_1)\|$")
    axes[1].set(ylim=(-6, 0.4))
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=4)
    for k, arrangement in enumerate(ARRANGEMENTS):
        for size, count, style in ((3, TRIALS, "-"), (30, 1_000, "--")):
            found = np.sort(trials(arrangement, size, count)["kappa_pre"])
            share = (np.arange(len(found)) + 1) / len(found)
            every = max(len(found) // 500, 1)
            axes[2].plot(
                found[::every], share[::every], style, color=PALETTE[4 - 4 * k],
                label=f"{_TITLES[arrangement]}, $d={3 * size}$",
            )  # fmt: skip
    axes[2].axvline(KAPPA, color="0.4", lw=0.9, ls=":")
    axes[2].annotate(r"$\kappa(H)$", (KAPPA, 0.03), xytext=(-28, 4), textcoords="offset points", color="0.3")
    axes[2].set(
        xscale="log", xlim=(1, 1e12), ylim=(0, 1), xlabel=r"$\kappa_{\mathrm{pre}}$ that is left by $1/|g_1|$",
        ylabel="share of instances", title="condition number under Adam",
    )  # fmt: skip
    axes[2].minorticks_off()
    axes[2].set_xticks([1, 1e3, 1e6, 1e9, 1e12])
    axes[2].legend(loc="lower right", handlelength=1.6)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Decades at the end, by method and arrangement; medians of kappa_pre."""
    found = {name: float(np.median(values)) for name, values in ends(RACES, grids).items()}
    for arrangement in ARRANGEMENTS:
        for size, count in ((3, TRIALS), (30, 1_000)):
            kappa = trials(arrangement, size, count)["kappa_pre"]
            found[f"kappa_{arrangement}_{3 * size}"] = float(np.median(kappa))
    return found


FIGURES = [
    Figure(
        name="block-spectra",
        caption=(
            "Quadratics of three dense blocks with the eigenvalues 1, 2, 3, 99, 100, 101, 4998, 4999, 5000 (Zhang et al., "
            "arXiv:2402.16788, simplified cases 3 and 4), each block with (a) eigenvalues of its own size or (b) of all sizes: "
            "gradient norms of gradient descent with step 2/5001 and of three adaptive methods, each with the step that is best after "
            "2000 steps; medians and ranges of 8 random bases and starts. Mind the scales. (c) The condition number that the "
            "preconditioner 1/|g_1| leaves, 20 000 instances in 9 dimensions and 1000 in 90."
        ),
        panels=(1, 3),
        size=(10.5, 4.0),
        sweeps=RACES,
        draw=draw,
        features=features,
        claims=tuple(f"zhang2024transformers.{label}" for label in ("H3", "H4", "H5", "H6")),
    )
]
