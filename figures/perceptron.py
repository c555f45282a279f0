"""Large steps: how many updates separate the data, the loss on the way, and the perceptron in the limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import perceptron
from paper_checks.tyurin2024.claims import (
    COMPARED,
    LIMIT,
    PATHS,
    allowed,
    counts,
    deviations,
)
from paper_checks.tyurin2024.theorems import NORMALIZED_LOGISTIC
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_N = 1000
_GAMMAS = [float(one) for one in np.geomspace(0.1, 1e4, 21)]
WORST = tuple(
    ts.Sweep(
        perceptron.imbalanced(_N, loss),
        ts.gd(),
        {"lr": _GAMMAS},
        steps=100_000 if loss == "logistic" else 1_000,
        running=True,
        name=f"tyurin2024.worst_{loss}",
    )
    for loss in ("logistic", "normalized_logistic")
)
_LOSS_RATES = [1.0, 10.0, 100.0]
LOSSES = ts.Sweep(
    perceptron.imbalanced(_N, stop=False),
    ts.gd(),
    {"lr": _LOSS_RATES},
    steps=10_000,
    checkpoints=200,
    name="tyurin2024.losses",
)


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Updates against the step on imbalanced data; loss and unsolved share; updates on balanced data; the
    limit."""
    plain, scaled, losses, *balanced, path, limit = grids
    worst, loss, even, ends = axes
    for grid, color, label in (
        (plain, PALETTE[0], "logistic regression"),
        (scaled, PALETTE[1], "normalised steps"),
    ):
        worst.plot(grid.lr, counts(grid), "o-", ms=3, color=color, label=label)
    bound = allowed(NORMALIZED_LOGISTIC, WORST[1].problem.facts, scaled.lr.values)
    worst.plot(scaled.lr, bound, "--", color=PALETTE[1], lw=1.0, label="Theorem 6.1 for them")
    worst.axhline(301, color="0.3", ls=":", lw=1.0, label="batch perceptron, 301")
    worst.set(xscale="log", yscale="log", xlabel=r"step size $\gamma$", ylabel="updates until all are solved")
    worst.set_title(f"one sample against {_N - 1}")
    worst.legend(loc="upper right", fontsize=7)

    for lr, color in zip(_LOSS_RATES, (PALETTE[2], PALETTE[0], PALETTE[3]), strict=True):
        one = losses.sel(lr=lr).isel(seed=0)
        loss.plot(one.checkpoint, one.loss, color=color, label=rf"$\gamma={lr:g}$")
        made = int(counts(plain.sel(lr=[lr], method="nearest")).item())
        loss.plot(made, float(one.loss.interp(checkpoint=made)), "o", ms=5, mfc="w", color=color)
    loss.set(xscale="log", yscale="log", xlabel="updates", ylabel="logistic loss", ylim=(1e-6, 3.0))
    loss.set_title("circle: every sample is solved")
    loss.legend(loc="lower left", fontsize=7)

    for grid, color, label in zip(
        balanced, PALETTE, ("logistic regression", "normalised steps"), strict=False
    ):
        even.plot(grid.lr, counts(grid), "o-", ms=3, color=color, label=label)
    even.set(
        xscale="log", xlabel=r"step size $\gamma$", ylabel="updates until all are solved", ylim=(0, None)
    )
    even.set_title("50 Gaussian samples, d = 10")
    even.legend(loc="upper right", fontsize=7)

    apart = deviations(path, limit)
    ends.plot(path.lr, apart, "o-", ms=3, color=PALETTE[0], label="logistic regression less batch perceptron")
    ends.set(xscale="log", yscale="log", xlabel=r"step size $\gamma$", ylim=(1e-18, 30.0))
    ends.set_ylabel(r"$\max_{t\leq 40}\|\theta_t/\gamma-\hat\theta_t\|$")
    ends.set_title("the limit of large steps")
    for ax in axes:
        ax.minorticks_off()


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Counts at the smallest and the largest step, the exponent of the plain ones, the distance from the
    limit."""
    plain, scaled, losses, *balanced, path, limit = grids
    count = counts(plain).values
    few = slice(0, 9)
    return {
        "plain_first": float(count[0]),
        "plain_last": float(count[-1]),
        "plain_exponent": float(np.polyfit(np.log(_GAMMAS[few]), np.log(count[few]), 1)[0]),
        "normalised_first": float(counts(scaled).values[0]),
        "normalised_last": float(counts(scaled).values[-1]),
        "balanced_plain_last": float(counts(balanced[0]).values[-1]),
        "balanced_normalised_last": float(counts(balanced[1]).values[-1]),
        "largest_loss": float(losses.loss.max()),
        "limit_last": float(deviations(path, limit)[-1]),
    }


FIGURES = [
    Figure(
        name="perceptron",
        caption=(
            "(a) The data of Theorem 5.1, n = 1000: updates until every sample is solved. Plain steps need "
            "a number proportional to 1/gamma, and for large gamma that of the batch perceptron; normalised "
            "steps two. (b) The loss of plain steps there does not tell how far a run is: after one step of "
            "10 it is .006 and 728 updates are left, after one of 100 it is .04 and 307 are (circles: every "
            "sample is solved). (c) On balanced Gaussian data larger steps are not always faster, and "
            "normalised ones are slower for gamma of 10 and more. (d) theta_t/gamma tends to the batch "
            "perceptron, as soon as no sample on the path is within 1/gamma of the boundary."
        ),
        panels=(2, 2),
        size=(9.0, 6.4),
        sweeps=(*WORST, LOSSES, *COMPARED, PATHS, LIMIT),
        draw=draw,
        features=features,
        claims=("tyurin2024.P1", "tyurin2024.P2", "tyurin2024.P3", "tyurin2024.P4", "tyurin2024.P6"),
    )
]
