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
    """Left: n components, C = n.  Right: N = 60 samples in batches of B.  Below: over the first order."""
    largest = max(n for n, _ in _cells(grids[0]))
    sizes = np.unique(np.geomspace(4, 1.2 * largest, 40).astype(int))
    least = min(B for _, B in _cells(grids[2]))
    divisors = tuple(B for B in (1, 2, 3, 4, 5, 6, 10, 12) if least <= B)
    panels = (
        (sizes, [(int(n), float(n)) for n in sizes], grids[:2], 0, r"number of components $n$"),
        (divisors, [batch_problem(60, B) for B in divisors], grids[2:], 1, r"batch size $B$"),
    )
    for column, (x, problems, pair, coordinate, label) in enumerate(panels):
        ax, below = axes[column], axes[2 + column]
        color, _, name = _STYLES["cyclic"]
        first = _shares("cyclic", problems)
        ax.plot(x, first, color=color, label="cyclic and reshuffled, first order")
        exact = _exact(problems)
        below.plot(x, exact / first, color=color, ls="-.", label=f"{name}, exact")
        color = _STYLES["replacement"][0]
        half = _shares("replacement", problems)
        ax.plot(x, half, color=color, ls="--", label="with replacement, first order")
        cells = _cells(pair[0])
        where = np.array([cell[coordinate] for cell in cells], dtype=float)
        for grid, side in zip(pair, (0.985, 1.015), strict=True):
            order = grid.attrs["order"]
            color, marker, name = _STYLES[order]
            roots = [critical_share(grid, *cell) for cell in cells]
            values = np.array([root.value for root in roots])
            errors = np.array([3.0 * root.standard_error for root in roots])
            style = {"fmt": marker, "color": color, "ms": 4, "capsize": 3}
            ax.errorbar(where, values, errors, label=f"{name}, Monte Carlo", **style)
            over = _shares(order, [batch_problem(*cell) for cell in cells])
            below.errorbar(where * side, values / over, errors / over, **style)  # apart, to be seen
        below.axhline(1.0, color="0.6", lw=0.8, zorder=0)
        below.set(xlabel=label, ylabel=r"$1-\beta_2^*$ over its first order")
        ax.set(yscale="log", ylabel=r"$1-\beta_2^*$")
        low, high = ax.get_ylim()
        levels = [
            level
            for level in np.outer(10.0 ** np.arange(-5, 0), (1.0, 2.0, 5.0)).ravel()
            if low < level < high
        ]
        ax.set_yticks(levels, [f"{level:g}" for level in levels])
        ticks = divisors if coordinate else [n for n in (5, 10, 20, 50, 100) if n <= largest]
        for one in (ax, below):
            one.set(xscale="log")
            one.set_xticks(ticks, [str(tick) for tick in ticks])
            one.minorticks_off()
    axes[0].set_title(r"(a) $C=n$, $\beta_1=0$")
    axes[1].set_title(r"(b) $N=60$ samples in batches of $B$, $\beta_1=0$")
    axes[2].set_title("(c) the same over the first order")
    axes[3].set_title("(d) the same over the first order")
    handles, labels = axes[0].get_legend_handles_labels()
    more, names = axes[2].get_legend_handles_labels()
    legend = {"loc": "outside lower center", "ncol": 3, "columnspacing": 1.5}
    axes[0].figure.legend([*handles, *more], [*labels, *names], **legend)


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
            "(a, b) Lines: first order in 1 - beta2, one for cyclic order and reshuffling. Points: roots of the simulated drift, "
            "bars of three standard errors (within the markers of the reshuffled ones). Sampling with replacement tolerates half of what reshuffling does; the threshold "
            "grows with the batch size. (c, d) The same points over the first order of their sampling, set apart to be seen, "
            "and the exact root in cyclic order over its own."
        ),
        panels=(2, 2),
        size=(8.0, 6.2),
        sweeps=(*BOUNDARY_N, *BOUNDARY_B),
        draw=draw,
        features=features,
        claims=("zhang2026.Z3", "zhang2026.Z7"),
    )
]
