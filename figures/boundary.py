"""The critical 1 - beta2* against n and against the batch size, for three sampling orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.drift import batch_problem, critical_beta2, first_order_beta2
from paper_checks.zhang2026 import BOUNDARY_B, BOUNDARY_N, critical_share
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_STYLES = {
    "cyclic": (PALETTE[0], "o", "cyclic"),
    "reshuffled": (PALETTE[1], "s", "reshuffled"),
    "replacement": (PALETTE[2], "^", "with replacement"),
}


def _shares(order: str, problems: Sequence[tuple[int, float]]) -> np.ndarray[Any, Any]:
    """1 - beta2* at beta1 = 0 by the first-order formula."""
    return np.array([1.0 - float(first_order_beta2(0.0, n, C, order)) for n, C in problems])


def _exact(problems: Sequence[tuple[int, float]]) -> np.ndarray[Any, Any]:
    """1 - beta2* at beta1 = 0 in cyclic order."""
    return np.array([1.0 - float(critical_beta2(0.0, n, C)[-1]) for n, C in problems])


def _cells(grid: xr.Dataset) -> list[tuple[int, int]]:
    """The (N, B) of a boundary grid."""
    return [(int(N), int(B)) for N in grid.N.values for B in grid.B.values]


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Left: n components, C = n.  Right: N = 60 samples in batches of B."""
    sizes, divisors = np.unique(np.geomspace(4, 120, 40).astype(int)), (1, 2, 3, 4, 5, 6, 10, 12)
    panels = (
        (sizes, [(int(n), float(n)) for n in sizes], grids[:2], 0, r"number of components $n$"),
        (divisors, [batch_problem(60, B) for B in divisors], grids[2:], 1, r"batch size $B$"),
    )
    for ax, (x, problems, pair, coordinate, label) in zip(axes, panels, strict=True):
        color, marker, _ = _STYLES["cyclic"]
        ax.plot(x, _shares("cyclic", problems), color=color, label="first order, cyclic and reshuffled")
        color = _STYLES["replacement"][0]
        ax.plot(
            x, _shares("replacement", problems), color=color, ls="--", label="first order, with replacement"
        )
        cells = _cells(pair[0])
        where = [cell[coordinate] for cell in cells]
        color, marker, name = _STYLES["cyclic"]
        points = _exact([batch_problem(*cell) for cell in cells])
        ax.plot(where, points, marker, color=color, mfc="none", ms=9, label=f"{name}, exact")
        for grid in pair:
            color, marker, name = _STYLES[grid.attrs["order"]]
            roots = [critical_share(grid, *cell) for cell in cells]
            ax.errorbar(
                where,
                [root.value for root in roots],
                [3.0 * root.standard_error for root in roots],
                fmt=marker,
                color=color,
                ms=4,
                capsize=3,
                label=f"{name}, Monte Carlo",
            )
        ax.set(xscale="log", yscale="log", xlabel=label, ylabel=r"$1-\beta_2^*$")
        ticks = [1, 2, 3, 4, 6, 10, 12] if coordinate else [5, 10, 20, 50, 100]
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
    axes[0].set_title(r"$C=n$, $\beta_1=0$")
    axes[1].set_title(r"$N=60$ samples in batches of $B$, $\beta_1=0$")
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, labels, loc="outside lower center", ncol=3, columnspacing=1.5)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Roots with standard errors, the ratio of the two random orders, exponents in n and B."""
    found: dict[str, float] = {}
    for grid in grids:
        order = grid.attrs["order"]
        for N, B in _cells(grid):
            root = critical_share(grid, N, B)
            found[f"{order}_N{N}_B{B}"] = root.value
            found[f"{order}_N{N}_B{B}_error"] = root.standard_error
    for grid in grids[:2]:
        order = grid.attrs["order"]
        sizes = np.array([N for N, _ in _cells(grid) if N >= 10])
        roots = [found[f"{order}_N{N}_B1"] for N in sizes]
        found[f"exponent_n_{order}"] = float(np.polyfit(np.log(sizes), np.log(roots), 1)[0])
    found["ratio_n20"] = found["reshuffled_N20_B1"] / found["replacement_N20_B1"]
    return found


FIGURES = [
    Figure(
        name="boundary",
        caption=(
            "The critical 1 - beta2*, above which Adam diverges, on one component of slope C against n - 1 of slope -1. "
            "Lines: first order in 1 - beta2. Open circles: the exact root in cyclic order. Other points: roots of the "
            "simulated drift, bars of three standard errors. Sampling with replacement tolerates half of what reshuffling does; the threshold grows "
            "with the batch size."
        ),
        panels=(1, 2),
        size=(8.0, 4.0),
        sweeps=(*BOUNDARY_N, *BOUNDARY_B),
        draw=draw,
        features=features,
        claims=("zhang2026.Z3", "zhang2026.Z7"),
    )
]
