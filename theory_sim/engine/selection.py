"""Some cells of a sweep, run without the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory_sim.nouns.sweep import Sweep


@dataclass(frozen=True, eq=False)
class Selection(Sweep):
    """Cells of a sweep in a row; each lane has the bits that it has in the whole sweep.

    Its Dataset has the dimension ``cell`` in place of the axes, whose values label it.

    Parameters
    ----------
    places : sequence of ndarray of int, shape (n,)
        For each axis of the sweep, where along it the n cells are.
    """

    places: Sequence[np.ndarray[Any, Any]] = ()

    @classmethod
    def of(cls, sweep: Sweep, places: Sequence[np.ndarray[Any, Any]], **changes: Any) -> Selection:
        """Return these cells of a sweep, with other fields changed."""
        own = {name: getattr(sweep, name) for name in Sweep.__dataclass_fields__}
        return cls(**{**own, "quick": {}, **changes}, places=tuple(places))

    @property
    def cells(self) -> Sequence[np.ndarray[Any, Any]] | None:
        """Positions along each axis of the cells that are run; None of a sweep without axes."""
        return self.places or None

    @property
    def dims(self) -> tuple[str, ...]:
        """The cells in a row."""
        return ("cell",)

    @property
    def labels(self) -> dict[str, tuple[str, np.ndarray[Any, Any]]]:
        """The values of the axes at each cell."""
        own = zip(self.coordinates.items(), self.places, strict=True)
        return {name: ("cell", values[place]) for (name, values), place in own}

    @property
    def shape(self) -> tuple[int, ...]:
        """(cells, seeds)."""
        return (len(self.places[0]) if self.places else 1, self.seeds)
