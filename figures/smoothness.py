"""|f''| against |f'| for (L0, L1)-smooth functions, under their lines, and for functions that are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples import zoo
from counterexamples.generalized_smooth import well
from paper_checks.zhang2020clipping import DOUBLE_WELL, NEGATIVE, QUARTIC, SEXTIC, negative_points
from theory_sim.evidence.smoothness import box, curvature
from theory_sim.nouns.figure import PALETTE, Figure
from theory_sim.nouns.problem import Problem

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

Array = np.ndarray[Any, Any]

# title, problem, half-width of the box
MEMBERS: tuple[tuple[str, Problem, float], ...] = (
    (r"$2\cosh x$", zoo.cosh(1.0, 2.0), 12.0),
    (r"$x^4$", zoo.polynomial(QUARTIC), 30.0),
    (r"$x^4/4-x^2/2$", zoo.polynomial(DOUBLE_WELL), 30.0),
    (r"$x^6/6-x^4+x^2$", zoo.polynomial(SEXTIC), 20.0),
    (r"$E(x;1,1)$", well(), 12.0),
    (r"$e^x$ and $\ln(1+e^{-x})$", zoo.exponential(), 11.0),
    (r"logistic regression, $d=2$", zoo.logistic_regression(), 8.0),
)
_WRITTEN = {
    "hyperbola": r"$(xy-1)^2/2$, $xy$ near 1",
    "gaussian": r"$e^{x^2}$",
    "chirp": r"$2\sin e^{x/2}$",
}


def norms(problem: Problem, size: float, count: int) -> tuple[Array, Array]:
    """||grad f|| and ||Hess f|| at points of the box [-size, size]^d, differenced by the engine."""
    points = box([-size] * problem.dim, [size] * problem.dim, count)
    if problem.dim == 1:  # denser towards 0, where the gradient is small
        points = size * np.sinh(7.0 * points / size) / np.sinh(7.0)
    found = curvature(problem, points)
    return found.gradient, found.hessian


def outside(name: str) -> tuple[Array, Array]:
    """The norms of a function outside the class, at points between and at those of the negative claim."""
    problem, points = negative_points(name)
    if name == "hyperbola":  # off the curve too, where the gradient is not 0
        points = np.vstack([points * (1.0 + shift) for shift in np.geomspace(1e-6, 0.1, 12)])
    else:
        points = np.linspace(
            points[0] if name == "chirp" else 1e-3, min(float(points[-1, 0]), 6.0), 1500
        ).reshape(-1, 1)
    found = curvature(problem, points)
    return found.gradient, found.hessian


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Seven members of the class and, last, three functions outside it."""
    from matplotlib.ticker import LogLocator

    for ax, (title, problem, size) in zip(axes, MEMBERS, strict=False):
        L0, L1 = problem.facts["L0"], problem.facts["L1"]
        gradient, hessian = norms(problem, size, 1201)
        _dots(ax, gradient, hessian, PALETTE[0], "at sampled $x$")
        if problem.name == "zoo.exponential":
            _dots(ax, *norms(zoo.logistic(), size, 401), PALETTE[2], r"$\ln(1+e^{-x})$")
            ax.text(0.62, 0.62, "$e^x$", color=PALETTE[0], transform=ax.transAxes, ha="right")
            ax.text(0.24, 0.08, r"$\ln(1+e^{-x})$", color=PALETTE[2], transform=ax.transAxes)
        low, high = max(1e-6 * gradient.max(), 0.9 * gradient.min()), gradient.max()
        line = np.geomspace(low, high, 200)
        ax.plot(line, L0 + L1 * line, color=PALETTE[1], label=r"$L_0+L_1\|\nabla f\|$")
        shown = hessian[(gradient >= low) & (hessian > 0.0)]
        ax.set(
            xscale="log", yscale="log", xlim=(low, high), title=f"{title}\n$(L_0,L_1)=({L0:.4g},\\ {L1:.4g})$"
        )
        ax.set_ylim(max(float(shown.min()), 1e-4 * (L0 + L1 * low), 1e-3 * L0) / 2.0, 2.0 * (L0 + L1 * high))
    for ax, name, color in zip(axes[len(MEMBERS) :], NEGATIVE, PALETTE[3:6], strict=True):
        gradient, hessian = outside(name)
        _dots(ax, gradient, hessian, color, "at sampled points")
        low, high = float(np.quantile(gradient, 0.002)), 1.2 * float(gradient.max())
        line = np.geomspace(low, high, 50)
        ax.plot(line, 4.0 + 4.0 * line, color=PALETTE[1], label="the pair (4, 4)")
        ax.set(xscale="log", yscale="log", xlim=(low, high), title=f"{_WRITTEN[name]}\nno pair; line: (4, 4)")
        ax.set_ylim(0.7 * min(float(hessian.min()), 4.0), 2.0 * max(float(hessian.max()), 4.0 + 4.0 * high))
    for k, ax in enumerate(axes):
        ax.minorticks_off()
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(numticks=5))
        if k >= 5:
            ax.set_xlabel(r"$\|\nabla f\|$")
        if k % 5 == 0:
            ax.set_ylabel(r"$\|\nabla^2 f\|$")
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=2)


def _dots(ax: Axes, gradient: Array, hessian: Array, color: str, label: str) -> None:
    ax.plot(gradient, hessian, ".", ms=3.0, color=color, label=label, rasterized=True)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Largest ||Hess f||/(L0 + L1 ||grad f||) of each member, and of the pair (4, 4) for the others."""
    found = {}
    for k, (_, problem, size) in enumerate(MEMBERS):
        gradient, hessian = norms(problem, size, 1201)
        name = f"{problem.name.split('.')[-1]}_{k}"
        found[f"{name}_share"] = float(
            np.max(hessian / (problem.facts["L0"] + problem.facts["L1"] * gradient))
        )
    for name in NEGATIVE:
        gradient, hessian = outside(name)
        found[f"{name}_share"] = float(np.max(hessian / (4.0 + 4.0 * gradient)))
    return found


FIGURES = [
    Figure(
        name="smoothness",
        caption=(
            "Norm of the Hessian against norm of the gradient, differenced from gradients at sampled points, for "
            "functions with ||Hess f|| <= L0 + L1 ||grad f|| (a to g; the pair is in the title, the line is the bound) "
            "and for three functions that no pair serves (h, i, j), with the line of the pair (4, 4)."
        ),
        panels=(2, 5),
        size=(12.0, 5.6),
        sweeps=(),
        draw=draw,
        features=features,
        claims=("zhang2020clipping.Z1", "zhang2020clipping.Z2"),
    )
]
