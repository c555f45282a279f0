"""Layers, low rank, matrices, zeroth order: what normalising, selecting and projecting does on toys."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples import spectral
from counterexamples.lowrank import Stall
from counterexamples.zeroth_order import expected_gap
from paper_checks import he2024golore, jordan2024muon, malladi2023, pan2024lisa, you2020lamb
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

Array = np.ndarray[Any, np.dtype[np.float64]]

_STEPS, _COUNT = he2024golore.STEPS["quick"], 16
_TUNED = (*you2020lamb.TUNED[:1], *you2020lamb.TUNED[2:])
_NAMES = ("GD", "LARS", "LAMB")
_LR_COLORS = (PALETTE[6], PALETTE[0], PALETTE[1])
_SHOWN = (0.5, 1.0, 2.0)
_MATRIX = {"momentum": PALETTE[6], "Adam": PALETTE[2], "SOAP": PALETTE[0], "Muon": PALETTE[1]}
_SMALLEST = 1e-11


def _tuned(ax: Axes, grids: Sequence[xr.Dataset]) -> None:
    for name, color, grid in zip(_NAMES, _LR_COLORS, grids, strict=True):
        ax.plot(grid.lr, you2020lamb.farthest(grid), "o-", ms=2.5, color=color, label=name)
    floor = (1.0 - 2.0 / you2020lamb.STEEPEST) ** you2020lamb.STEPS
    ax.axhline(floor, color="0.4", ls=":", label=r"$(1-2/L)^{400}$")
    ax.set(xscale="log", yscale="log", ylim=(1e-6, 3.0), xlabel="step size lr", ylabel=r"$\max_l\|x_l\|$, of its start",
           title=r"(a) four layers, $L_l=1,\ldots,1000$")  # fmt: skip
    ax.legend(loc="lower left")


def _sampled(ax: Axes, grid: xr.Dataset) -> None:
    lr, steps = pan2024lisa.SLOW.optimizer.lr, np.arange(0, 2001, pan2024lisa.PERIOD)
    for k, active in enumerate((1, 2, 4)):
        share = active / pan2024lisa.LAYERS
        mean = grid.gap.sel(active=active).mean("seed", skipna=False) / pan2024lisa.START
        color = PALETTE[k]
        ax.plot(steps * share, pan2024lisa.expected_share(active, lr, steps), color=color, lw=1.0)
        ax.plot(grid.checkpoint * share, mean, "o", ms=3, color=color, label=f"{active} of 8 drawn")
    ax.plot(steps / 2, (1.0 - lr) ** steps, "--", color="0.4", label="all drawn")
    ax.set(yscale="log", xlim=(0, 520), ylim=(1e-4, 1.5), xlabel="mean updates of a layer", ylabel=r"$f(x_t)/f(x_1)$, mean",
           title="(b) LISA: points runs, lines exact")  # fmt: skip
    ax.legend(loc="lower left")


def _stalled(ax: Axes) -> None:
    steps = np.arange(0, _STEPS + 1, he2024golore.GAP)
    for k, sigma in enumerate(_SHOWN):
        found = he2024golore.path(0, "svd", "block", _STEPS)[:, he2024golore.SIZES.index(sigma)]
        ax.plot(steps, found, color=PALETTE[k], label=rf"GaLore, $\sigma={sigma:g}$")
        ax.axhline(
            Stall().stalled(sigma, he2024golore.LR, he2024golore.GAP), color=PALETTE[k], ls=":", lw=1.0
        )
    at = he2024golore.SIZES.index(1.0)
    for choice, name, style in (("random", "GoLore", "-"), ("exact", "exact gradient", "--")):
        found = he2024golore.path(0, choice, "block", _STEPS)[:, at]
        ax.plot(steps, found, style, color="0.4", label=rf"{name}, $\sigma=1$", lw=1.2)
    ax.set(yscale="log", xlim=(0, 2500), ylim=(1e-3, 3e4), xlabel="step $t$", ylabel=r"$\|\nabla f(X_t)\|_F^2$",
           title="(c) noise in rows of its own")  # fmt: skip
    ax.legend(loc="upper right")


def _mapped(ax: Axes) -> None:
    s = np.geomspace(1e-4, 1.0, 600)
    for k, steps in enumerate((1, 3, 5)):
        ax.plot(
            s, spectral.quintic(s, steps), color=PALETTE[k], label=f"{steps} step{'s' if steps > 1 else ''}"
        )
    ax.fill_between(
        [0.01, 1.0], 0.682, 1.134, color="0.6", alpha=0.35, lw=0, label="[.682, 1.134] on [.01, 1]"
    )
    ax.set(xscale="log", ylim=(0.0, 2.1), xlabel=r"singular value of $G/\|G\|_F$", ylabel="its image",
           title="(d) Newton-Schulz of Muon")  # fmt: skip
    ax.legend(loc="upper left")


def _ends(setting: str, name: str) -> tuple[Array, Array]:
    return jordan2024muon.tuned(setting, name, True, _COUNT)


def _matrices(ax: Axes) -> None:
    for name, color in _MATRIX.items():
        for setting, style in (("ample", "-"), ("scarce", "--")):
            lr, end = _ends(setting, name)
            ax.plot(
                lr, np.where(end < 1.0, end, np.nan), style, color=color, label=name if style == "-" else None
            )
    ax.set(xscale="log", ylim=(-20.5, 0.5), xlabel="step size lr", ylabel=r"$\log_{10}f(W_T)/f(W_1)$",
           title=r"(e) $\kappa=10^3$, 500 steps (dashed: $10^6$, 100)")  # fmt: skip
    ax.legend(loc="lower left")


def _steps(grids: Sequence[xr.Dataset]) -> tuple[Array, Array]:
    """The mean steps to 1 % of the loss, of effective rank 10 and of the identity."""
    found = [float(malladi2023.steps_to_target(grid).mean()) for grid in grids]
    ranked = len(malladi2023.RANKED)
    return np.array(found[:ranked]), np.array(found[ranked:])


def _estimated(ax: Axes, grids: Sequence[xr.Dataset]) -> None:
    ranked, isotropic = _steps(grids)
    d = np.array([10, 100, 1000])
    ax.plot(d, ranked, "o", color=PALETTE[0], label=r"$\mathrm{tr}(H)/L=10$")
    h = np.ones(malladi2023.RANK)
    exact = int(np.argmax(expected_gap(h, malladi2023.RANK_LR, 200) <= 0.05 * len(h) / 10))
    ax.axhline(exact, color=PALETTE[0], lw=1.0, zorder=0)
    wide = np.geomspace(10, 1000, 50)
    ax.plot(wide, -math.log(100.0) / np.log(1.0 - 1.0 / (wide + 2.0)), color=PALETTE[1], lw=1.0)
    ax.plot(malladi2023.WIDTHS, isotropic, "s", color=PALETTE[1], label=r"$H=I$, $\mathrm{tr}(H)/L=d$")
    ax.set(xscale="log", yscale="log", ylim=(20, 8000), xlabel="dimension $d$", ylabel="steps to 1 % of the loss",
           title="(f) zeroth order: points runs, lines exact")  # fmt: skip
    ax.legend(loc="upper left")


def _split(grids: Sequence[xr.Dataset]) -> tuple[Sequence[xr.Dataset], xr.Dataset, Sequence[xr.Dataset]]:
    return grids[: len(_TUNED)], grids[len(_TUNED)], grids[len(_TUNED) + 1 :]


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    tuned, slow, estimated = _split(grids)
    _tuned(axes[0], tuned)
    _sampled(axes[1], slow)
    _stalled(axes[2])
    _mapped(axes[3])
    _matrices(axes[4])
    _estimated(axes[5], estimated)


def _features(grids: Sequence[xr.Dataset]) -> Mapping[str, float]:
    """The best share of each method, LISA's mean, ends of GaLore and GoLore, the best of matrix methods, steps."""
    tuned, slow, estimated = _split(grids)
    found = {
        f"farthest_{name}": float(np.min(you2020lamb.farthest(grid)))
        for name, grid in zip(_NAMES, tuned, strict=True)
    }
    found["lisa_mean"] = float(slow.gap_final.sel(active=1).mean(skipna=False)) / pan2024lisa.START
    for choice in ("svd", "random", "exact"):
        path = he2024golore.path(0, choice, "block", _STEPS)
        found |= {f"{choice}_{sigma:g}": float(path[-1, he2024golore.SIZES.index(sigma)]) for sigma in _SHOWN}
    for setting in jordan2024muon.SETTINGS:
        found |= {f"{setting}_{name}": float(np.min(_ends(setting, name)[1])) for name in _MATRIX}
    ranked, isotropic = _steps(estimated)
    found |= {f"ranked_{k}": float(value) for k, value in enumerate(ranked)}
    return found | {f"isotropic_{k}": float(value) for k, value in enumerate(isotropic)}


FIGURES = [
    Figure(
        name="layers-and-projections",
        caption=(
            "(a) Four round layers with curvatures 1, 10, 100, 1000, 400 steps: what is left of the farthest layer, for gradient "
            "descent with constant steps and LARS, LAMB without moments, phi = 1, linear decay. (b) LISA with gradient descent, lr = .009, "
            "a draw every 20 steps, against the mean number of updates of a layer: the mean loss exceeds that of a run that draws all layers. "
            "(c) GaLore on the counterexample of He et al., n = 10, r = 4, lr = .01, gap 100; dotted: where the recursion ends. "
            "(d) What Muon's polynomial does to singular values. (e) Kronecker quadratic, 20 x 20, rotated, linear decay: log10 f_T/f_1 over lr, "
            "with ample steps (solid) and scarce ones (dashed). (f) Gradient descent with two-point estimates: steps to 1 % of the loss at "
            "effective rank 10, lr = .08, and for the identity, lr = 1/(d + 2)."
        ),
        panels=(2, 3),
        size=(9.4, 5.8),
        sweeps=(*_TUNED, pan2024lisa.SLOW, *malladi2023.RANKED, *malladi2023.ISOTROPIC),
        draw=_draw,
        features=_features,
        claims=(
            *("you2020lamb.L3", "pan2024lisa.LI1", "he2024golore.G1", "he2024golore.G2"),
            *("jordan2024muon.U1", "jordan2024muon.M1", "malladi2023.Z2"),
        ),
    ),
]
