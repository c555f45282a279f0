"""The law of annealing on a quadratic: what it predicts of unseen schedules, and for which lambda."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.annealing2024 import FITTED, LAMBDAS, PEAK, WARMUP, T, fit, schedules
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Step sizes; exact and predicted losses; mean errors against lambda."""
    rates, losses, errors = axes
    given = schedules()
    best = fit(0.9)
    t = np.arange(1, T + 1)
    for k, (name, eta) in enumerate(given.items()):
        color = PALETTE[(5, 6, 0, 1, 2, 3)[k]]
        rates.plot(t, eta, color=color, ls="--" if name in FITTED else "-", label=name)
        losses.plot(t[WARMUP:], best.exact[k], color=color, lw=1.6, alpha=0.5)
        few = np.linspace(0, T - WARMUP - 1, 40).astype(int)
        losses.plot(t[WARMUP:][few], best.predicted[k][few], ".", ms=3, color=color, label=name)
    rates.set(xlabel="step", ylabel=r"step size $\eta$", title="dashed: fitted", ylim=(0.0, 1.45 * PEAK))
    rates.legend(loc="upper center", fontsize=7, ncol=3)
    losses.set(
        xlabel="step",
        ylabel="expected loss",
        ylim=(1.0, 1.1),
        title=r"lines exact, dots the law, $\lambda=0.9$",
    )

    shown = [f"{one:g}" for one in LAMBDAS]
    for k, name in enumerate([name for name in given if name not in FITTED]):
        curve = [100.0 * fit(one).errors[k].mean() for one in LAMBDAS]
        errors.plot(shown, curve, "o-", ms=3, color=PALETTE[k], label=name)
    without = 100.0 * float(fit(0.9, annealed=False).errors.mean())
    errors.axhline(without, color="0.3", ls=":", lw=1.0, label="mean of all, without $S_2$")
    errors.set(yscale="log", xlabel=r"$\lambda$", ylabel="mean error of the prediction, %", ylim=(0.02, 12.0))
    errors.set_title("schedules that were not fitted")
    errors.minorticks_off()
    errors.legend(loc="upper left", fontsize=7, ncol=2)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Mean errors in percent for each lambda, and without the term of the annealing."""
    found = {f"error_{one:g}": 100.0 * float(fit(one).errors.mean()) for one in LAMBDAS}
    return {**found, "error_without": 100.0 * float(fit(0.9, annealed=False).errors.mean())}


FIGURES = [
    Figure(
        name="annealing",
        caption=(
            "The law L0 + A S1^-alpha - C S2 on the exact expected loss of SGD on a quadratic with "
            "curvatures i^-1.5, d = 2000, noise .25, peak step .3. (a) Six schedules; two are fitted. (b) "
            "Exact losses and the law at lambda = .9. (c) Mean relative error of the four predicted curves "
            "against lambda; dotted, the error of a law without annealing. The lambda = .999 of language "
            "models is the worst here: nothing in plain SGD on a quadratic remembers for 1000 steps."
        ),
        panels=(1, 3),
        size=(10.5, 3.5),
        sweeps=(),
        draw=draw,
        features=features,
        claims=("annealing2024.W1",),
    )
]
