"""Where Adam's verdict is proved: certified boxes of the (beta1, beta2) square under simulated verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import reddi
from counterexamples.drift.certified_map import certified_map, text
from theory_sim.nouns.figure import VERDICT_COLORS, Figure
from theory_sim.nouns.verdict import Verdict

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.artist import Artist

SIZES = (10, 20)
COVERAGE = "0.999"
_WEIGHTS = np.linspace(0.02, 0.98, 33)


def _phase(n: int) -> ts.Sweep:
    return ts.Sweep(
        reddi.periodic(float(n), period=n),
        ts.adam(lr=0.5, eps=0.0, bias_correction=False, schedule=ts.power(0.5)),
        axes={"beta1": _WEIGHTS, "beta2": _WEIGHTS},
        steps=200_000,
        name=f"certified.n{n}",
        quick={"steps": 20_000},
    )


PHASES = tuple(_phase(n) for n in SIZES)


@cache
def _map(n: int) -> dict[str, Any]:
    return certified_map(n, n, coverage=COVERAGE)


def _corners(box: dict[str, Any]) -> tuple[float, float, float, float]:
    """Return beta1 and beta2 of the lower left and the upper right corner."""
    (left, right), (low, high) = (
        [float(Fraction(edge)) for edge in box[name]] for name in ("beta1", "beta2")
    )
    return left, low, right, high


def proved(content: dict[str, Any], beta1: np.ndarray[Any, Any], beta2: np.ndarray[Any, Any]) -> Any:
    """Return the proved verdict of each point, "" in the band; beta1 and beta2 of one shape."""
    out = np.full(np.shape(beta1), "", dtype="<U9")
    for box in content["boxes"]:
        left, low, right, high = _corners(box)
        # A float is a corner's rounding away from the box at most: strictly inside by 1e-12.
        inside = (
            (beta1 > left + 1e-12) & (beta1 < right - 1e-12) & (beta2 > low + 1e-12) & (beta2 < high - 1e-12)
        )
        out[inside] = box["verdict"]
    return out


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """One panel per n: boxes as areas, the open band in black, simulated verdicts as points."""
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    for ax, n, grid in zip(axes, SIZES, grids, strict=True):
        content = _map(n)
        for verdict in (Verdict.CONVERGED.value, Verdict.DIVERGED.value):
            boxes = [_corners(box) for box in content["boxes"] if box["verdict"] == verdict]
            shapes = [[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes]
            color = VERDICT_COLORS[verdict]
            ax.add_collection(
                PolyCollection(shapes, facecolors=color, linewidths=0.0, alpha=0.35, antialiased=False)
            )
        band = [_corners(box) for box in content["band"]]
        shapes = [[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in band]
        ax.add_collection(PolyCollection(shapes, facecolors="black", edgecolors="black", linewidths=0.4))
        beta1, beta2 = np.meshgrid(grid.beta1, grid.beta2, indexing="ij")
        for verdict in VERDICT_COLORS:
            chosen = grid.verdict.values[..., 0] == verdict
            ax.plot(
                beta1[chosen],
                beta2[chosen],
                ls="",
                marker="o",
                ms=2.2,
                color=VERDICT_COLORS[verdict],
                label=f"simulated: {verdict.lower()}",
            )
        share = float(content["area"]["share"])
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel=r"$\beta_1$", aspect="equal")
        ax.set_title(rf"$n = C = {n}$: {100 * share:.2f}% proved, {len(content['boxes'])} boxes")
    axes[0].set_ylabel(r"$\beta_2$")
    handles: list[Artist] = [
        Patch(color=VERDICT_COLORS[verdict], alpha=0.35, label=f"proved: {verdict.lower()}")
        for verdict in (Verdict.CONVERGED.value, Verdict.DIVERGED.value)
    ]
    handles.append(Patch(color="black", label="band left open"))
    handles += [
        Line2D(
            [],
            [],
            ls="",
            marker="o",
            ms=4,
            color=VERDICT_COLORS[verdict],
            label=f"simulated: {verdict.lower()}",
        )
        for verdict in VERDICT_COLORS
    ]
    axes[0].figure.legend(handles=handles, loc="outside lower center", ncol=3)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Proved share, boxes, and how the simulated verdicts compare with the proved ones."""
    found: dict[str, float] = {}
    for n, grid in zip(SIZES, grids, strict=True):
        content = _map(n)
        beta1, beta2 = np.meshgrid(grid.beta1, grid.beta2, indexing="ij")
        proofs, seen = proved(content, beta1, beta2), grid.verdict.values[..., 0]
        decided = (proofs != "") & (seen != Verdict.UNDECIDED.value)
        found[f"n{n}_share"] = float(content["area"]["share"])
        found[f"n{n}_boxes"] = float(len(content["boxes"]))
        found[f"n{n}_compared"] = float(decided.sum())
        found[f"n{n}_contradictions"] = float((proofs[decided] != seen[decided]).sum())
    return found


def maps() -> dict[str, str]:
    """Return the certified maps as files that ``theory-sim certify --verify`` checks."""
    return {f"n{n}.json": text(_map(n)) for n in SIZES}


FIGURES = [
    Figure(
        name="certified",
        caption=(
            "Adam on n linear components with slopes n, -1, ..., -1 in cyclic order, steps 0.5/sqrt(t), eps = 0. Areas: the sign "
            "of the drift D is proved in ball arithmetic, so every run there converges or diverges as t grows; black: the band "
            "left open. Points: verdicts after 200,000 steps (20,000 in the quick tier)."
        ),
        panels=(1, 2),
        size=(8.0, 4.8),
        sweeps=PHASES,
        draw=draw,
        features=features,
        needs=("flint",),
        files=maps,
    )
]
