"""Karimireddy et al. 2019 (arXiv:1901.09847): where signSGD fails, how it generalises on least squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples import sign
from paper_checks import karimireddy2019 as paper
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

COLORS = {
    "signSGD": PALETTE[1],
    "scaled signSGD": PALETTE[1],
    "EF-signSGD": PALETTE[0],
    "Signum, $\\beta=0.9$": PALETTE[2],
    "SGD": PALETTE[6],
}
EPS = 0.5
INSTANCE = 0
SMALLEST = 1e-6  # of the loss axes; EF-signSGD falls to 1e-19 and below where it converges linearly

_METHODS = ("signSGD", "Signum, $\\beta=0.9$", "EF-signSGD", "SGD")
_KEYS = ("sign", "signum", "ef", "sgd")
_PANELS = ("linear", "kink", "pair", "common")
_LINEAR = (paper.LINEAR_SIGN, paper.LINEAR_SIGNUM, paper.LINEAR_EF)
_KINK = (paper.KINK_SIGN, paper.KINK_SIGNUM, paper.KINK_EF, paper.KINK_SGD)
_PAIR = (paper.PAIR_SIGN, paper.PAIR_SIGNUM, paper.PAIR_EF, paper.PAIR_SGD)
_COMMON = (paper.COMMON_SIGN, paper.COMMON_SIGNUM, paper.COMMON_EF)
_SELECT: dict[str, dict[str, float]] = {
    "linear": {"lr": 0.1, "s": 0.5},
    "kink": {"eps": EPS, "tie": 1.0},
    "pair": {"eps": EPS},
    "common": {"instance": INSTANCE},
}
_TITLES = (
    r"(a) $g=4$ or $-1$ on $[-1,1]$",
    rf"(b) $\varepsilon|x_1+x_2|+|x_1-x_2|$, $\varepsilon={EPS:g}$",
    rf"(c) two squares, one sampled, $\varepsilon={EPS:g}$",
    r"(d) data with one sign pattern",
)
_LIMITS = ((3e-4, 3.0), (SMALLEST, 10.0), (SMALLEST, 10.0), (SMALLEST, 1e3))


def _floors() -> tuple[tuple[float, str], ...]:
    """The value that signSGD cannot pass, and how it is written."""
    return (
        (0.5, r"the wrong corner, $f(1)-f^*$"),
        (sign.kink(EPS).facts["floor"], r"$2\varepsilon$"),
        (sign.pair(EPS).facts["floor"], r"$8\varepsilon^2$"),
        (sign.common_signs(INSTANCE).facts["floor"], r"least $f$ on $x_0+\mathrm{span}(s)$"),
    )


def _split(grids: Sequence[xr.Dataset]) -> dict[str, Sequence[xr.Dataset]]:
    """The grids of each panel, in the order of the methods."""
    sizes = (len(_LINEAR), len(_KINK), len(_PAIR), len(_COMMON))
    ends = np.cumsum(sizes).tolist()
    return {name: grids[end - size : end] for name, size, end in zip(_PANELS, sizes, ends, strict=True)}


def _curve(panel: str, grid: xr.Dataset) -> xr.DataArray:
    """Mean over the seeds of f - f* after each checkpoint."""
    curve: xr.DataArray = grid.gap.sel(_SELECT[panel]).mean("seed", skipna=False)
    return curve


def _no_minor_ticks(*axes: Any) -> None:
    from matplotlib.ticker import NullLocator

    for axis in axes:
        axis.set_minor_locator(NullLocator())


def _draw_failures(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    split = _split(grids)
    for ax, panel, title, limits, (floor, written) in zip(
        axes, _PANELS, _TITLES, _LIMITS, _floors(), strict=True
    ):
        for method, grid in zip(_METHODS, split[panel], strict=False):
            curve = _curve(panel, grid)
            style = (0, (4, 3)) if method == "SGD" else "-"
            if (
                panel == "kink" and method != "signSGD"
            ):  # deterministic zigzags: the values pale, their least so far
                ax.plot(curve.checkpoint, curve, color=COLORS[method], lw=0.6, alpha=0.35, ls=style)
                curve = curve.copy(data=np.minimum.accumulate(curve.values))
            ax.plot(
                curve.checkpoint,
                curve,
                color=COLORS[method],
                linestyle=style,
                linewidth=1.0 if method == "SGD" else 1.5,
                label=method,
            )
        if panel == "kink":
            free = split[panel][0].gap.sel(eps=EPS, tie=0.0, seed=0)
            ax.plot(free.checkpoint, free, ":", color=COLORS["signSGD"], lw=0.6, alpha=0.5)
            ax.plot(
                free.checkpoint,
                np.minimum.accumulate(free.values),
                ":",
                color=COLORS["signSGD"],
                label="signSGD, subgradient 0 at ties",
            )
        line = ax.axhline(floor, color="0.4", linestyle=":", linewidth=1.2, label=written)
        last = int(split[panel][0].checkpoint[-1])
        ax.set(xscale="log", yscale="log", xlim=(1, last), ylim=limits, title=title)
        _no_minor_ticks(ax.xaxis, ax.yaxis)
        ax.legend(handles=[line], loc="lower left")
    shown = [line for line in axes[1].get_lines() if line.get_color() != "0.4" and line.get_label()[0] != "_"]
    axes[0].figure.legend(handles=shown, loc="outside lower center", ncol=len(shown))
    for ax in axes:
        ax.set_xlabel("step $t$")
    for ax in axes[::2]:
        ax.set_ylabel(r"$f(x_t)-f^*$, mean over seeds")
    axes[1].set_ylabel("$f(x_t)-f^*$ (pale), least so far")


def _failure_features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Mean f - f* of every method by panel, at the end and at its least checkpoint; the floor of signSGD."""
    split = _split(grids)
    found = {}
    for panel, (floor, _) in zip(_PANELS, _floors(), strict=True):
        found[f"{panel}_floor"] = floor
        for key, grid in zip(_KEYS, split[panel], strict=False):
            curve = _curve(panel, grid)
            found[f"{panel}_{key}"] = float(curve[-1])
            found[f"{panel}_{key}_least"] = float(curve.min(skipna=False))
    free = split["kink"][0].gap.sel(eps=EPS, tie=0.0, seed=0)
    found["kink_sign_tie_zero"] = float(free[-1])
    return found


# Generalisation.

_NAMES = ("scaled signSGD", "EF-signSGD", "SGD")


def _distances(grid: xr.Dataset) -> xr.DataArray:
    """Distance of every iterate to the row space, over (instance, checkpoint)."""
    x = grid.x.isel(seed=0).transpose("instance", "checkpoint", "coordinate")
    values = [paper.off_row_space(int(k), x.sel(instance=k).values) for k in grid.instance.values]
    distance: xr.DataArray = x.isel(coordinate=0, drop=True).copy(data=np.array(values))
    return distance


def _band(ax: Axes, values: xr.DataArray, name: str) -> None:
    epochs = values.checkpoint.values
    low, high = values.min("instance", skipna=False), values.max("instance", skipna=False)
    ax.fill_between(epochs, low, high, color=COLORS[name], alpha=0.2, linewidth=0)
    style = (0, (4, 3)) if name == "SGD" else "-"
    ax.plot(epochs, values.mean("instance", skipna=False), color=COLORS[name], linestyle=style, label=name)


def _draw_generalisation(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    for name, grid in zip(_NAMES, grids, strict=True):
        _band(axes[0], grid.train.isel(seed=0), name)
        _band(axes[1], grid.test.isel(seed=0), name)
        _band(axes[2], _distances(grid), name)
    axes[0].set(title="(a) training error", ylabel="mean squared residual", yscale="log", ylim=(1e-12, 10.0))
    axes[1].set(title="(b) test error", ylabel="mean squared residual", ylim=(0.0, 1.0))
    axes[2].set(title="(c) distance to the span of the data", ylabel=r"$\|x_t-P x_t\|_2$", ylim=(-0.1, 5.4))
    axes[2].legend(loc="center right")
    _no_minor_ticks(axes[0].yaxis)
    for ax in axes:
        ax.set(xlabel="epoch $t$", xlim=(1, paper.EPOCHS))


def _generalisation_features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Largest and smallest final errors over the instances, and final distances."""
    found: dict[str, float] = {}
    for key, grid in zip(("sign", "ef", "sgd"), grids, strict=True):
        distance = _distances(grid).isel(checkpoint=-1).values
        found |= {
            f"{key}_train_max": float(grid.train_final.max(skipna=False)),
            f"{key}_test_min": float(grid.test_final.min(skipna=False)),
            f"{key}_test_max": float(grid.test_final.max(skipna=False)),
            f"{key}_distance_min": float(np.min(distance)),
            f"{key}_distance_max": float(np.max(distance)),
        }
    return found


FIGURES = [
    Figure(
        name="sign-failures",
        caption=(
            "The counterexamples to signSGD of Karimireddy et al., with EF-signSGD, Signum (beta = .9) as a control and "
            "SGD (in one dimension EF-signSGD is SGD). Steps .1/sqrt(t) in (a) to (c); in (d) .05/sqrt(t), for "
            "EF-signSGD a constant .05. Mean over 256 (a), 16 (c) and 8 (d) seeds (d: 2 in the quick tier); (b) is "
            "deterministic, with subgradient 1 at ties unless said; its lines are the least value so far, the values themselves pale. Curves below the axis are cut."
        ),
        panels=(2, 2),
        size=(7.6, 6.2),
        sweeps=(*_LINEAR, *_KINK, *_PAIR, *_COMMON),
        draw=_draw_failures,
        features=_failure_features,
        claims=tuple(f"karimireddy2019.{label}" for label in ("G3a", "G4", "G5", "G6", "G7")),
    ),
    Figure(
        name="generalisation",
        caption=(
            "Least squares with private features, n = 100, as in the generalisation example of Karimireddy et al.: "
            "scaled signSGD (step 10), EF-signSGD (10) and SGD (.5), full batch from 0. Lines: mean, bands: range over six draws "
            "of the labels (three in the quick tier); P projects on the span of the training data."
        ),
        panels=(1, 3),
        size=(9.0, 3.0),
        sweeps=(paper.FEATURES_SIGN, paper.FEATURES_EF, paper.FEATURES_SGD),
        draw=_draw_generalisation,
        features=_generalisation_features,
        claims=("karimireddy2019.G9",),
    ),
]
