"""Thirty optimizers of torch, optax and pytorch_optimizer on the hard problems of the audit.

The data are kept in ``audits.json``, so that the report needs none of the libraries; ``theory-sim audit zoo --json
figures/audits.json`` makes them again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.nouns.figure import VERDICT_COLORS, Figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.artist import Artist

_GREY = "0.85"
_OPTIMA = {
    "reddi.": -1,
    "shi.": -1,
    "zhang.": -2,
    "sign.linear": -1,
}  # 0 elsewhere, and for the first coordinate of several
_LIBRARIES = {
    "ours": "this suite",
    "torch.optim": "torch.optim",
    "optax": "optax",
    "pytorch_optimizer": "pytorch_optimizer",
}


@cache
def cards() -> Mapping[str, Any]:
    """Return what the audit kept: `theory_sim.app.zoo.collect` says of what."""
    found: Mapping[str, Any] = json.loads(resources.files("figures").joinpath("audits.json").read_text())
    return found


def rows() -> list[tuple[str, str, list[Mapping[str, Any]]]]:
    """Return library, optimizer and rows of every card, the controls first."""
    found = [("ours", name, one) for name, one in cards()["controls"].items()]
    for spec, card in cards()["cards"].items():
        module, _, name = spec.partition(":")
        library = "optax" if module.startswith("optax") else module
        found.append((library, name.replace(":", ", "), card["rows"]))
    return found


def _end(row: Mapping[str, Any]) -> str:
    """Return the end point of a row, shortened to its cell; why there is none, if it was not run."""
    if row["steps"] == 0:
        return "not run"
    final = row["x_final"]
    if final is None:
        return "not finite"
    first = round(float(np.ravel(final)[0]), 2) + 0.0  # no -0.00
    mark = "*" if "steps grow" in row["note"] else ""
    return f"{first:.2f}{mark}" if abs(first) < 1e3 else f"{first:.0e}{mark}"


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """One row for each optimizer, one column for each problem."""
    from matplotlib.patches import Patch, Rectangle

    ax, found, problems = axes[0], rows(), cards()["problems"]
    height, labels, places, last = 0.0, [], [], ""
    for library, name, card in found:
        if library != last:
            height += 1.1
            ax.text(-0.06, height - 0.8, _LIBRARIES[library], ha="right", va="center", fontweight="bold")
            last = library
        for column, row in enumerate(card):
            color = VERDICT_COLORS.get(row["verdict"], _GREY)
            ax.add_patch(Rectangle((column, height - 0.5), 1, 1, fc=color, ec="white", lw=1.2))
            ax.text(column + 0.5, height, _end(row), ha="center", va="center", fontsize=7.0)
        labels.append(name)
        places.append(height)
        height += 1.0
    ax.set_yticks(places, labels)
    split = [
        f"{problem.replace('@', ', ')}\n$x^*={optimum}$"
        for problem, optimum in zip(problems, _optima(), strict=True)
    ]
    # Turned about their lower left corners, the names of eleven problems fit over their columns.
    ax.set_xticks(
        np.arange(len(problems)) + 0.4, split, rotation=50, ha="left", va="bottom", rotation_mode="anchor"
    )
    ax.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    ax.set(xlim=(0, len(problems)), ylim=(height - 0.4, 0.0))
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    handles: list[Artist] = [Patch(color=color, label=name.lower()) for name, color in VERDICT_COLORS.items()]
    handles.append(Patch(color=_GREY, label="unjudged: no comparable step size"))
    ax.figure.legend(handles=handles, loc="outside lower center", ncol=4)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Return how many of the third-party optimizers have each verdict on each problem."""
    found = {"optimizers": float(len(cards()["cards"]))}
    for column, problem in enumerate(cards()["problems"]):
        for verdict in ("CONVERGED", "DIVERGED", "UNDECIDED", "UNJUDGED"):
            seen = [card["rows"][column]["verdict"] == verdict for card in cards()["cards"].values()]
            found[f"{problem}_{verdict.lower()}"] = float(sum(seen))
    return found


def _caption() -> str:
    made = cards()
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    steps = sorted({row["steps"] for row in made["battery"].values()})
    horizon = " to ".join(f"{one:,}" for one in dict.fromkeys((steps[0], steps[-1])))
    instances = ", ".join(dict.fromkeys(row["problem"] for row in made["battery"].values()))
    return (
        f"{len(made['cards'])} optimizers at their libraries' defaults, with SGD, Adam and AMSGrad of this suite: verdict and end "
        f"point (first coordinate, mean over seeds) after {horizon} steps lr/sqrt(t), with lr such that the mean |step| near "
        f"x_1 is 0.3 (*: steps that are not proportional to lr). The optima: {', '.join(map(str, _optima()))}. It says nothing of other step sizes, "
        f"hyperparameters or horizons. Instances: {instances}. Kept from {made['date']}: {made['command']} with {versions}."
    )


def _optima() -> list[int]:
    """Return the minimisers in the order of the columns."""
    return [
        next((x for one, x in _OPTIMA.items() if name.startswith(one)), 0) for name in cards()["problems"]
    ]


FIGURES = [
    Figure(
        name="audits",
        caption=_caption(),
        panels=(1, 1),
        size=(7.6, 10.0),
        sweeps=(),
        draw=draw,
        features=features,
    )
]
