"""Chen et al. 2022: mini-batches speed Adam up linearly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks import chen2022
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

COLORS = (PALETTE[0], PALETTE[1], PALETTE[2])
MARKERS = ("o", "s", "^")


def _setting(grids: Sequence[xr.Dataset]) -> tuple[list[int], float]:
    """Horizons and noise of the tier that the grids come from."""
    tier = next(
        t for t in ("quick", "full") if chen2022.SWEEPS[0].at(t).job.digest == grids[0].attrs["digest"]
    )
    sweeps = [sweep.at(tier) for sweep in chen2022.SWEEPS]
    return [sweep.steps for sweep in sweeps[:: len(chen2022.BATCHES)]], sweeps[0].problem.facts["sigma"]


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    horizons, sigma = _setting(grids)
    runs, batches = chen2022.errors(grids), np.array(chen2022.BATCHES)
    mean = runs.mean(axis=-1)
    error = runs.std(axis=-1, ddof=1) / math.sqrt(runs.shape[-1])
    left, right = axes
    for T, m, e, color, marker in zip(horizons, mean, error, COLORS, MARKERS, strict=True):
        style = {"color": color, "marker": marker, "markersize": 4.5, "capsize": 2.5, "linestyle": "none"}
        left.errorbar(batches, m, 2.0 * e, **style)
        left.plot(batches, m, color=color, marker=marker, markersize=4.5, linewidth=0.8, label=f"$T={T:,}$")
        right.errorbar(batches * T, m * np.sqrt(batches * T), 2.0 * e * np.sqrt(batches * T), **style)
        right.plot(batches * T, m * np.sqrt(batches * T), color=color, linewidth=0.8, label=f"_T={T}")
    line = chen2022.limit(batches, horizons[-1], sigma)
    left.plot(batches, line, ":", color="black", label=r"first order at the largest $T$, $\propto B^{-1/2}$")
    left.set(
        xscale="log",
        yscale="log",
        xlabel="batch size $B$",
        ylabel=r"mean $\|\nabla f(x_t)\|^2$, $t\leq T$",
        title="(a) error against batch size",
    )
    left.set_xticks(batches, [str(B) for B in batches])
    left.minorticks_off()
    left.legend(loc="lower left")
    ends = np.array([batches[0] * horizons[0], batches[-1] * horizons[-1]])
    constant = chen2022.limit(1, 1, sigma)
    right.plot(
        ends,
        [constant] * 2,
        ":",
        color="black",
        label=r"first order, $d\,\sigma\,\mathrm{artanh}\sqrt{1-1/e}$",
    )
    right.set(
        xscale="log",
        xlabel="samples $BT$",
        ylabel=r"mean $\|\nabla f(x_t)\|^2\times\sqrt{BT}$",
        ylim=(0.0, 1.3 * constant),
        title=r"(b) error $\times\sqrt{BT}$",
    )
    right.legend(loc="lower left")


def _features(grids: Sequence[xr.Dataset]) -> Mapping[str, float]:
    horizons, sigma = _setting(grids)
    runs = chen2022.errors(grids)
    mean = runs.mean(axis=-1)
    expected = chen2022.limit(np.array(chen2022.BATCHES)[None, :], np.array(horizons)[:, None], sigma)
    return {
        "slope_B": chen2022.slope(mean[-1], chen2022.BATCHES),
        "slope_T": chen2022.slope(mean[:, 0], horizons),
        "ratio_largest": float(mean[-1, -1] / expected[-1, -1]),
        "ratio_max": float(np.max(mean / expected)),
        "ratio_min": float(np.min(mean / expected)),
    }


FIGURES = [
    Figure(
        name="minibatch",
        caption=(
            "Chen et al. 2022: Generic Adam with alpha = 1/sqrt(T), theta = 1 - 1/T, beta = .9 on "
            "||x||^2/2, d = 10, x_1 = (1, ..., 1), uniform noise of standard deviation 20 per sample "
            "(quick: 5) and batches of B. Error bars: two standard errors over 32 seeds. Dotted: first "
            "order of the exact answer where noise dominates. (b) To first order the error depends on BT only; the transient from "
            "x_1 adds a term of order 1/T, which counts most where the noise is smallest, at the largest batch of the shortest runs."
        ),
        panels=(1, 2),
        size=(8.4, 3.5),
        sweeps=chen2022.SWEEPS,
        draw=_draw,
        features=_features,
        claims=("chen2022.G4a", "chen2022.G4b"),
    )
]
