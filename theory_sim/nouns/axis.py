"""The scale of an axis: linear, logarithmic, or the distance from 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_STRETCHED = 4.0  # ratio of the first gap to the last from which an axis has a scale of its own


def scale(values: Array) -> str:
    """Return how an axis of these values is drawn.

    Parameters
    ----------
    values : ndarray, shape (n,)
        In rising order.

    Returns
    -------
    str
        ``"one"``, distances from 1 on a logarithmic axis, for weights below 1 that crowd there; ``"log"`` for
        positive values whose gaps grow; else ``"linear"``.
    """
    gaps = np.diff(values)
    if len(gaps) < 2 or not (gaps > 0.0).all():
        return "linear"
    if values[-1] < 1.0 and values[0] >= 0.0 and gaps[0] > _STRETCHED * gaps[-1]:
        return "one"
    return "log" if values[0] > 0.0 and gaps[-1] > _STRETCHED * gaps[0] else "linear"


def scaled(kind: str) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Return the map from the values of an axis to its scale (see `scale`), and its inverse."""
    if kind == "one":
        return lambda v: -np.log10(np.maximum(1.0 - v, 1e-300)), lambda u: 1.0 - 10.0**-u
    if kind == "log":
        return np.log10, lambda u: 10.0**u
    return lambda v: v, lambda u: u
