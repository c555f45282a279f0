"""Steps to a level of the squared gradient by the number of workers, and the step sizes that reach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_checks.efficientadam2023.speed import LEVEL, MODES, SPEED, Arrival, arrival
from theory_sim.nouns.figure import PALETTE, Figure

if TYPE_CHECKING:
    import xarray as xr

LABELS = {
    "local": ("moments at the workers", PALETTE[0], "o", "-"),
    "sign": ("the same, two-way signs with feedback", PALETTE[1], "x", "--"),
    "server": ("moments at the server", PALETTE[2], "s", "-"),
}
MEMORY = 1_000  # 1/(1 - beta2)
SWEEPS = tuple(SPEED[mode, n] for mode in LABELS for n in MODES[mode][2])


def _arrivals(grids: Sequence[xr.Dataset]) -> Mapping[str, dict[int, Arrival]]:
    left = iter(grids)
    return {mode: {n: arrival(next(left), LEVEL) for n in MODES[mode][2]} for mode in LABELS}


def draw(axes: np.ndarray[Any, np.dtype[np.object_]], grids: Sequence[xr.Dataset]) -> None:
    """Steps and best step size against N, log-log."""
    found = _arrivals(grids)
    for mode, (label, color, marker, style) in LABELS.items():
        numbers = np.array([*found[mode]])
        steps = np.array([found[mode][n].steps for n in numbers])
        lr = np.array([found[mode][n].lr for n in numbers])
        long = steps >= MEMORY  # the others are shown, but are no evidence: pale and without a line
        look: dict[str, Any] = {"color": color, "marker": marker, "ms": 8 if mode == "local" else 5}
        if mode == "local":
            look["mfc"] = "none"
        for ax, values in zip(axes, (steps, lr), strict=True):
            ax.plot(numbers[long], values[long], ls=style, label=label, **look)
            ax.plot(
                numbers[~long],
                values[~long],
                ls="",
                alpha=0.4,
                label=f"{label}, shorter than the memory",
                **look,
            )
    first = found["local"][1]
    numbers = np.array([*found["local"]])
    axes[0].plot(numbers, first.steps / numbers, ":", color="0.2", lw=1.1, label=r"$\propto 1/N$")
    axes[0].axhspan(30, MEMORY, color="0.94", linewidth=0.0, zorder=0)
    axes[0].text(1.0, 45, r"$T<1/(1-\beta_2)$: no evidence", color="0.3", fontsize=8.0)
    axes[1].plot(numbers, first.lr * numbers, ":", color="0.2", lw=1.1, label=r"$\propto N$")
    axes[1].plot(
        numbers,
        found["server"][1].lr * np.sqrt(numbers),
        "-.",
        color="0.2",
        lw=1.1,
        label=r"$\propto\sqrt{N}$",
    )
    axes[0].set(ylabel=r"steps to $\mathbb{E}\|\nabla f\|^2\leq 0.02$", title="(a) steps", ylim=(30, 9e3))
    axes[1].set(ylabel=r"best step size $\alpha$", title="(b) step size")
    for ax in axes:
        ax.set(xscale="log", yscale="log", xlabel="workers $N$")
        ax.minorticks_off()
        ax.set_xticks(numbers, [str(n) for n in numbers])
    handles = [
        line for line in axes[0].get_lines() if line.get_label() in {label for label, *_ in LABELS.values()}
    ]
    axes[0].figure.legend(handles=handles, loc="outside lower center", ncol=3)
    for ax, corner in zip(axes, ("upper right", "upper left"), strict=True):
        ax.legend(handles=[line for line in ax.get_lines() if "propto" in str(line.get_label())], loc=corner)


def features(grids: Sequence[xr.Dataset]) -> dict[str, float]:
    """Steps, best lr and speed-up by mode and N, and the slopes in N up to 8."""
    found = _arrivals(grids)
    numbers = {}
    for mode, by_n in found.items():
        for n, one in by_n.items():
            numbers[f"{mode}_{n}"] = one.steps
            numbers[f"{mode}_{n}_lr"] = one.lr
            numbers[f"{mode}_{n}_speedup"] = by_n[1].steps / one.steps
        few = [n for n in by_n if n <= 8]
        logs = np.log2([by_n[n].steps for n in few])
        numbers[f"{mode}_slope"] = float(np.polyfit(np.log2(few), logs, 1)[0])
    return numbers


FIGURES = [
    Figure(
        name="speedup",
        caption=(
            "Steps until the mean over seeds of ||grad f||^2 is at most .02 on ||x||^2/2 (d = 32, normal noise of standard "
            "deviation 1, betas .9/.999, constant step, best of a grid of ratio 2^(1/4); 24 seeds, quick 12 to 16 and fewer step sizes). Moments at the workers "
            "want a step proportional to N, moments at the server one like sqrt(N), and larger while v warms up. Grey zone and pale markers: the whole "
            "run is shorter than the memory of v, and speed-ups above N there are an artefact."
        ),
        panels=(1, 2),
        size=(8.4, 3.9),
        sweeps=SWEEPS,
        draw=draw,
        features=features,
        claims=("efficientadam2023.QC19a", "efficientadam2023.QC19b", "efficientadam2023.QC20"),
    )
]
