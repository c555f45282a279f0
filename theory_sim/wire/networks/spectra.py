"""Distributions of eigenvalues, from quadratures, and how far apart they are."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def densities(nodes: Array, weights: Array, edges: Array) -> Array:
    """Return the mass (..., bins) of quadratures (..., k) between edges; the outer bins take what lies beyond."""
    place = np.clip(np.searchsorted(edges, nodes, side="right") - 1, 0, len(edges) - 2)
    return np.asarray((np.eye(len(edges) - 1)[place] * weights[..., None]).sum(axis=-2))


def jensen_shannon(p: Array, q: Array) -> Array:
    """Return the Jensen-Shannon distance of distributions over the last axis: in [0, 1], logarithms to base 2."""
    mean = 0.5 * (p + q)

    def divergence(one: Array) -> Array:
        ratio = np.divide(one, mean, out=np.ones_like(mean), where=one > 0.0)
        return np.asarray((one * np.log2(ratio)).sum(axis=-1))

    return np.sqrt(np.maximum(0.5 * (divergence(p) + divergence(q)), 0.0))
