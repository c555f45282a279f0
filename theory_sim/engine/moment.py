"""Lanes between two steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Moment:
    """Some lanes between two steps: all that the rest of their run depends on.

    Parameters
    ----------
    cut : ndarray of int, shape (L,)
        Which lanes of the sweep.
    done : int
        Updates made.
    arrays : mapping of str to ndarray, lane axis last
        Of the tile and of its record: ``tile.x``, ``record.window``, ...
    """

    cut: Array
    done: int
    arrays: Mapping[str, Array]

    def take(self, places: Array) -> Moment:
        """Return the lanes at these places of the cut."""
        return Moment(
            self.cut[places], self.done, {name: values[..., places] for name, values in self.arrays.items()}
        )

    @classmethod
    def joined(cls, moments: Sequence[Moment]) -> Moment:
        """Return the lanes of several moments, of one group and after equally many updates, in one."""
        arrays = {
            name: np.concatenate(_evened([one.arrays[name] for one in moments]), axis=-1)
            for name in moments[0].arrays
        }
        return cls(np.concatenate([one.cut for one in moments]), moments[0].done, arrays)


def _evened(arrays: Sequence[Array]) -> list[Array]:
    """Return arrays of equally many rows: the table of an order is as high as the lanes beside it need."""
    if arrays[0].ndim < 3:
        return [*arrays]
    high = max(len(array) for array in arrays)
    return [
        np.concatenate([array, np.zeros((high - len(array), *array.shape[1:]), array.dtype)])
        for array in arrays
    ]
