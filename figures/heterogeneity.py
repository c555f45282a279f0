"""Two workers with different objectives: where server moments and local moments settle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks import compams2022 as paper
from theory_sim.evidence.cases import tail
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

OPTIMUM = 9.0 / 11.0
_KEYS = ("server", "sign", "local")


def predicted(ratio: Any) -> Any:
    """Return (10 r - 1)/(10 r + 1), where local moments balance: 10 (1 - x) r = x + 1."""
    r = np.asarray(ratio, dtype=float)
    return (10.0 * r - 1.0) / (10.0 * r + 1.0)


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    ax = axes[0]
    r = np.geomspace(paper.RATIOS[0] / 1.5, paper.RATIOS[-1] * 1.5, 200)
    ax.axhline(OPTIMUM, color=PALETTE[0], linewidth=1.2, label="minimiser of the mean, 9/11")
    ax.plot(r, predicted(r), color=PALETTE[1], label="predicted for local moments, $(10r-1)/(10r+1)$")
    looks = (
        ("o", PALETTE[0], 6.0, "server moments"),
        ("x", PALETTE[6], 6.0, "server moments, scaled sign and feedback"),
        ("s", PALETTE[1], 5.0, "local moments"),
    )
    for (marker, color, size, label), grid in zip(looks, grids, strict=True):
        each = tail(grid.mean_x_mean)
        values = paper.settled(grid)
        style: dict[str, Any] = {"fmt": marker, "color": color, "ms": size, "mfc": "none", "capsize": 2.5}
        # Two standard errors of the mean; most are within the markers.
        error = 2.0 * each.std("seed", ddof=1) / each.sizes["seed"] ** 0.5
        ax.errorbar(values.ratio, values, error, label=label, **style)
    ax.set(
        xscale="log",
        xlim=(r[0], r[-1]),
        ylim=(-1.05, 1.15),
        xlabel=r"ratio of the noises $r=\sigma_2/\sigma_1$",
        ylabel=r"mean of $x_t$, second half of the run",
        title=r"$f_1=5\|x-1\|^2$, $f_2=\frac{1}{2}\|x+1\|^2$",
    )
    ax.minorticks_off()
    ax.legend(loc="lower right")


def _features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """The largest distance to the predicted point."""
    found = {}
    for key, grid in zip(_KEYS, grids, strict=True):
        values = paper.settled(grid)
        target = predicted(values.ratio) if key == "local" else OPTIMUM
        found[f"{key}_off"] = float(np.abs(values.values - target).max())
    found["local_lowest"] = float(paper.settled(grids[2]).min(skipna=False))
    return found


FIGURES = [
    Figure(
        name="heterogeneity",
        caption=(
            "Two workers with different objectives, sigma_1 = 10, lr = .1/sqrt(t), 60,000 steps: Adam with moments on the server "
            "finds the minimiser of the mean for any noise of the second worker, compressed or not; with a pair of moments per "
            "worker the mean of the normalised updates vanishes elsewhere, as predicted. Means over coordinates, the second half of the "
            "run and 4 seeds (2 in the quick tier), bars of two standard errors, mostly within the markers."
        ),
        panels=(1, 1),
        size=(5.6, 3.8),
        sweeps=(paper.TWO_SERVER, paper.TWO_SIGN, paper.TWO_LOCAL),
        draw=_draw,
        features=_features,
        claims=("compams2022.QC23",),
    )
]
