"""A problem outside the lanes: the same components, noise, gradients, box and measures, bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim import random
from theory_sim.engine import evaluate
from theory_sim.nouns.order import order as order_of
from theory_sim.rules import build, checks, inspection, tile

if TYPE_CHECKING:
    from theory_sim.nouns.problem import Problem

Array = np.ndarray[Any, Any]

_SLOTS = 1 << 16
_BLOCK = 256  # steps whose components are drawn at once where an order has no epochs


class Stream:
    """What an optimizer meets on a problem, seed by seed, for a loop of one's own.

    Step t = 1, 2, ... has the same components, noise and gradients as step t of the lanes of a `Sweep` with
    this order, entropy and number of workers, whoever asks, and in whatever order the steps are asked for.
    Arrays are numpy's and new; `torch.from_numpy` and `jax.numpy.asarray` convert them.

    Parameters
    ----------
    problem : Problem
    order : str
        Sampling order: "cyclic", "reshuffled" or "replacement".
    seeds : int
        Number of independent streams; row s is that of seed s.
    entropy : int
        Root of all seeds.
    workers : int, optional
        Gradients drawn per step; default: as many as the problem has objectives, or 1.
    copies : int
        How many runs meet each seed, as the cells of a grid do; rows are those of all seeds, copy by copy.

    Examples
    --------
    >>> stream = problem.stream(order="reshuffled", seeds=4)  # doctest: +SKIP
    >>> x = stream.start
    >>> for t in range(1, 1001):
    ...     x = stream.project(x - 0.1 / t**0.5 * stream.gradient(x, t))
    """

    def __init__(
        self,
        problem: Problem,
        order: str = "cyclic",
        seeds: int = 1,
        entropy: int = 0,
        workers: int | None = None,
        copies: int = 1,
    ) -> None:
        self.problem, self.order = problem, order_of(order)
        self.seeds = checks.count("seeds", seeds, 1, checks.LARGEST)
        self.lanes = self.seeds * checks.count("copies", copies, 1, checks.LARGEST)
        needed = problem.facts.get("workers")
        self.workers = int(needed or 1) if workers is None else checks.count("workers", workers)
        if needed is not None and self.workers != needed:
            raise ValueError(
                f"workers = {workers}: {problem.name} has one objective for each of {needed:g} workers; use "
                f"workers={needed:g}."
            )
        if self.workers * (1 + problem.draws) > _SLOTS:
            raise ValueError(
                f"workers = {self.workers} need more than the 65536 uniforms of a step; use fewer."
            )
        problem.inspect(self.workers)
        checks.count("entropy", entropy, 0)
        keys = [random.key(entropy, seed) for seed in range(self.seeds)]
        self._keys = np.array(keys * copies, dtype=np.uint64)
        self._theta = evaluate.theta(problem, self.lanes)
        (gradient, rows), (measure, more) = problem.source
        self._gradient, self._measure = build.compiled(gradient), build.compiled(measure)
        self._uniform = build.compiled(tile.raw("uniform", random.uniform))
        self._sampler = build.compiled(tile.raw("sampler", self.order.kernel))
        self._work = np.empty((max(rows, more), self.lanes))
        self._noise = np.empty((self.workers * problem.draws, self.lanes))
        self._drawn: tuple[int, Array] = (0, np.empty((0, self.workers, self.lanes), np.int64))

    @property
    def random(self) -> bool:
        """Whether seeds can differ."""
        return self.problem.draws > 0 or (self.order.draws and self.problem.components > 1)

    @property
    def start(self) -> Array:
        """x_1, shape (seeds, d)."""
        point = np.broadcast_to(np.asarray(self.problem.start, dtype=float), (self.problem.dim,))
        return np.repeat(point[None], self.lanes, axis=0)

    def components(self, t: int) -> Array:
        """Return the components of step t, shape (workers, seeds)."""
        checks.count("t", t)
        return self._components(t).copy()

    def uniforms(self, t: int) -> Array:
        """Return the uniforms behind the noise of step t, shape (workers * problem.draws, seeds)."""
        checks.count("t", t)
        return self._uniforms(t).copy()

    def gradient(self, x: Any, t: int) -> Array:
        """Return the gradients of step t at x.

        Parameters
        ----------
        x : array_like, shape (seeds, d)
            A tensor of torch on the CPU, also one that requires a gradient, or an array of jax.
        t : int
            The step, from 1.

        Returns
        -------
        ndarray, shape (seeds, d), or (workers, seeds, d) for several workers
            Lanes average over the workers, in their order.
        """
        checks.count("t", t)
        out = np.empty((self.workers, self.problem.dim, self.lanes))
        with np.errstate(all="ignore"), inspection.bounded(self.problem.name):
            self.write(self._lanes(x), t, out)
        seen = out.transpose(0, 2, 1)
        return np.ascontiguousarray(seen[0] if self.workers == 1 else seen)

    def project(self, x: Any) -> Array:
        """Return x in the box; a seed that is not finite is NaN in every coordinate, as in the lanes."""
        points = np.ascontiguousarray(self._lanes(x).T)
        finite = np.isfinite(points).all(axis=1, keepdims=True)
        low, high = self.problem.bounds()
        return np.where(finite, np.clip(points, low, high), np.nan)

    def measures(self, x: Any, t: int = 1) -> dict[str, Array]:
        """Return the measures of the problem at x, each of shape (seeds,); those in `online` are of step t."""
        checks.count("t", t)
        out = np.empty((len(self.problem.measures), self.lanes))
        with np.errstate(all="ignore"), inspection.bounded(self.problem.name):
            self.write_measures(self._lanes(x), t, out)
        return dict(zip(self.problem.measures, out, strict=True))

    def write(self, x: Array, t: int, out: Array) -> None:
        """Write the gradients at x (d, seeds) into out (workers, d, seeds): `gradient` without copies."""
        self._gradient(x, t, self._components(t), self._uniforms(t), self._theta, out, self._work)

    def write_measures(self, x: Array, t: int, out: Array) -> None:
        """Write the measures at x (d, seeds) into out (measures, seeds)."""
        self._measure(x, t, self._components(t), self._noise, self._theta, out, self._work)

    def block(self, first: int, count: int) -> tuple[Array, Array]:
        """Return the components (count, workers, seeds) and the uniforms of the steps from `first` on."""
        components = np.empty((count, self.workers, self.lanes), np.int64)
        noise = np.empty((count, *self._noise.shape))
        done = 0
        while done < count:
            self._components(first + done)
            begin, drawn = self._drawn
            place = (first + done - begin) % len(drawn)
            many = min(len(drawn) - place, count - done)
            components[done : done + many] = drawn[place : place + many]
            done += many
        if self.problem.draws:
            for row in range(count):
                self._uniform(first + row, self.workers, self._keys, noise[row])
        return components, noise

    def _lanes(self, x: Any) -> Array:
        points = np.asarray(x.detach() if hasattr(x, "detach") else x, dtype=float)
        if points.shape != (self.lanes, self.problem.dim):
            raise ValueError(
                f"x has shape {points.shape}; {self.problem.name} with {self.lanes} rows needs "
                f"({self.lanes}, {self.problem.dim})."
            )
        return np.array(points.T, order="C")

    def _uniforms(self, t: int) -> Array:
        if self.problem.draws:
            self._uniform(t, self.workers, self._keys, self._noise)
        return self._noise

    def _components(self, t: int) -> Array:
        """Return the components of a step: every epoch is drawn from its beginning, so steps may be skipped."""
        begin, drawn = self._drawn
        place: int = t - begin
        if drawn.shape[0] and not self.order.draws:
            return np.asarray(drawn[place % drawn.shape[0]])  # all epochs are equal
        if not 0 <= place < drawn.shape[0]:
            n = self.problem.components
            length = n if self.order.epochs else _BLOCK
            begin = t - (t - 1) % length
            place, drawn = t - begin, np.zeros((length, self.workers, self.lanes), np.int64)
            if n > 1:
                self._draw(begin, drawn)
            self._drawn = begin, drawn
        return np.asarray(drawn[place])

    def _draw(self, begin: int, drawn: Array) -> None:
        n, shape = self.problem.components, drawn.shape[1:]
        size = np.full(self.lanes, n, np.int64)
        u = np.empty((self.workers if self.order.draws else 0, self.lanes))
        table = np.zeros((1 + n if self.order.permutes else 0, *shape), np.int64)
        idx = np.full(shape, n - 1, np.int64)  # what the last epoch of a cyclic order ended with
        for row in range(drawn.shape[0]):
            if self.order.draws:
                self._uniform(begin + row, 0, self._keys, u)
            self._sampler(begin + row, size, u, table, idx)
            drawn[row] = idx
