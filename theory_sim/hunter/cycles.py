"""Hunts in the classes *line* and *gram*: the shortest cycle of a momentum method."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from theory_sim.hunter import gram, line
from theory_sim.hunter.certificate import Refused
from theory_sim.hunter.linear import momentum
from theory_sim.nouns.optimizer import Optimizer

CHECKER = Path(__file__).with_name("cycle_check.py")


@dataclass(frozen=True)
class Cycles:
    """The result of a hunt for cycles.

    Parameters
    ----------
    optimizer : Optimizer
    cls : {"line", "gram"}
    front : tuple of mapping
        Certificates; the shortest cycle.
    searched : tuple of str
    why_none : str
        Always empty: that a linear programme in floats finds no cycle is no proof.
    """

    optimizer: Optimizer
    cls: str
    front: tuple[Mapping[str, Any], ...] = ()
    searched: tuple[str, ...] = ()
    why_none: str = ""

    @property
    def status(self) -> int:
        """Exit status: 0 found and certified, 2 nothing found within the limits."""
        return 0 if self.front else 2

    def write(self, folder: Path) -> list[Path]:
        """Write certificate.json and check.py."""
        folder.mkdir(parents=True, exist_ok=True)
        files = {
            "certificate.json": json.dumps(self.front[0], indent=1) + "\n",
            "check.py": CHECKER.read_text(),
        }
        for name, text in files.items():
            (folder / name).write_text(text)
        return [folder / name for name in files]


def hunt(
    optimizer: Optimizer, cls: str, mu: Fraction, L: Fraction, longest: int, progress: Callable[[str], None]
) -> Cycles:
    """Look for the shortest cycle on mu-strongly convex, L-smooth functions.

    Raises
    ------
    ValueError
        If the optimizer is no momentum method, or not 0 < mu < L.
    """
    if not 0 < mu < L:
        raise ValueError(f"mu = {mu} and L = {L} must satisfy 0 < mu < L.")
    method = momentum(optimizer)
    best: line.Cycle | gram.Cycle
    if cls == "line" and longest > line.LONGEST:
        raise ValueError(
            f"max_period = {longest} is more than {line.LONGEST} in the class line, where orders of points are enumerated; "
            "give a smaller one, or use the class gram."
        )
    searched: list[str] = []
    for period in range(2, longest + 1):
        progress(f"period {period}")
        best = (line if cls == "line" else gram).cycle(method, float(mu), float(L), period)
        if best.margin < 0.0:
            searched.append(
                f"period {period}: the linear programme has the margin {best.margin:.3g} < 0: no cycle"
            )
            continue
        try:
            if isinstance(best, line.Cycle):
                found = line.certificate(method, mu, L, best.points)
            else:
                found = gram.certificate(method, mu, L, best)
        except Refused as error:
            searched.append(f"period {period}: margin {best.margin:.3g}, not certified: {error}")
        else:
            return Cycles(optimizer, cls, (found,), (*searched, f"period {period}: margin {best.margin:.3g}"))
    return Cycles(optimizer, cls, (), tuple(searched))
