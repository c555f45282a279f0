"""Squares of a grid of points, halved wherever known points of a square differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_UNKNOWN = -1
_NEVER = np.iinfo(np.int32).max


class Quadtree:
    """Squares over n x n points.

    The square k at stride s has the points k s ... min(k s + s, n - 1) of an axis, so neighbours share a side.

    Parameters
    ----------
    points : int
        n, a multiple m of the stride or one more.
    stride : int
        Side of the first squares, a power of 2.

    Attributes
    ----------
    known : ndarray of int, shape (n, n)
        A number for what is known at each point, -1 where nothing is.
    """

    def __init__(self, points: int, stride: int) -> None:
        self.known = np.full((points, points), _UNKNOWN, np.int32)
        self._points = points
        self._strides = [stride >> k for k in range(stride.bit_length() - 1)]  # down to 2
        self._split = {s: np.zeros((self._count(s),) * 2, bool) for s in self._strides}

    def _count(self, stride: int) -> int:
        return self._points // stride  # the last point of m s + 1 is a corner only

    def put(self, points: Array, value: Callable[[Array], Array]) -> None:
        """Make points (n, 2) known: `value` gets them and returns their numbers, shape (n,)."""
        self.known[tuple(points.T)] = value(points)

    def refine(self, value: Callable[[Array], Array]) -> None:
        """Make the corners of all squares known, and halve squares whose points differ, until none is left."""
        while len(missing := self._missing()):
            self.put(missing, value)

    def _missing(self) -> Array:
        """Halve squares whose known points differ, and those around them, and return the corners (n, 2) that are not known."""
        top = self._strides[0]
        need = np.zeros(self.known.shape, bool)
        corners = self._corners(np.arange(self._count(top) + 1), top)
        need[np.ix_(corners, corners)] = True
        for stride in self._strides:
            least, most = self._range(stride)
            mixed = (least < most) & (most != _UNKNOWN)
            # With the neighbours: a thin strand beside a boundary has no corner in most squares.
            self._split[stride] |= _widened(mixed) & self._there(stride)
            a, b = np.nonzero(self._split[stride])
            half = stride // 2
            for p in range(3):
                for q in range(3):
                    need[self._corners(2 * a + p, half), self._corners(2 * b + q, half)] = True
        return np.argwhere(need & (self.known == _UNKNOWN))

    def _corners(self, number: Array, stride: int) -> Array:
        places: Array = np.minimum(number * stride, self._points - 1)
        return places

    def _there(self, stride: int) -> Array:
        """Return which squares of a stride exist, because the one around them was halved."""
        if stride == self._strides[0]:
            return np.ones_like(self._split[stride])
        inside: Array = self._split[2 * stride].repeat(2, axis=0).repeat(2, axis=1)
        return inside

    def _range(self, stride: int) -> tuple[Array, Array]:
        """Return the least and the largest known number in each square, its sides included."""
        least = np.where(self.known == _UNKNOWN, _NEVER, self.known)
        most = self.known
        starts = np.arange(self._count(stride)) * stride
        ends = self._corners(np.arange(1, self._count(stride) + 1), stride)
        for axis in (0, 1):
            least = np.minimum(np.minimum.reduceat(least, starts, axis), least.take(ends, axis))
            most = np.maximum(np.maximum.reduceat(most, starts, axis), most.take(ends, axis))
        return least, most

    def filled(self) -> Array:
        """Return the numbers of all points, shape (n, n): the known ones, and inside a square those of its corners."""
        out = self.known.copy()
        for stride in self._strides:
            whole = self._there(stride) & ~self._split[stride]
            number = np.where(whole, self._range(stride)[1], _UNKNOWN)
            square = np.minimum(np.arange(self._points) // stride, self._count(stride) - 1)
            out = np.where(out == _UNKNOWN, number[np.ix_(square, square)], out)
        return out


def _widened(mask: Array) -> Array:
    """Return a mask with the eight neighbours of what it has."""
    for axis in (0, 1):
        padded = np.pad(mask, [(1, 1) if axis == k else (0, 0) for k in (0, 1)])
        n = mask.shape[axis]
        mask = padded.take(range(n), axis) | mask | padded.take(range(2, n + 2), axis)
    return mask
