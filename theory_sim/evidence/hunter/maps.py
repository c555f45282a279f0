"""Maps of the hunter: how an optimizer fails over two of its hyperparameters.

Heights come from a line search and strengths from annealing, so lower heights and stronger failures may exist; periods
are enumerated, and cycles are decided by linear programmes in floats.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from theory_sim.evidence.hunter import gram
from theory_sim.evidence.hunter.candidates import Array, Candidates
from theory_sim.evidence.hunter.linear import momentum
from theory_sim.evidence.hunter.periodic import burst
from theory_sim.evidence.hunter.steady import Steady, steady
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.rules import checks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {
    "height": "least max|g|/S that fails at period 3, by a line search",
    "period": "shortest period up to {period} with height at most {height}, enumerated; 0: none",
    "strength": "lr lost per step at period and height {period} with sum 1, by annealing",
    "cycle": "shortest cycle up to {period} on functions with slopes in [{mu:g}, {L:g}] of any dimension; 0: none",
}
_TOLERANCE = 1e-12  # |D| below this share of the sum of |u| counts as 0
_MOVES = 150_000  # of one annealing
_ENUMERATED = 3_000_000  # sequences of one period and height


@dataclass(frozen=True)
class Map:
    """Values over two hyperparameters.

    Parameters
    ----------
    kind : {"height", "period", "strength", "cycle"}
    optimizer : str
    axes : mapping of str to ndarray
        Two: that of the rows, and that of the columns.
    values : ndarray, shape (rows, columns)
    what : str
        What a value is, in words.
    """

    kind: str
    optimizer: str
    axes: Mapping[str, Array]
    values: Array
    what: str

    def figure(self) -> Figure:
        """Draw the map; the second axis is horizontal."""
        import matplotlib.pyplot as plt
        from matplotlib.colors import BoundaryNorm, LogNorm

        from theory_sim.nouns.figure import STYLE

        (rows, y), (columns, x) = self.axes.items()
        shown = np.where(self.values > 0.0, self.values, np.nan)
        counts = self.kind in ("period", "cycle")
        some = bool(np.isfinite(shown).any())
        ends = (np.nanmin(shown), np.nanmax(shown)) if some else (2.0, 3.0)
        with plt.rc_context(STYLE):
            drawn, ax = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
            ax.set_facecolor("0.88")
            edges = np.arange(int(ends[0]), int(ends[1]) + 2) - 0.5
            norm = BoundaryNorm(edges, 256) if counts else LogNorm(ends[0], max(ends[1], 1.01 * ends[0]))
            color = ax.pcolormesh(x, y, shown, norm=norm, cmap="viridis", rasterized=True)
            bar = drawn.colorbar(color, ax=ax, ticks=edges[:-1] + 0.5 if counts else None)
            bar.set_label({"height": "max|g|/S", "strength": "lr per step"}.get(self.kind, "period"))
            ax.set(xlabel=columns, ylabel=rows)
            said = self.what.replace("; 0: none", "; grey: none")
            ax.set_title(textwrap.fill(f"{self.optimizer}: {said}", 64), fontsize="small")
        return drawn

    def write(self, folder: Path) -> list[Path]:
        """Write map.json and the figure."""
        import matplotlib.pyplot as plt

        folder.mkdir(parents=True, exist_ok=True)
        axes = {name: values.tolist() for name, values in self.axes.items()}
        record = {"map": self.kind, "what": self.what, "optimizer": self.optimizer, "axes": axes}
        path = folder / "map.json"
        path.write_text(json.dumps({**record, "values": self.values.tolist()}) + "\n")
        drawn, written = self.figure(), [path]
        for ending in ("png", "svg"):
            written.append(folder / f"map.{ending}")
            drawn.savefig(written[-1])
        plt.close(drawn)
        return written


def margin(candidates: Candidates, grid: int = 48, levels: int = 6) -> tuple[float, Array]:
    """Return the largest S / max|g| with D < 0 at period 3, and the direction (g_1, g_2): a line search in g_2.

    At period 3 directions are a circle, which (1, b), (-1, b) and their rotations cover.
    """
    best, where, low, high = -1.0, np.zeros(2), -1.0, 1.0
    sides = [1.0, -1.0]
    for _ in range(levels):
        b = np.linspace(low, high, grid + 1)
        ways = np.array([[side, one] for side in sides for one in b]).T
        found = candidates.margins(ways, 1e6)
        at = int(np.argmax(found))
        if found[at] > best:
            best, where = float(found[at]), ways[:, at].copy()
        width = 2.0 * (high - low) / grid
        low, high, sides = max(-1.0, where[1] - width), min(1.0, where[1] + width), [float(where[0])]
    return best, where


def shortest(candidates: Candidates, longest: int, height: int) -> int:
    """Return the shortest period from 3 up to `longest` at which heights up to `height` fail, 0 for none."""
    for n in range(3, longest + 1):
        for high in range(1, height + 1):
            if len(candidates.search(n, high, n * high, _TOLERANCE)[2]):
                return n
    return 0


def strongest(candidates: Candidates, length: int) -> float:
    """Return -D/n of the best sequence with sum 1 and n = max|g| = length that annealing finds, 0 for none."""
    start = burst(length, length, 1)
    return max(0.0, -candidates.anneal(start, length, _MOVES, 0.1, 0)[0] / length)


def shortest_cycle(optimizer: Optimizer, mu: float, L: float, longest: int) -> int:
    """Return the shortest cycle up to `longest` of a momentum method, on functions of any dimension, 0 for none."""
    method = momentum(optimizer)
    periods = (K for K in range(2, longest + 1) if gram.cycle(method, mu, L, K).margin >= 0.0)
    return next(periods, 0)


def survey(
    optimizer: Optimizer,
    kind: str,
    axes: Mapping[str, Array],
    *,
    period: int = 6,
    height: int = 3,
    mu: float = 1.0,
    L: float | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Map:
    """Return a map over two hyperparameters.

    Parameters
    ----------
    optimizer : Optimizer
    kind : {"height", "period", "strength", "cycle"}
        cycle is of a momentum method (sgdm, gd, nesterov), the others of an optimizer with formulas.
    axes : mapping of str to ndarray
        Two hyperparameters; lr too for the kind cycle, to the others it does not matter.
    period : int
        Longest one of the kinds period and cycle; that of the kind strength.
    height : int
        Largest one of the kind period.
    mu, L : float
        Of the kind cycle.
    progress : callable
        Called with a line of text now and then.

    Raises
    ------
    ValueError
        If an axis is no hyperparameter, or the map would take too long.
    """
    checks.known("map", kind, KINDS)
    if kind == "cycle":
        if L is None:
            raise ValueError("The map cycle needs the smoothness L of the functions; give L, such as L=25.")
        given = {
            "mu": checks.number("mu", mu, 0.0, open_low=True),
            "L": checks.number("L", L, mu, open_low=True),
        }

        cell = _cycle_of(optimizer, given["mu"], given["L"], period)
        names: tuple[str, ...] = ("lr", *optimizer.hyper)
    else:
        system, given = steady(optimizer), {}
        if system.identity is not None:
            raise ValueError(f"{optimizer.name} never fails in the class periodic: {system.identity}.")
        if kind == "period" and (2 * height + 1) ** (period - 1) > _ENUMERATED:
            raise ValueError(
                f"Sequences of period {period} and height {height} are too many for every cell; lower max_period or max_height."
            )
        names, cell = system.hyper, _cell_of(system, kind, period, height)
    (rows, y), (columns, x) = axes.items()
    for name in axes:
        checks.known(f"axis of the map {kind}", name, names)
    values = np.zeros((len(y), len(x)))
    for i, one in enumerate(y.tolist()):
        progress(f"{rows} = {one:g}")
        for j, other in enumerate(x.tolist()):
            values[i, j] = cell({rows: one, columns: other})
    what = KINDS[kind].format(period=period, height=height, **given)
    return Map(kind, optimizer.name, dict(axes), values, what)


def _cycle_of(
    optimizer: Optimizer, mu: float, L: float, period: int
) -> Callable[[Mapping[str, float]], float]:
    return lambda words: shortest_cycle(optimizer.replace(**words), mu, L, period)


def _cell_of(system: Steady, kind: str, period: int, height: int) -> Callable[[Mapping[str, float]], float]:
    def cell(words: Mapping[str, float]) -> float:
        candidates = Candidates(replace(system, values={**system.values, **words}))
        if kind == "height":
            found = margin(candidates)[0]
            return 1.0 / found if found > 0.0 else 0.0
        return shortest(candidates, period, height) if kind == "period" else strongest(candidates, period)

    return cell
