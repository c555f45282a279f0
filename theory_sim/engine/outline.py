"""Polylines around the regions of a map of verdicts, with the two cells on either side of each vertex."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from theory_sim.nouns.axis import scale, scaled
from theory_sim.nouns.verdict import Verdict

Array = np.ndarray[Any, Any]


def outline(verdict: Array, axes: Mapping[str, Array]) -> dict[str, tuple[str, Array]]:
    """Return the boundary variables of `theory_sim.engine.refinement.refine`.

    Parameters
    ----------
    verdict : ndarray of str, shape (n, m)
    axes : mapping of str to ndarray
        The n and the m values, rising.

    Returns
    -------
    dict
        Around CONVERGED and DIVERGED, once if one is all that the other is not; each vertex is halfway, on the scale
        of the axis, between two neighbours of different verdicts.
    """
    from contourpy import contour_generator

    around = [v.value for v in (Verdict.CONVERGED, Verdict.DIVERGED) if (verdict == v).any()]
    if np.isin(verdict, around).all():
        around = around[:1]
    lines, owners = [], []
    for one in around:
        inside = (verdict == one).astype(float)
        if inside.all():
            continue
        found = [np.asarray(line) for line in contour_generator(z=inside.T).lines(0.5)]
        lines += found
        owners += [one] * len(found)
    lengths = [len(line) for line in lines]
    vertices = np.concatenate(lines) if lines else np.zeros((0, 2))
    out: dict[str, tuple[str, Array]] = {}
    for place, (name, values) in zip(vertices.T, axes.items(), strict=True):
        forward, inverse = scaled(scale(values))
        low, high = values[np.floor(place).astype(int)], values[np.ceil(place).astype(int)]
        middle = np.where(low == high, low, inverse((forward(low) + forward(high)) / 2.0))
        out[f"boundary_{name}"] = ("vertex", middle)
        out[f"boundary_{name}_low"], out[f"boundary_{name}_high"] = ("vertex", low), ("vertex", high)
    out["boundary_line"] = ("vertex", np.repeat(np.arange(len(lengths)), lengths))
    out["boundary_verdict"] = ("vertex", np.repeat(np.array(owners, dtype="<U9"), lengths))
    return out
