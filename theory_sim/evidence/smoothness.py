"""(L0, L1)-smoothness on a region: is ||Hess f|| <= L0 + L1 ||grad f|| there, and for which pairs?

The Hessian is differenced from gradients, at sampled points.  So a check can refute a pair, by a
point, but never prove one, and an estimated constant is a bound from below on the region: between the
points f may do anything.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from theory_sim import checks
from theory_sim.engine import evaluate
from theory_sim.nouns.problem import Problem

Array = np.ndarray[Any, Any]

# Steps max(1, |x_i|) 0.1/7.3^k: three consecutive ones must agree, and no simple ratio lets a wave look
# constant. At step 8, 1e-8, a smooth gradient is straight up to rounding; a jump shows there.
_LARGEST, _RATIO, _RUNGS, _FINE = 0.1, 7.3, 12, 8
_UNRESOLVED = 1e-3  # share of L0 + L1 ||grad f|| that the error of a Hessian may take


class Finding(StrEnum):
    """What a sampled check shows; there is no word for "proved"."""

    REFUTED = "REFUTED"
    NOT_REFUTED = "NOT_REFUTED"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True)
class Report:
    """The check of one pair: REFUTED if `point` exceeds the bound by more than the error of the Hessian.

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
    the second: differencing, rounding and asymmetry.
    """

    points: Array
    gradient: Array
    hessian: Array
    error: Array

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
        least = [max(0.0, float(np.max(self.hessian - slope * self.gradient))) for slope in slopes.ravel()]
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
        finding = Finding.UNDECIDED if undecided else Finding.NOT_REFUTED
        finding = Finding.REFUTED if certain[worst] > 0.0 else finding
        row = np.stack([*self.points.T, excess, self.hessian, self.gradient, self.error])[:, worst]
        *point, over, hessian, gradient, error = np.where(finite[worst], row, np.nan).tolist()
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


def curvature(gradient: Problem | Callable[[Any], Any], points: Array) -> Curvature:
    """Measure ||grad f|| and ||Hess f|| at points (N, d), for instance ``box(-3, 3)``, by 1 + 24 d gradients.

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
    return Curvature(points, np.where(finite, norm, np.nan), hessian, inaccuracy)
