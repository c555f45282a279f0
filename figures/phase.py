"""The phase diagram of Zhang et al. (2022, arXiv:2208.09632): verdicts under the exact curve D = 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

from counterexamples.drift import critical_beta2, diverging_area, drift
from paper_checks.zhang2022.claims import PHASE, SIZES, bounded, cell_drift
from theory_sim import plot
from theory_sim.nouns.figure import VERDICT_COLORS, Figure
from theory_sim.nouns.verdict import Verdict

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.artist import Artist


def _panels() -> list[tuple[int, float, str]]:
    """(n, a, how a is written), row by row."""
    top = [(n, 1.0, "1") for n in SIZES]
    return top + [(n, 1.0 / (n - 1) ** 2, r"1/(n-1)^2") for n in SIZES]


# The maps of the panels, from x_0 = 0: a grid of which a few per cent are run, beside the changes of verdict.
_WEIGHTS = ("beta1", "beta2")
MAPS = tuple(
    replace(
        PHASE,
        axes={"n": [n], "a": [a], "x0": [0.0], **{name: PHASE.axes[name] for name in _WEIGHTS}},
        checkpoints=0,
        resolution=1024,
        name=f"zhang2022.map_n{n}_{'a1' if written == '1' else 'asmall'}",
        quick={"resolution": 64},
    )
    for n, a, written in _panels()
)


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Six panels: n from left to right, a from top to bottom."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    beta1 = np.linspace(0.0, 0.9999, 400)
    for panel, (ax, grid, (n, a, written)) in enumerate(zip(axes, grids, _panels(), strict=True)):
        plot.phase(grid, partial(drift, n=n, C=n - 1 + 1 / a), ax)
        ax.fill_between(beta1, 0.0, beta1**2, facecolor="none", edgecolor="0.25", hatch="////", linewidth=0.0)
        ax.plot(beta1, beta1**2, color="0.25", ls="--", lw=1.0)
        ax.set_title(rf"$n={n}$,  $a={written}$,  $C={n - 1 + 1 / a:.0f}$")
        if panel < 3:
            ax.set_xlabel("")
        if panel % 3:
            ax.set_ylabel("")
    handles: list[Artist] = [
        Patch(color=color, alpha=0.75, label=name.lower()) for name, color in VERDICT_COLORS.items()
    ]
    handles.append(Line2D([], [], color="black", lw=1.8, label=r"$D=0$, exact"))
    handles.append(Line2D([], [], color="0.25", ls="--", lw=1.0, label=r"$\beta_1=\sqrt{\beta_2}$"))
    unsafe = r"$\beta_1\geq\sqrt{\beta_2}$: steps unbounded"
    handles.append(Patch(facecolor="none", edgecolor="0.25", hatch="////", linewidth=0.0, label=unsafe))
    axes[0].figure.legend(handles=handles, loc="outside lower center", ncol=6)


def _bracket(cell: xr.Dataset, n: int, C: float) -> tuple[float, float]:
    """Return how far the exact curve leaves the cells between the last that diverges and the next that converges,
    and how wide these are, at most over beta1 and in -log10(1 - beta2)."""
    u = -np.log10(1.0 - cell.beta2.values)
    outside, width = 0.0, 0.0
    for beta1 in cell.beta1.values.tolist():
        seen = cell.verdict.sel(beta1=beta1).isel(seed=0).values
        roots, wrong = critical_beta2(beta1, n, C), np.flatnonzero(seen == Verdict.DIVERGED.value)
        if not len(roots) or not len(wrong):  # the region ends at a smaller beta1
            continue
        last = int(wrong[-1])
        first = last + 1 + int(np.argmax(seen[last + 1 :] == Verdict.CONVERGED.value))
        exact = -math.log10(1.0 - roots[-1])
        outside = max(outside, u[last] - exact, exact - u[first])
        width = max(width, u[first] - u[last])
    return float(outside), float(width)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Agreement with sign D where beta1 < sqrt(beta2), the edges in -log10(1 - beta2), the exact area of D < 0, how
    many cells beyond the next to the curve are decided against D, and the share of the cells that was run."""
    found: dict[str, float] = {}
    for grid, (n, a, written) in zip(grids, _panels(), strict=True):
        cell, field = grid.isel(n=0, a=0, x0=0), cell_drift(grid)[0, 0].T
        key = f"n{n}_a{'1' if written == '1' else 'small'}"
        C = n - 1 + 1 / a
        verdict = cell.verdict.isel(seed=0).transpose("beta2", "beta1").values
        expected = np.where(field < 0.0, Verdict.DIVERGED.value, Verdict.CONVERGED.value)
        safe, undecided = bounded(grid).T, verdict == Verdict.UNDECIDED.value
        found[f"{key}_agreement"] = float(np.mean((verdict == expected)[safe]))
        # Decided against D, and more than one cell from its zeros.
        crossed = minimum_filter(field, 3) * maximum_filter(field, 3) <= 0.0
        found[f"{key}_opposite"] = float(np.sum((verdict != expected) & ~undecided & ~crossed & safe))
        found[f"{key}_edge_outside"], found[f"{key}_edge_width"] = _bracket(cell, n, C)
        found[f"{key}_simulated"] = grid.attrs["simulated_share"]
        found[f"{key}_edge"] = -math.log10(1.0 - critical_beta2(0.0, n, C)[-1])
        found[f"{key}_exact_area"] = diverging_area(n, C, safe=True)
    return found


FIGURES = [
    Figure(
        name="phase",
        caption=(
            "Adam on the piecewise function of Zhang et al.: verdict after 50,000 steps from x_0 = 0 (cyclic order, "
            "step 0.3/sqrt(k), eps = 0, no bias correction), run in the cells beside a change of verdict only, under the exact curve D = 0 of vanishing steps. The axis of "
            "beta2 is the distance from 1 on a logarithmic scale. Hatched: "
            "beta1 >= sqrt(beta2), where the step is not bounded and a final verdict means little."
        ),
        panels=(2, 3),
        size=(8.4, 6.0),
        sweeps=MAPS,
        draw=draw,
        features=features,
        claims=("zhang2022.Z1a", "zhang2022.Z2"),
    )
]
