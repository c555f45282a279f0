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
CORNER = 0.88  # from where the corner of the larger n is shown apart
_SQUARE = np.linspace(0.02, 0.98, 33)
_NEAR = np.linspace(CORNER + 0.0025, 0.9975, 24)


def _phase(n: int, weights: np.ndarray[Any, Any], name: str) -> ts.Sweep:
    return ts.Sweep(
        reddi.periodic(float(n), period=n),
        ts.adam(lr=0.5, eps=0.0, bias_correction=False, schedule=ts.power(0.5)),
        axes={"beta1": weights, "beta2": weights},
        steps=200_000,
        name=f"certified.{name}",
        quick={"steps": 20_000},
    )


PHASES = (*(_phase(n, _SQUARE, f"n{n}") for n in SIZES), _phase(SIZES[-1], _NEAR, "corner"))
_PANELS = (*((n, 0.0, f"n{n}") for n in SIZES), (SIZES[-1], CORNER, "corner"))


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
    """One panel per n and a corner: boxes as areas, the open band in black, simulated verdicts as points."""
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch, Rectangle

    for ax, (n, low, _), grid in zip(axes, _PANELS, grids, strict=True):
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
        ax.set(xlim=(low, 1), ylim=(low, 1), xlabel=r"$\beta_1$", aspect="equal")
        ax.set_title(rf"$n = C = {n}$: {100 * share:.2f}% proved, {len(content['boxes'])} boxes")
    size = 1.0 - CORNER
    axes[1].add_patch(Rectangle((CORNER, CORNER), size, size, fill=False, ec="black", lw=1.2, clip_on=False))
    axes[2].set_title("the corner of (b)")
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
    axes[0].figure.legend(handles=handles, loc="outside lower center", ncol=6, columnspacing=1.2)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Proved share, boxes, and how the simulated verdicts compare with the proved ones."""
    found: dict[str, float] = {}
    for (n, _, name), grid in zip(_PANELS, grids, strict=True):
        content = _map(n)
        beta1, beta2 = np.meshgrid(grid.beta1, grid.beta2, indexing="ij")
        proofs, seen = proved(content, beta1, beta2), grid.verdict.values[..., 0]
        decided = (proofs != "") & (seen != Verdict.UNDECIDED.value)
        found[f"{name}_share"] = float(content["area"]["share"])
        found[f"{name}_boxes"] = float(len(content["boxes"]))
        found[f"{name}_compared"] = float(decided.sum())
        found[f"{name}_contradictions"] = float((proofs[decided] != seen[decided]).sum())
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
            "left open. Points: verdicts after 200,000 steps (20,000 in the quick tier). (c) The framed corner of (b), with a "
            "finer grid of runs."
        ),
        panels=(1, 3),
        size=(10.5, 4.0),
        sweeps=PHASES,
        draw=draw,
        features=features,
        claims=("zhang2022.Z1a", "shi2021.S1"),
        needs=("flint",),
        files=maps,
    )
]
