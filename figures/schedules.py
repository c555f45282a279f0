"""Schedules on paper and on problems: shapes, worst-case scores, the bound along a run, and the last iterate
of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import nonsmooth, smooth
from paper_checks.defazio2023.claims import HORIZONS, scores, shapes, tuned_steps
from theory_sim.evidence import last_iterate
from theory_sim.nouns.figure import PALETTE, Figure
from theory_sim.nouns.schedule import Schedule

if TYPE_CHECKING:
    import xarray as xr

T = 300
_RATES = [float(one) for one in np.geomspace(0.003, 1.0, 16)]


def compared(steps: int) -> dict[str, Schedule]:
    """Return the schedules that are run."""
    return {
        name: shapes(steps)[name]
        for name in (
            "constant",
            "1/sqrt(t)",
            "step 30-60-90",
            "WSD, linear",
            "cosine",
            "REX",
            "linear",
            "square of linear",
        )
    }


# Problem, peaks, further axes, seeds.  The chain starts at its minimum, where every step is too long: its peak is fixed.
PROBLEMS: dict[str, tuple[ts.Problem, dict[str, list[float]], int]] = {
    "chain": (nonsmooth.chain(T), {"lr": [T**-0.5]}, 1),
    "random maxima": (nonsmooth.pieces(0, 20, 60), {"lr": _RATES, "instance": list(range(8))}, 1),
    "noisy quadratic": (smooth.quadratic(20, 1.0, x0=0.3), {"lr": _RATES}, 16),
    "noisy log cosh": (smooth.logcosh(4, 2.0), {"lr": _RATES}, 16),
}
RUNS = tuple(
    ts.Sweep(
        problem,
        ts.sgd(schedule=schedule),
        axes,
        steps=T,
        seeds=seeds,
        name=f"defazio2023.{where.replace(' ', '_')}_{k}",
    )
    for where, (problem, axes, seeds) in PROBLEMS.items()
    for k, schedule in enumerate(compared(T).values())
)


def best_gaps(grids: Sequence[xr.Dataset]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the least mean gap of the last iterate over lr, (problem, schedule)."""
    found = [
        float(grid.gap_final.mean([one for one in grid.gap_final.dims if one != "lr"]).min())
        for grid in grids
    ]
    return np.reshape(found, (len(PROBLEMS), -1))


COLORS = dict(
    zip(
        ("linear", "cosine", "WSD, linear", "constant", "1/sqrt(t)", "REX", "step 30-60-90"),
        PALETTE,
        strict=True,
    )
)


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Shapes; scores against T; the bound along a run; the last iterate of runs over the best schedule."""
    shape, score, along, runs = axes
    t = np.arange(1, 1001)
    for name, color in COLORS.items():
        shape.plot(t / 1000, shapes(1000)[name].factors(1000), color=color, label=name)
    shape.set(xlabel="share of the steps, $t/T$", ylabel="factor on the step", title="schedules")

    found = scores()
    for name, color in COLORS.items():
        score.plot(HORIZONS, found[name], "o-", ms=3, color=color, label=name)
    score.set(
        xscale="log",
        xlabel="steps $T$",
        ylabel=r"score: bound at the best peak $\cdot\sqrt{T}/(DG)$",
        ylim=(1.9, 3.7),
    )
    score.legend(loc="upper left", fontsize=7, ncol=2)
    score.axhline(2.0, color="0.6", lw=0.8, ls=":", zorder=0)
    score.set_title("worst case of the last iterate")

    stops = [*range(20, 1000, 20), 1000]
    for name, ours in (
        ("WSD", "WSD, linear"),
        ("constant", "constant"),
        ("cosine", "cosine"),
        ("linear", "linear"),
    ):
        along.plot(stops, last_iterate.along(tuned_steps(name), stops), color=COLORS[ours], label=ours)
    along.axvline(800, color="0.6", lw=0.8, ls=":", zorder=0)
    along.set(yscale="log", xlabel="stopped after $n$ of 1000 steps", ylabel="bound on $f(x_n)-f^*$, $D=G=1$")
    along.set_title("the bound drops in the cooldown")
    along.set_yticks([0.07, 0.1, 0.2, 0.4, 1.0, 2.0], ["0.07", "0.1", "0.2", "0.4", "1", "2"])
    along.minorticks_off()
    along.legend(loc="upper right", fontsize=7)

    gaps = best_gaps(grids)
    ratio = gaps / gaps.min(axis=1, keepdims=True)
    names = list(compared(T))
    runs.imshow(np.log10(ratio), cmap="Blues", aspect="auto", vmin=0.0, vmax=1.2)
    for row, col in np.ndindex(*ratio.shape):
        value = ratio[row, col]
        color = "w" if value > 5.0 else "k"
        runs.text(
            col,
            row,
            f"{value:.2f}" if value < 10 else f"{value:.0f}",
            ha="center",
            va="center",
            fontsize=7,
            color=color,
        )
    runs.set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=7.5)
    runs.set_yticks(range(len(PROBLEMS)), list(PROBLEMS), fontsize=7.5)
    runs.set_title(f"last gap over the best schedule's, $T={T}$")
    for side in ("left", "bottom"):
        runs.spines[side].set_visible(False)
    runs.tick_params(length=0)
    runs.plot([], [], label="gap over the least of its row")  # what the JSON file lists of this panel


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Scores at T = 10000, what constant steps and linear decay lose on every problem."""
    gaps = best_gaps(grids)
    ratio = gaps / gaps.min(axis=1, keepdims=True)
    names = list(compared(T))
    found = {f"score_{name}": values[2] for name, values in scores().items()}
    for row, problem in enumerate(PROBLEMS):
        found |= {f"{name}_on_{problem}": ratio[row, names.index(name)] for name in ("constant", "linear")}
    return found


FIGURES = [
    Figure(
        name="schedules",
        caption=(
            "(a) Schedules. (b) The least bound on the last iterate of a convex, G-Lipschitz problem over "
            "the peak, in units of D G/sqrt(T): what decays to 0 stays bounded, constant and 1/sqrt(t) "
            "steps lose the root of a logarithm. (c) The bound of a run that is stopped after n steps, at "
            "the best peak for 1000. (d) Runs of 300 steps at the best of 16 peaks: mean gap of the last "
            "iterate, over 8 instances or 16 seeds, over that of the best schedule of the row. The chain "
            "starts at its minimum, so that the shortest steps would be the best: its peak is 1/sqrt(T). On "
            "problems that do not conspire the order of the decays is not that of the bound, and constant "
            "steps lose a factor, no logarithm."
        ),
        panels=(2, 2),
        size=(9.0, 7.0),
        sweeps=RUNS,
        draw=draw,
        features=features,
        claims=("defazio2023.S4", "defazio2023.S5", "defazio2023.S8", "rex2021.X1"),
    )
]
