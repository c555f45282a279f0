"""The phase diagram of Zhang et al. (2022, arXiv:2208.09632): verdicts under the exact curve D = 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.drift import diverging_area, drift
from paper_checks.zhang2022.claims import PHASE, SIZES, bounded, cell_drift
from theory_sim.nouns.figure import VERDICT_COLORS, Figure
from theory_sim.nouns.verdict import Verdict

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.artist import Artist

_ORDER = (Verdict.CONVERGED.value, Verdict.DIVERGED.value, Verdict.UNDECIDED.value)


def _panels() -> list[tuple[int, float, str]]:
    """(n, a, how a is written), row by row."""
    top = [(n, 1.0, "1") for n in SIZES]
    return top + [(n, 1.0 / (n - 1) ** 2, r"1/(n-1)^2") for n in SIZES]


def _verdicts(grid: xr.Dataset, n: int, a: float) -> np.ndarray[Any, Any]:
    """Verdicts from x_0 = 0, shape (beta2, beta1)."""
    return np.asarray(grid.verdict.sel(n=n, a=a, x0=0.0, seed=0).transpose("beta2", "beta1").values)


def _edge(n: int, a: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The curve D = 0 as one polyline, its pieces separated by NaN."""
    from contourpy import contour_generator

    beta1 = np.linspace(0.0, 0.999, 500)
    beta2 = np.concatenate([np.linspace(0.0, 0.99, 400), 1.0 - np.geomspace(0.0095, 1e-5, 60)])
    lines = contour_generator(beta1, beta2, drift(beta1, beta2[:, None], n, n - 1 + 1 / a)).lines(0.0)
    pieces = [np.vstack([np.asarray(line, dtype=float), [[np.nan, np.nan]]]) for line in lines]
    curve = np.vstack(pieces)[:-1] if pieces else np.empty((0, 2))
    return curve[:, 0], curve[:, 1]


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Six panels: n from left to right, a from top to bottom."""
    from matplotlib.colors import ListedColormap
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    grid = grids[0]
    colors = ListedColormap([VERDICT_COLORS[name] for name in _ORDER])
    width = float(grid.beta1[1] - grid.beta1[0])
    edges = np.append(grid.beta1.values, grid.beta1.values[-1] + width) - width / 2.0
    beta1 = np.linspace(0.0, 1.0, 200)
    for panel, (ax, (n, a, written)) in enumerate(zip(axes, _panels(), strict=True)):
        codes = np.select([_verdicts(grid, n, a) == name for name in _ORDER], range(3))
        ax.pcolormesh(
            edges,
            edges,
            codes,
            cmap=colors,
            vmin=-0.5,
            vmax=2.5,
            alpha=0.75,
            edgecolors="white",
            linewidth=0.3,
        )
        ax.fill_between(beta1, 0.0, beta1**2, facecolor="none", edgecolor="0.25", hatch="////", linewidth=0.0)
        ax.plot(beta1, beta1**2, color="0.25", ls="--", lw=1.0, label=r"$\beta_1=\sqrt{\beta_2}$")
        ax.plot(*_edge(n, a), color="black", lw=1.8, label=r"$D=0$, exact")
        ax.set(
            xlim=(-width / 2, 1.0), ylim=(-width / 2, 1.005), xticks=np.arange(6) / 5, yticks=np.arange(6) / 5
        )
        ax.set_title(rf"$n={n}$,  $a={written}$,  $C={n - 1 + 1 / a:.0f}$")
        if panel >= 3:
            ax.set_xlabel(r"$\beta_1$")
        if panel % 3 == 0:
            ax.set_ylabel(r"$\beta_2$")
    handles: list[Artist] = [
        Patch(color=VERDICT_COLORS[name], alpha=0.75, label=name.lower()) for name in _ORDER
    ]
    handles.append(Line2D([], [], color="black", lw=1.8, label=r"$D=0$, exact"))
    handles.append(Line2D([], [], color="0.25", ls="--", lw=1.0, label=r"$\beta_1=\sqrt{\beta_2}$"))
    unsafe = r"$\beta_1\geq\sqrt{\beta_2}$: steps unbounded"
    handles.append(Patch(facecolor="none", edgecolor="0.25", hatch="////", linewidth=0.0, label=unsafe))
    axes[0].figure.legend(handles=handles, loc="outside lower center", ncol=6)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Share of cells with beta1 < sqrt(beta2) that diverge, exact area of D < 0, agreement with sign D."""
    grid = grids[0]
    safe = bounded(grid).T
    field = cell_drift(grid)
    found: dict[str, float] = {}
    for n, a, written in _panels():
        key = f"n{n}_a{'1' if written == '1' else 'small'}"
        verdict = _verdicts(grid, n, a)
        wrong = field[grid.n.values.tolist().index(n), grid.a.values.tolist().index(a)].T < 0.0
        expected = np.where(wrong, Verdict.DIVERGED.value, Verdict.CONVERGED.value)
        found[f"{key}_diverged"] = float(np.mean(verdict[safe] == Verdict.DIVERGED.value))
        found[f"{key}_agreement"] = float(np.mean((verdict == expected)[safe]))
        found[f"{key}_exact_area"] = diverging_area(n, n - 1 + 1 / a, safe=True)
    return found


FIGURES = [
    Figure(
        name="phase",
        caption=(
            "Adam on the piecewise function of Zhang et al.: verdict after 50,000 steps (20,000 in the quick tier) from x_0 = 0 (cyclic order, "
            "step 0.1/sqrt(k), eps = 0, no bias correction), under the exact curve D = 0 of vanishing steps. Hatched: "
            "beta1 >= sqrt(beta2), where the step is not bounded and a final verdict means little."
        ),
        panels=(2, 3),
        size=(8.4, 6.0),
        sweeps=(PHASE,),
        draw=draw,
        features=features,
        claims=("zhang2022.Z1a", "zhang2022.Z2"),
    )
]
