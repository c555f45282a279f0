"""Exact recursions: PDHG, a twin experiment on bilevel optimization, variance in residual stacks, iterative Newton."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples import bilevel, newton, normalization, pdhg
from paper_checks import bilevel as of_bilevel
from paper_checks import linear_programmes as of_pdhg
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

_CHECKPOINTS = tuple(sorted({int(k) for k in np.geomspace(1, 4000, 60)}))
_GAINS = (1.0, 2.0, 4.0)
_SCHEDULES = {"constant": of_bilevel.constant, "diminishing": of_bilevel.diminishing}


@cache
def _programme() -> tuple[Any, Any]:
    """KKT errors of the last iterate and of the average of one programme, at the checkpoints."""
    some = pdhg.programmes(1, of_pdhg.M, 2 * of_pdhg.M, of_pdhg.CONDITION)
    step = 1.0 / np.linalg.norm(some.A, 2, axis=(1, 2))
    runs = pdhg.run(some, step, 4000, _CHECKPOINTS, np.zeros_like(some.x), np.zeros_like(some.y))
    last = np.array([pdhg.kkt_error(some, one["x"], one["y"])[0] for one in runs.values()])
    mean = np.array([pdhg.kkt_error(some, one["x_mean"], one["y_mean"])[0] for one in runs.values()])
    return last, mean


@cache
def _apart(name: str) -> Any:
    """Distance of twins after 400 steps by n."""
    return bilevel.twins(of_bilevel.SIZES, 16, 400, (400,), _SCHEDULES[name])[400]


@cache
def _variance(place: str) -> Any:
    """Variance by block, shape (gains, blocks)."""
    return normalization.residual_stack(place, _GAINS if place != "none" else (1.0,), 40, inputs=4)


def _draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    k = np.array(_CHECKPOINTS, dtype=float)
    last, mean = _programme()
    axes[0].plot(k, last, color=PALETTE[0], label="last iterate")
    axes[0].plot(k, mean, color=PALETTE[1], label="average")
    axes[0].plot(k, mean[-1] * k[-1] / k, "k:", linewidth=1.0, label="constant over $k$")
    axes[0].set(xscale="log", yscale="log", xlabel="step $k$", ylabel="KKT error", ylim=(1e-15, 1e2))
    axes[0].set_title(r"(a) PDHG, $\tau\sigma\|A\|^2=1$")
    axes[0].legend(loc="lower left")
    sizes = np.array(of_bilevel.SIZES, dtype=float)
    for (name, mark), color in zip((("constant", "o"), ("diminishing", "s")), PALETTE, strict=False):
        axes[1].plot(sizes, _apart(name), mark, color=color, mfc="w", label=f"{name} step")
        axes[1].plot(sizes, _apart(name)[0] * sizes[0] / sizes, ":", color=color, label=f"$1/n$, {name}")
    axes[1].set(xscale="log", yscale="log", xlabel="validation data $n$", ylabel="distance of twins, $T=400$")
    axes[1].set_xticks(sizes, [f"{n:.0f}" for n in sizes])
    axes[1].minorticks_off()
    axes[1].set_title("(b) AID: one datum changed")
    axes[1].legend()
    blocks = np.arange(1, 41)
    axes[2].plot(blocks, _variance("none")[0], color=PALETTE[6], linewidth=1.0, label="no layer norm")
    axes[2].plot(
        blocks, _variance("peri")[2], color=PALETTE[0], linewidth=3.5, label="around the branch, any gain"
    )
    for g, (gain, dash) in enumerate(zip(_GAINS, ("-", "--", ":"), strict=True)):
        axes[2].plot(
            blocks, _variance("pre")[g], dash, color=PALETTE[1], label=f"before the branch, gain {gain:g}"
        )
    axes[2].plot(blocks, _variance("post")[2], color=PALETTE[2], label="after the sum, any gain")
    axes[2].set(yscale="log", ylim=(0.5, 1e15), xlabel="block", ylabel="variance of the activations")
    axes[2].set_title("(c) where layer norm is")
    axes[2].legend(loc="upper left", fontsize=7.5)
    kappas = np.logspace(0.5, 6, 40)
    axes[3].plot(kappas, [newton.steps(one) for one in kappas], color=PALETTE[0], label="iterative Newton")
    axes[3].plot(
        kappas,
        [newton.gradient_steps(one) for one in kappas],
        color=PALETTE[1],
        label="gradient descent, best step",
    )
    axes[3].set(xscale="log", yscale="log", xlabel=r"condition number $\kappa$", ylabel="steps to $10^{-6}$")
    axes[3].set_title("(d) least squares in context")
    axes[3].legend()


def _features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Average's error times k, exponents in n, final variances, counts of steps."""
    last, mean = _programme()
    sizes = np.log(of_bilevel.SIZES)
    return {
        "kkt_last": float(last[-1]),
        "kkt_mean_times_k": float(mean[-1] * _CHECKPOINTS[-1]),
        **{f"exponent_{name}": float(np.polyfit(sizes, np.log(_apart(name)), 1)[0]) for name in _SCHEDULES},
        **{f"variance_{place}": float(_variance(place)[-1, -1]) for place in ("none", "pre", "post", "peri")},
        "newton": float(newton.steps(1e6)),
        "descent": float(newton.gradient_steps(1e6)),
    }


FIGURES = [
    Figure(
        name="recursions",
        caption=(
            "Four recursions with known answers. (a) PDHG on a linear programme of 8 rows and 16 columns: the last iterate is linear in the end, the average "
            "loses exactly 1/k. (b) Bilevel optimization by implicit differentiation: how far changing one of n validation data moves the result. "
            "(c) Variance after random residual blocks, with layer norm in four places and weights scaled by a gain. (d) Steps that "
            "bring the slowest residual of least squares to 1e-6."
        ),
        panels=(2, 2),
        size=(9.0, 6.6),
        sweeps=(),
        draw=_draw,
        features=_features,
        claims=("applegate2021.D1", "chen2024aid.B2", "kim2025periln.N2", "fu2023.I1"),
    )
]
