"""(L0, L1)-smoothness on a region: is ||Hess f|| <= L0 + L1 ||grad f|| there, and for which pairs?

The Hessian is differenced from gradients, at sampled points, and the gradients of neighbouring points are
compared: on a segment of length r in the region ||g(y) - g(x)|| <= (L0 + L1 ||g||) (e^(L1 r) - 1)/L1 with
either end's gradient.  So a check can refute a pair, by a point or a segment, but never prove one, and an
estimated constant is a bound from below on the region: a gradient that changes between two points and comes
back is not seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from theory_sim.engine import evaluate
from theory_sim.nouns.problem import Problem
from theory_sim.rules import checks

Array = np.ndarray[Any, Any]

# Steps max(1, |x_i|) 0.1/7.3^k: three consecutive ones must agree, and no simple ratio lets a wave look
# constant. At step 8, 1e-8, a smooth gradient is straight up to rounding; a jump shows there.
_LARGEST, _RATIO, _RUNGS, _FINE = 0.1, 7.3, 12, 8
_UNRESOLVED = 1e-3  # share of L0 + L1 ||grad f|| that the error of a Hessian may take
# A segment whose slope is twice the Hessians of its ends is halved until it has this length, times max(1, |x|).
_SHORTEST = 1e-9
_NOISE = 1e-6  # share of a gradient that its own rounding may take, as in float32


class Finding(StrEnum):
    """What a sampled check shows; there is no word for "proved"."""

    REFUTED = "REFUTED"
    NOT_REFUTED = "NOT_REFUTED"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, eq=False)
class Segments:
    """Changes of the gradient between neighbours: `middles` (M, d), and (M,) arrays.

    `slope` is ||g(y) - g(x)|| over the `length`, which some Hessian on the segment attains, `gradient` the
    smaller norm at the ends, `error` what rounding may add to the slope.
    """

    middles: Array
    slope: Array
    length: Array
    gradient: Array
    error: Array

    def growth(self, L1: float) -> Array:
        """Return (e^(L1 r) - 1)/(L1 r), the factor by which the bound may grow along a segment."""
        with np.errstate(over="ignore"):
            return np.asarray(
                np.expm1(L1 * self.length) / (L1 * self.length) if L1 else np.ones_like(self.length)
            )


@dataclass(frozen=True)
class Report:
    """The check of one pair: REFUTED if `point` exceeds the bound by more than the error of the Hessian.

    The point is the middle of a segment where the change of the gradient between two of them exceeds it.

    Otherwise UNDECIDED if values are not finite, or too inaccurate to tell, at `undecided` of the `sampled`
    points, the first of them `undecided_at`.  `point` has the largest `excess` = hessian - L0 - L1 gradient
    over the error; it and the norms there are NaN if no point is finite.
    """

    finding: Finding
    point: tuple[float, ...]
    excess: float
    hessian: float
    gradient: float
    error: float
    sampled: int
    undecided: int
    undecided_at: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Curvature:
    """Norms at N points of shape (N, d); NaN where the gradient, or every difference of it, is not finite.

    `gradient` and `hessian` (N,) are the Euclidean and the spectral norm, `error` (N,) the estimated error of
    the second: differencing, rounding and asymmetry.  `between` are the segments that join neighbours.
    """

    points: Array
    gradient: Array
    hessian: Array
    error: Array
    between: Segments

    def least_L0(self, L1: Any) -> Array:
        """Return the least L0 >= 0 for each L1 >= 0: the lower envelope of the pairs that these points allow.

        Raises ValueError if some point is not finite: the maximum over the region is then unknown.
        """
        slopes = np.asarray(L1, dtype=float)
        for slope in slopes.ravel().tolist():
            checks.number("L1", slope, 0.0)
        lost = self.points[~np.isfinite(self.hessian)]
        if lost.size:
            raise ValueError(
                f"The gradient or its differences are not finite at {len(lost)} of {len(self.points)} points, first "
                f"at x = {tuple(lost[0].tolist())}; give a region where they are."
            )
        some, least = self.between, []
        for slope in slopes.ravel().tolist():
            joined = (some.slope - some.error) / some.growth(slope) - slope * some.gradient
            needed = np.concatenate([[0.0], self.hessian - slope * self.gradient, joined])
            least.append(float(needed.max()))
        return np.array(least).reshape(slopes.shape)

    def check(self, L0: float, L1: float) -> Report:
        """Try to refute a pair L0, L1 >= 0."""
        bound = checks.number("L0", L0, 0.0) + checks.number("L1", L1, 0.0) * self.gradient
        finite = np.isfinite(self.hessian) & np.isfinite(bound)
        excess = np.where(finite, self.hessian - bound, -np.inf)
        certain = np.where(finite, excess - self.error, -np.inf)
        vague = (excess + self.error > 0.0) & (self.error > _UNRESOLVED * bound) & (certain <= 0.0)
        unknown = ~finite | vague
        worst, undecided = int(np.argmax(certain)), int(unknown.sum())
        row = np.stack([*self.points.T, excess, self.hessian, self.gradient, self.error])[:, worst]
        row = np.where(finite[worst], row, np.nan)
        some = self.between
        over = some.slope - (L0 + L1 * some.gradient) * some.growth(L1)
        jump = int(np.argmax(over - some.error)) if some.slope.size else 0
        refuted = bool(certain[worst] > 0.0)
        if not refuted and some.slope.size and over[jump] > some.error[jump]:
            refuted = True
            row = np.stack([*some.middles.T, over, some.slope, some.gradient, some.error])[:, jump]
        finding = Finding.UNDECIDED if undecided else Finding.NOT_REFUTED
        finding = Finding.REFUTED if refuted else finding
        *point, over, hessian, gradient, error = row.tolist()
        first = tuple(self.points[unknown][0].tolist()) if undecided else ()
        size = len(self.points)
        return Report(finding, tuple(point), over, hessian, gradient, error, size, undecided, first)


def box(low: Any, high: Any, count: int = 4001) -> Array:
    """Return points of the box [low, high], shape (N, d): `count` equidistant ones in one dimension, else the
    corners and a Halton sequence.
    """
    checks.count("count", count, 2)
    low, high = np.broadcast_arrays(np.atleast_1d(low).astype(float), np.atleast_1d(high).astype(float))
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise ValueError(f"The box [{low.tolist()}, {high.tolist()}] must be finite, with low < high.")
    if low.size == 1:
        return np.linspace(low, high, count)
    from scipy.stats import qmc

    corners = np.array(list(itertools.product(*zip(low, high, strict=True))))
    return np.vstack([corners, qmc.scale(qmc.Halton(low.size, scramble=False).random(count), low, high)])


def gradient_at(problem: Problem, points: Array) -> Array:
    """Return the gradient of the mean of all components, at points of shape (N, d) and t = 1; shape (N, d).

    Raises ValueError if the gradients are random, since the problem does not know their mean.
    """
    if problem.draws:
        raise ValueError(f"{problem.name} has random gradients; give the gradient of their mean instead.")
    total = sum(
        evaluate.gradients(problem, points, index=component) for component in range(problem.components)
    )
    return np.asarray(total / problem.components)


def _at_one_point(gradient: Callable[[Any], Any], point: Array) -> Array:
    try:
        returned = gradient(float(point[0]) if point.size == 1 else point.copy())
    except ArithmeticError:  # math.exp raises where numpy returns inf
        return np.full(point.size, np.nan)
    value = np.asarray(returned, dtype=float).ravel()
    if value.size != point.size:
        raise ValueError(
            f"The gradient returned {value.size} numbers at a point of {point.size} coordinates."
        )
    return value


def _norm(vectors: Array) -> Array:
    size = np.maximum(np.abs(vectors).max(axis=-1), np.finfo(float).tiny)  # no square may overflow
    return np.asarray(size * np.sqrt(np.sum((vectors / size[:, None]) ** 2, axis=-1)))


def _segments(evaluate: Callable[[Array], Array], points: Array, hessian: Array, error: Array) -> Segments:
    """Compare the gradients of neighbours, and halve the segments whose slope neither end explains."""
    from scipy.spatial import cKDTree

    if points.shape[1] == 1:
        order = np.argsort(points[:, 0])
        one, other = order[:-1], order[1:]
    else:
        one = np.arange(len(points))
        other = cKDTree(points).query(points, k=2)[1][:, -1] if len(points) > 1 else one
    known = np.isfinite(hessian[one] + hessian[other]) & (points[one] != points[other]).any(axis=1)
    one, other = one[known], other[known]
    x, y = points[one], points[other]
    if not len(x):
        return Segments(x, *np.empty((4, 0)))
    at_x, at_y = evaluate(x), evaluate(y)
    size = np.maximum(1.0, np.maximum(np.abs(x), np.abs(y)).max(axis=1))
    expected, doubt = (np.maximum(values[one], values[other]) for values in (hessian, error))
    while True:
        length = _norm(y - x)
        slope = _norm(at_y - at_x) / length
        # The rounding of the gradients, of the points, and what the differences saw at steps of up to 0.1.
        rounding = _NOISE * np.maximum(_norm(at_x), _norm(at_y))
        rounding += size * (8.0 * np.finfo(float).eps * slope + _LARGEST * doubt)
        rounding = rounding / length + doubt
        steep = np.flatnonzero((slope - rounding > 2.0 * expected) & (length > _SHORTEST * size))
        if not steep.size:
            break
        middle = 0.5 * (x[steep] + y[steep])
        at_middle = evaluate(middle)
        left = _norm(at_middle - at_x[steep]) >= _norm(at_y[steep] - at_middle)
        y[steep[left]], at_y[steep[left]] = middle[left], at_middle[left]
        x[steep[~left]], at_x[steep[~left]] = middle[~left], at_middle[~left]
    parts = (0.5 * (x + y), slope, length, np.minimum(_norm(at_x), _norm(at_y)), rounding)
    finite = np.isfinite(np.stack(parts[1:])).all(axis=0)
    return Segments(*(part[finite] for part in parts))


def curvature(gradient: Problem | Callable[[Any], Any], points: Array) -> Curvature:
    """Measure ||grad f|| and ||Hess f|| at points (N, d), for instance ``box(-3, 3)``, by 3 + 24 d gradients.

    Neighbours in one dimension, and nearest neighbours in several, are joined by segments, which the
    region must contain.

    A callable gets a float if d = 1 and an array (d,) otherwise; infinities and an ArithmeticError
    are recorded. Where the gradient has a kink a central difference is the mean of the one-sided
    ones, hence below the larger.
    """
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or not points.size or not np.isfinite(points).all():
        raise ValueError(f"points of shape {points.shape} must be finite, with shape (N, d) and N, d >= 1.")

    def evaluate(x: Array) -> Array:
        if isinstance(gradient, Problem):
            return gradient_at(gradient, x)
        return np.array([_at_one_point(gradient, point) for point in x])

    n, d = points.shape
    jacobian, error = np.empty((n, d, d)), np.empty((n, d, d))
    with np.errstate(all="ignore"):
        norm = _norm(evaluate(points))
        for j in range(d):
            slopes, rounding = [], []
            for k in range(_RUNGS):
                h = np.maximum(1.0, np.abs(points)) * (np.arange(d) == j) * _LARGEST / _RATIO**k
                high, low = evaluate(points + h), evaluate(points - h)
                width = ((points + h) - (points - h))[:, j, None]
                slopes.append((high - low) / width)
                rounding.append(8.0 * np.finfo(float).eps * np.maximum(np.abs(high), np.abs(low)) / width)
            D = np.array(slopes)
            R = D[1:] + np.diff(D, axis=0) / (_RATIO**2 - 1.0)  # Richardson: the h^2 term is gone
            errors = np.abs(np.diff(R, axis=0)) + np.array(rounding[2:])
            errors = np.where(np.isfinite(errors), errors, np.inf)
            best = np.argmin(errors, axis=0)[None]
            jacobian[:, :, j] = np.take_along_axis(R[1:], best, axis=0)[0]
            jump = np.abs(D[_FINE] - jacobian[:, :, j]) - 100.0 * rounding[_FINE]
            error[:, :, j] = np.maximum(np.take_along_axis(errors, best, axis=0)[0], jump)
        symmetric = 0.5 * (jacobian + jacobian.transpose(0, 2, 1))
        error += np.abs(jacobian - symmetric)
        finite = np.isfinite(norm) & np.isfinite(error).all(axis=(1, 2))
        symmetric[~finite] = error[~finite] = 0.0
        largest = np.abs(np.linalg.eigvalsh(symmetric)).max(axis=1)
        hessian, inaccuracy = (np.where(finite, v, np.nan) for v in (largest, _norm(error.reshape(n, d * d))))
        between = _segments(evaluate, points, hessian, inaccuracy)
    return Curvature(points, np.where(finite, norm, np.nan), hessian, inaccuracy, between)
