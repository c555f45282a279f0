"""What D0 > 0 leaves: a neighbourhood whose size is exactly linear in sqrt(D0) and in 1 - beta2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.drift import quadratics_bias
from paper_checks.zhang2022.claims import BIASED, REALIZABLE, bias_slope, decay_exponents, sawtooth, scaled
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """D0 = 0: |x| against k.  D0 > 0: x/a against k with the exact limits.  The limit against 1 - beta2."""
    from matplotlib.lines import Line2D

    realizable, biased = grids
    k = realizable.checkpoint.values
    styles = (
        "-",
        (0, (8, 8)),
        (8, (8, 8)),
        "-",
    )  # .99 and .995 end on the same curve: their dashes alternate
    for color, beta2, style in zip(PALETTE, realizable.beta2.values, styles, strict=False):
        path = realizable.distance.sel(beta2=beta2, seed=0)
        axes[0].plot(k, path, color=color, ls=style, label=rf"$\beta_2={beta2:g}$")
    late = k[k >= 1e5]
    axes[0].plot(late, 0.05 / np.sqrt(late), color="0.3", ls=":", label=r"$\propto k^{-1/2}$")
    axes[0].set(ylabel=r"$|x_k|$", title=r"$D_0=0$, $\beta_1=0$", yscale="log", ylim=(2e-5, 30.0))

    path = scaled(biased, 100.0).sel(beta1=0.0)
    for color, beta2 in zip(PALETTE[1:], (0.99, 0.995, 0.999), strict=False):
        label = rf"$\beta_2={beta2:g}$"
        axes[1].plot(biased.checkpoint, path.sel(beta2=beta2), color=color, label=label)
        limit = quadratics_bias(0.0, beta2)
        axes[1].axhline(limit, color=color, ls="--", lw=1.0, label=rf"exact limit, {label}")
    axes[1].axhline(0.0, color="0.6", lw=0.6, zorder=0)
    axes[1].set(ylabel=r"$x_k/a$", title=r"$D_0\propto a^2>0$, $\beta_1=0$", ylim=(-0.34, 0.24))
    for ax in axes[:2]:
        ax.set(xscale="log", xlabel="step $k$")

    share = np.geomspace(3e-4, 2e-2, 30)
    final = scaled(biased, 100.0).isel(checkpoint=-1)
    lr = 0.1 / np.sqrt(float(final.checkpoint))
    for color, beta1 in zip(PALETTE, (0.0, 0.9), strict=False):
        name = rf"$\beta_1={beta1:g}$"
        exact = [abs(quadratics_bias(beta1, 1.0 - s)) for s in share]
        axes[2].plot(share, exact, color=color, label=f"{name}, exact limit")
        axes[2].plot(share, abs(bias_slope(beta1)) * share, color=color, ls=":", label=f"{name}, first order")
        measured = abs(final.sel(beta1=beta1) - sawtooth(beta1) * lr)
        axes[2].plot(1.0 - final.beta2, measured, "o", color=color, ms=4, label=f"{name}, simulated")
    axes[2].set(xscale="log", yscale="log", xlabel=r"$1-\beta_2$", ylabel=r"$|x_\infty|/a$")
    axes[2].set_title(r"neighbourhood, linear in $1-\beta_2$")
    for ax in axes:
        ax.minorticks_off()
    axes[0].legend(loc="lower left")
    shown = [line for line in axes[1].get_lines() if "exact" not in line.get_label()]
    limits = Line2D([], [], color="0.3", ls="--", lw=1.0, label="exact limits")
    axes[1].legend(
        handles=[*(line for line in shown if not line.get_label().startswith("_")), limits],
        loc="upper center",
        ncol=2,
    )
    axes[2].legend(loc="upper left", fontsize=7.5)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Decay exponents at D0 = 0, measured over exact limit, exponents of the limit in a and in 1 - beta2."""
    realizable, biased = grids
    found = {f"exponent_{beta2:g}": value for beta2, value in decay_exponents(realizable).items()}
    final = scaled(biased, 100.0).isel(checkpoint=-1)
    lr = 0.1 / np.sqrt(float(final.checkpoint))
    for beta1 in (0.0, 0.9):
        limits = final.sel(beta1=beta1) - sawtooth(beta1) * lr
        exact = [quadratics_bias(beta1, beta2) for beta2 in biased.beta2.values.tolist()]
        found[f"measured_over_exact_{beta1:g}"] = float(np.max(np.abs(limits.values / exact - 1.0)))
        share = np.log(1.0 - biased.beta2.values)
        found[f"exponent_in_share_{beta1:g}"] = float(np.polyfit(share, np.log(np.abs(limits.values)), 1)[0])
    pair = [
        float(abs(scaled(biased, a).isel(checkpoint=-1).sel(beta1=0.0, beta2=0.99))) * a
        for a in (100.0, 1000.0)
    ]
    found["exponent_in_a"] = float(np.log10(pair[1] / pair[0]))
    return found


FIGURES = [
    Figure(
        name="neighbourhood",
        caption=(
            "Adam on ten quadratics (cyclic order, no bias correction, eps = 0). (a) D0 = 0, step 0.1/sqrt(k), x_0 = "
            "0.01; beta2 = 0.9 is below beta2* = 0.9554 and diverges; at 0.99 and 0.995 the curves coincide (alternating dashes); "
            "at 0.999 |x| falls far below the panel while v still remembers larger gradients. (b) D0 > 0, of the size of a^2 (shifts "
            "a of the minima), step 0.1 a/sqrt(k), x_0 = 0; x/a settles at the zero of the drift (dashed). (c) The size of that zero against 1 - beta2 with its first-order "
            "law, and the end of the runs, less the finite-step offset."
        ),
        panels=(1, 3),
        size=(10.5, 3.6),
        sweeps=(REALIZABLE, BIASED),
        draw=draw,
        features=features,
        claims=("zhang2022.Z4", "zhang2022.Z5", "zhang2022.Z6"),
    )
]
