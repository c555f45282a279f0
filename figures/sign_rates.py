"""Rates of Signum and of Signum at extrapolated points with their bounds, and the speed-up by nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.sun2023 import (
    AVERAGED,
    EXTRAPOLATED,
    GOSSIP,
    NODES,
    PROBLEMS,
    RING,
    SIGNUM,
    bound,
    extrapolated_average,
    node_average,
    scheduled_extrapolated,
    scheduled_signum,
    signum_average,
)
from theory_sim.evidence.rates import least_squares
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_TITLES = (r"non-convex, $\sum a_i(1-\cos x_i)$", r"convex, $\sum a_i(|x_i|-\log(1+|x_i|))$")
_METHODS = (("A: Signum", scheduled_signum, "o"), ("B: extrapolated", scheduled_extrapolated, "s"))
Array = np.ndarray[Any, np.dtype[np.float64]]


def _averages(grids: Sequence[xr.Dataset], which: int) -> tuple[Array, Array]:
    """Path averages of the two methods on one problem, shape (T, seed)."""
    return signum_average(grids[which]), extrapolated_average(grids[2 + which], PROBLEMS[which])


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Two problems against T with the bounds of theorems A and B; one problem against n."""
    for which, (ax, title) in enumerate(zip(axes, _TITLES, strict=False)):
        T = grids[which]["T"].values
        averages = _averages(grids, which)
        for color, (name, schedule, marker), values in zip(PALETTE, _METHODS, averages, strict=False):
            limit = [bound(PROBLEMS[which], schedule(one), one) for one in T.tolist()]
            ax.plot(T, limit, color=color, ls="--", lw=1.0, label=f"{name}, bound of theorem {name[0]}")
            slope = least_squares(T, values, seed=0).slope
            mean = values.mean(axis=1)
            ax.plot(T, mean, marker, ls="-", color=color, ms=4, label=f"{name}, observed")
            ax.annotate(
                f"slope {slope:.2f}", (T[1], mean[1]), xytext=(5, 5) if marker == "o" else (-3, -13),
                ha="left" if marker == "o" else "right", textcoords="offset points", color=color, fontsize=8.0,
            )  # fmt: skip
        ax.set(xlabel=r"horizon $T$", title=title)
    axes[0].set_ylabel(r"average of $\|\nabla f(x_t)\|_1$")
    exact, ring = grids[4 : 4 + len(NODES)], grids[4 + len(NODES) :]
    mean = node_average(exact).mean(axis=1)
    axes[2].plot(NODES, mean, "o-", color=PALETTE[2], ms=4, label="exact averaging")
    axes[2].plot(
        RING, node_average(ring).mean(axis=1), "s-", color=PALETTE[3], ms=4, label="ring, compressed gossip"
    )
    guide = mean[0] * np.array(NODES, dtype=float) ** -0.25
    axes[2].plot(NODES, guide, color="0.3", ls=":", label=r"$\propto n^{-1/4}$")
    axes[2].set(
        ylabel=r"average of $\|\nabla f(x_t)\|_1$",
        xlabel=r"nodes $n$",
        title=r"decentralised Signum, $T=4000$",
        xticks=NODES,
    )
    for ax in axes:
        ax.set(xscale="log", yscale="log")
        ax.minorticks_off()
    for ax in axes[:2]:
        low, high = ax.get_ylim()
        ax.set_yticks([value for value in (0.5, 1, 2, 5, 10, 20, 50) if low < value < high])
        ax.set_ylim(low, high)
    axes[2].set_xticks(NODES)
    axes[2].set_yticks([1, 2, 3, 4])
    for ax in axes:
        ax.set_yticklabels([f"{tick:g}" for tick in ax.get_yticks()])
    axes[2].set_xticklabels([str(n) for n in NODES])
    axes[0].figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=4, title="(a, b)"
    )
    axes[2].legend(loc="lower left")


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Slopes in T, largest ratio to the bound, slopes in n."""
    found: dict[str, float] = {}
    for which, problem in enumerate(PROBLEMS):
        T = grids[which]["T"].values
        name = problem.name.split(".")[1]
        for (label, schedule, _), values in zip(_METHODS, _averages(grids, which), strict=True):
            key = f"{name}_{label[0]}"
            limit = np.array([bound(problem, schedule(one), one) for one in T.tolist()])
            found[f"{key}_slope"] = least_squares(T, values, seed=0).slope
            found[f"{key}_over_bound"] = float(np.max(values.mean(axis=1) / limit))
    exact, ring = grids[4 : 4 + len(NODES)], grids[4 + len(NODES) :]
    found["exact_slope"] = least_squares(NODES, node_average(exact), seed=0).slope
    found["ring_slope"] = least_squares(RING[:-1], node_average(ring[:-1]), seed=0).slope
    return found


FIGURES = [
    Figure(
        name="sign-rates",
        caption=(
            "Path average of ||grad f||_1 of Signum (step T^(-3/4), 1 - beta = T^(-1/2)) and of Signum with gradients at "
            "extrapolated points (T^(-5/7), T^(-4/7)), d = 20, noise of standard deviation 1, mean of 16 seeds, with the "
            "explicit bounds A and B, stand-ins for the theorems of Sun et al. (arXiv:2310.14616), on (a) a non-convex and (b) a convex sum. (c) n nodes with noise "
            "5, exact averaging and momentum tracking on a ring with scaled-sign compression; beyond n = 16 the ring mixes "
            "too slowly for this T."
        ),
        panels=(1, 3),
        size=(10.5, 4.0),
        sweeps=(*SIGNUM, *EXTRAPOLATED, *AVERAGED, *GOSSIP),
        draw=draw,
        features=features,
        claims=("sun2023.N1", "sun2023.N2", "sun2023.N4"),
    )
]
