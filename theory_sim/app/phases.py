"""Verdict maps of anybody's optimizer over two hyperparameters, under Adam's exact boundary where there is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.app import audit, card, report
from theory_sim.app.contenders import contender
from theory_sim.app.explanations import cycle
from theory_sim.nouns.figure import VERDICT_COLORS
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

Array = np.ndarray[Any, Any]
_FINE = 300  # points a side on which the curve D = 0 is found
_MOST = 100_000


def drift(axes: Mapping[str, Array], found: tuple[int, float]) -> Array:
    """Return Adam's exact drift over two axes, beta1 and beta2 in any order."""
    values = dict(zip(axes, np.meshgrid(*axes.values(), indexing="ij"), strict=True))
    exact = import_module("counterexamples.drift").drift(values["beta1"], values["beta2"], *found)
    return np.asarray(exact)


@dataclass(frozen=True)
class Map:
    """The verdicts of one problem.

    Parameters
    ----------
    problem : str
    grid : xarray.Dataset or None
        What `Sweep.run` returns with these axes; None if it was not run to its end.
    verdicts : ndarray of str, shape of the axes
        Of every seed; UNDECIDED where seeds disagree.
    cycle : (int, float) or None
        Period and ratio of slopes, where Adam's exact drift D is known: for vanishing steps it converges
        where D > 0 and diverges where D < 0.
    lr : float
    note : str
    """

    problem: str
    grid: xr.Dataset | None
    verdicts: Array
    cycle: tuple[int, float] | None
    lr: float
    note: str

    def said(self, axes: Mapping[str, Array]) -> str:
        """Return the verdicts in words, and how many of the decided ones are those of the sign of D."""
        counts = Counter(self.verdicts.ravel().tolist())
        text = ", ".join(f"{n} {one}" for one, n in sorted(counts.items()))
        decided = np.isin(self.verdicts, (Verdict.CONVERGED.value, Verdict.DIVERGED.value))
        if self.cycle is not None and decided.any():
            wrong = drift(axes, self.cycle) < 0.0
            same = (self.verdicts == np.where(wrong, Verdict.DIVERGED.value, Verdict.CONVERGED.value))[
                decided
            ]
            text += f"; {same.sum()} of {same.size} decided as the sign of Adam's exact drift"
        return f"{text}; {self.note}" if self.note else text


@dataclass(frozen=True)
class Phases:
    """Maps of one optimizer over two hyperparameters.

    Parameters
    ----------
    optimizer, settings, note : str
        As of a `theory_sim.app.audit.Card`.
    axes : mapping of str to ndarray
    maps : tuple of Map
    """

    optimizer: str
    settings: str
    note: str
    axes: Mapping[str, Array]
    maps: tuple[Map, ...]

    @property
    def conclusion(self) -> str:
        """One sentence about what was run, and nothing else."""
        shape = " x ".join(f"{len(values)} {name}" for name, values in self.axes.items())
        steps = sorted({int(one.grid.attrs["steps"]) for one in self.maps if one.grid is not None})
        parts = "; ".join(f"on {one.problem}: {one.said(self.axes)}" for one in self.maps)
        return (
            f"{self.optimizer} over {shape}, {' to '.join(map(str, steps)) or 0} steps of lr/sqrt(t) with one lr for "
            f"all cells, {parts}; this says nothing of other step sizes, horizons or problems."
        )

    def record(self) -> dict[str, Any]:
        """Return the maps in plain JSON types."""
        return {
            "optimizer": self.optimizer,
            "settings": self.settings,
            "note": self.note,
            "axes": {name: values.tolist() for name, values in self.axes.items()},
            "maps": [
                {
                    "problem": one.problem,
                    "lr": one.lr,
                    "verdicts": one.verdicts.tolist(),
                    "drift": None if one.cycle is None else drift(self.axes, one.cycle).tolist(),
                    "note": one.note,
                }
                for one in self.maps
            ],
            "conclusion": self.conclusion,
        }

    def page(self) -> str:
        """Return the maps as an HTML page that needs no network."""
        pictures = {
            one.problem: card.svg(f"verdicts on {one.problem}", partial(self.draw, one), (4.8, 4.2))
            for one in self.maps
        }
        return report.template("phases.html.j2").render(
            title=self.optimizer, phases=self, pictures=pictures, colors=VERDICT_COLORS
        )

    def draw(self, one: Map, ax: Axes) -> None:
        """Draw a map, with the curve D = 0 over it where it is known."""
        from matplotlib.colors import ListedColormap

        (first, x), (second, y) = self.axes.items()
        codes = np.select([one.verdicts == name for name in VERDICT_COLORS], range(3), -1).T
        colors = ListedColormap(list(VERDICT_COLORS.values()))
        ax.pcolormesh(
            x, y, np.ma.masked_less(codes, 0), cmap=colors, vmin=-0.5, vmax=2.5, alpha=0.8, shading="nearest"
        )
        ends = {name: _ends(values) for name, values in self.axes.items()}
        if one.cycle is not None:
            fine = {name: np.linspace(max(low, 0.0), high, _FINE) for name, (low, high) in ends.items()}
            field = drift({name: np.minimum(v, 1.0 - 1e-9) for name, v in fine.items()}, one.cycle)
            if field.min() < 0.0 < field.max():
                ax.contour(fine[first], fine[second], field.T, levels=[0.0], colors="black", linewidths=1.8)
        ax.set(xlabel=first, ylabel=second, xlim=ends[first], ylim=ends[second])


def _ends(values: Array) -> tuple[float, float]:
    half = (values[1] - values[0]) / 2.0
    return float(values[0] - half), float(values[-1] + half)


def axes_of(text: str) -> dict[str, Array]:
    """Parse ``"beta1=LO:HI:N,beta2=LO:HI:N"`` into two axes of N equally spaced values.

    Raises
    ------
    ValueError
        Unless there are two different names, LO < HI and N >= 2.
    """
    found: dict[str, Array] = {}
    for part in text.split(","):
        name, _, span = part.partition("=")
        try:
            low, high, count = span.split(":")
            ends = checks.number(name, float(low)), checks.number(name, float(high))
            many = checks.count(f"number of {name}", int(count), 2, _MOST)
        except ValueError:
            raise ValueError(
                f"{part!r} is no axis; write name=LO:HI:N, for instance beta1=0:0.95:20."
            ) from None
        if not ends[0] < ends[1]:
            raise ValueError(f"{part!r} must go up: LO below HI.")
        if name.startswith("beta") and not (ends[0] >= 0.0 and ends[1] < 1.0):
            raise ValueError(f"{part!r} leaves [0, 1), where averaging weights are.")
        found[name] = np.linspace(*ends, many)
    if len(found) != 2 or len(text.split(",")) != 2:
        raise ValueError(f"--grid {text} must have two axes, such as beta1=0:0.95:20,beta2=0:0.95:20.")
    return found


def phases(
    optimizer: Any,
    axes: Mapping[str, Any],
    problems: Any = "reddi.periodic",
    *,
    steps: int | None = None,
    seeds: int = 1,
    lr: float | str = "calibrate",
    entropy: int = 0,
    progress: audit.Progress = lambda text, share: None,
) -> Phases:
    """Run anybody's optimizer over two of its hyperparameters.

    Parameters
    ----------
    optimizer, problems, steps, seeds, lr, entropy, progress
        As of `theory_sim.audit`; lr is calibrated at the optimizer's own hyperparameters.
    axes : mapping of str to sequence of float
        Two hyperparameters: beta1 and beta2 whatever the library calls them, others by their own names.

    Returns
    -------
    Phases

    Raises
    ------
    ValueError
        As `theory_sim.audit`, and for a name that is no number among its hyperparameters.
    """
    chosen, size = audit.prepared(problems, steps, seeds, lr, entropy)
    tried = contender(optimizer)
    values = {name: np.asarray(one, dtype=float) for name, one in axes.items()}
    shape = tuple(len(one) for one in values.values())
    maps = []
    for bout in chosen:
        own, _, note = audit.calibrated(tried, bout, size)
        own = replace(own, axes=values)
        grid, verdicts = None, np.full(shape, Verdict.UNJUDGED.value, dtype="<U9")
        if own.lr > 0.0:
            (ends,) = tried.run([own], lambda share: progress(f"map of {tried.name}", share))
            grid, note = ends.grid, "; ".join(filter(None, (note, ends.note, own.short)))
            verdicts[:] = ends.verdict
            if grid is not None:
                seen = grid.verdict.transpose(*values, "seed").values
                same = (seen == seen[..., :1]).all(axis=-1)
                verdicts = np.where(same, seen[..., 0], Verdict.UNDECIDED.value)
        known = {*values} == {"beta1", "beta2"}
        maps.append(
            Map(own.name, grid, verdicts, cycle(own.problem, own.order) if known else None, own.lr, note)
        )
    return Phases(tried.name, tried.settings, tried.note, values, tuple(maps))
