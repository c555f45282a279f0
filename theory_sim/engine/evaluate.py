"""A problem at given points: its gradients, their mean over the noise, and its measures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory_sim.nouns.problem import Problem
from theory_sim.rules import build, inspection, tile

FloatArray = NDArray[np.float64]


def _points(problem: Problem, points: ArrayLike) -> FloatArray:
    """Return the points as (d, N)."""
    array = np.asarray(points, dtype=float)
    if array.ndim != 2 or array.shape[1] != problem.dim:
        raise ValueError(f"points have shape {array.shape}; {problem.name} needs (N, {problem.dim}).")
    return np.array(array.T, order="C")


def theta(problem: Problem, count: int) -> FloatArray:
    """Return the constants of a problem as (p, count), and after them the entries of its matrices."""
    values = np.array([*problem.theta.values()], dtype=float)
    rows = np.zeros((len(values) + -(-problem.entries.size // count), count))
    rows[: len(values)] = values[:, None]
    rows[len(values) :].flat[: problem.entries.size] = problem.entries
    return rows


def gradients(
    problem: Problem,
    points: ArrayLike,
    *,
    t: int = 1,
    index: ArrayLike = 0,
    uniforms: ArrayLike | None = None,
    workers: int = 1,
) -> FloatArray:
    """Return the gradients that the workers see at some points.

    Parameters
    ----------
    problem : Problem
    points : array_like, shape (N, d)
    t : int
        The step.
    index : int or array_like of int, shape (N,)
        Component that every worker draws.
    uniforms : array_like, shape (workers * problem.draws, N), optional
        Default: the mean over the noise.
    workers : int

    Returns
    -------
    ndarray, shape (N, d), or (workers, N, d) for several workers

    Raises
    ------
    ValueError
        If the mean is asked for and the problem draws noise in a kernel of its own, which tells no mean.
    """
    x = _points(problem, points)
    count = x.shape[1]
    idx = np.array(np.broadcast_to(index, (workers, count)), dtype=np.int64, order="C")
    problem.inspect(workers)
    source, rows = problem.source[0]
    if uniforms is None and problem.draws:
        if problem.noise is None:
            raise ValueError(
                f"{problem.name} draws its noise in a kernel, whose mean is not known; give the uniforms, or write the "
                "gradient as a rule with a Noise."
            )
        source, rows = _mean(problem)
        kernel: Any = build.python(source)
    else:
        kernel = build.compiled(source)
    drawn = np.empty((0, count)) if uniforms is None else np.array(uniforms, dtype=float, order="C")
    out = np.empty((workers, problem.dim, count))
    with np.errstate(all="ignore"), inspection.bounded(problem.name):
        kernel(x, t, idx, drawn, theta(problem, count), out, np.empty((rows, count)))
    seen = out.transpose(0, 2, 1)
    return np.ascontiguousarray(seen[0] if workers == 1 else seen)


def _mean(problem: Problem) -> tuple[Any, int]:
    """Return the gradient kernel with the noise at its mean, and its rows of scratch.

    Rules are affine in the noise.
    """
    noise = problem.noise
    assert noise is not None
    rows = tile.NoiseRows(noise.mean or _zero, 0, "worker")
    constants = dict(problem.constants)
    matrices = tuple((name, matrix.shape) for name, matrix in problem.matrices.items())
    return tile.gradient(
        problem.gradient, problem.name, problem.dim, constants, rows, problem.reductions, matrices
    )


def _zero() -> float:
    return 0.0


def component_gradients(problem: Problem, x: ArrayLike) -> FloatArray:
    """Return the gradient of every component at one point, the mean over the noise.

    Parameters
    ----------
    problem : Problem
    x : float or array_like, shape (d,)

    Returns
    -------
    ndarray, shape (components, d)
    """
    n = problem.components
    point = np.broadcast_to(np.asarray(x, dtype=float).ravel(), (n, problem.dim))
    return gradients(problem, point, index=np.arange(n))


def measures(
    problem: Problem, points: ArrayLike, *, t: int = 1, index: ArrayLike = 0
) -> dict[str, FloatArray]:
    """Return the measures of a problem at some points.

    Parameters
    ----------
    problem : Problem
    points : array_like, shape (N, d)
    t : int
        The step.
    index : int or array_like of int, shape (N,)
        Component drawn, for measures that depend on it.

    Returns
    -------
    dict of str to ndarray of shape (N,)

    Raises
    ------
    ValueError
        If the problem has no measures or the points another shape.
    """
    if not problem.measures:
        raise ValueError(f"{problem.name} has no measures; give it measure= and measures=.")
    x = _points(problem, points)
    count = x.shape[1]
    problem.inspect(1)
    source, rows = problem.source[1]
    out = np.empty((len(problem.measures), count))
    idx = np.array(np.broadcast_to(index, (1, count)), dtype=np.int64, order="C")
    noise = np.full((problem.draws, count), 0.5)
    with np.errstate(all="ignore"), inspection.bounded(problem.name):
        build.compiled(source)(x, t, idx, noise, theta(problem, count), out, np.empty((rows, count)))
    return dict(zip(problem.measures, out, strict=True))
