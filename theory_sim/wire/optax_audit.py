"""Optimizers of optax on trial: all lanes in one compiled `scan`, each with a state of its own."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.evidence.bout import PROBED, Bout, Ends, Report, blamed, dataset
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules import build, checks, tile
from theory_sim.rules.language import names
from theory_sim.rules.trace import elementwise

try:
    import jax
    import jax.numpy as jnp
    import optax
except ImportError as error:
    raise ImportError(
        'Optimizers of optax need jax and optax; install them with pip install "theory-sim[optax]".'
    ) from error

if TYPE_CHECKING:
    from theory_sim.nouns.problem import Problem

Array = np.ndarray[Any, Any]
_TRIED = 10
_BLOCK = 10_000  # steps per call of a compiled scan
_UNDECIDED = Verdict.UNDECIDED.value
_SAID = "each lane has a state of its own, by vmap"
_CALLED = "gradients or measures of {} come from its compiled kernel, by a call between the steps"


class Called:
    """The gradient and the rule's measure of a problem by its compiled kernels, which jax calls at every step."""

    def __init__(self, bout: Bout) -> None:
        self.bout, rule = bout, bout.problem.rule
        self._measure = "" if rule is None else rule.measure

    def seen(self, x: Any, at: Any, t: Any, index: Any, uniforms: Any) -> tuple[Any, Any]:
        """Return the gradients (N, d) at one set of points, and the measures (N,) at another, of step t."""
        shapes = (at, x[:, 0])  # of what comes back
        found: tuple[Any, Any] = jax.pure_callback(self._called, shapes, x, at, t)
        return found

    def _called(self, x: Any, at: Any, t: Any) -> tuple[Array, Array]:
        points, step, stream = np.asarray(x), int(t), self.bout.stream
        measures = stream.measures(points, step)[self._measure] if self._measure else np.zeros(len(points))
        return stream.gradient(np.asarray(at), step), measures


class Lowered:
    """The gradient and the rule's measure of a problem, one worker, as functions of arrays of jax."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def seen(self, x: Any, at: Any, t: Any, index: Any, uniforms: Any) -> tuple[Any, Any]:
        """Return the gradients (N, d) at one set of points, and the measures (N,) at another, of step t."""
        gradients = jax.vmap(self.gradient, (0, None, 0, 0))(at, t, index, uniforms)
        rule = self.problem.rule
        if rule is None:
            return gradients, jnp.zeros(x.shape[0])
        return gradients, jax.vmap(lambda p, i: self.measure(p, t, i, rule.measure))(x, index)

    def gradient(self, x: Any, t: Any, index: Any, uniforms: Any) -> Any:
        """Return the gradient at x (d,), from the component and the uniforms (draws,) of a step."""
        problem, noise = self.problem, self.problem.noise
        known = self._known(x, t, index)
        if noise is not None and "noise" in names(problem.gradient):
            drawn = uniforms.reshape(-1, noise.draws)
            place = {"coordinate": known["i"], "pair": known["i"] // 2, "worker": 0}[noise.each]
            parts = {name: drawn[place, q] for q, name in enumerate("uv"[: noise.draws])}
            (known["noise"],) = _call(noise.rule, {**known, **parts})
        results = self._called(problem.gradient, known)
        if len(results) > 1:
            return jnp.stack([jnp.reshape(one, ()) for one in results])
        return jnp.broadcast_to(results[0], x.shape).astype(x.dtype)

    def measure(self, x: Any, t: Any, index: Any, name: str) -> Any:
        """Return a measure at x (d,)."""
        rule = self.problem.measure
        assert rule is not None
        return jnp.reshape(
            self._called(rule, self._known(x, t, index))[self.problem.measures.index(name)], ()
        )

    def _known(self, x: Any, t: Any, index: Any) -> dict[str, Any]:
        problem = self.problem
        known = {name: jnp.asarray(value, dtype=float) for name, value in problem.constants.items()}
        places = {"i": jnp.arange(problem.dim), "d": problem.dim, "j": 0, "workers": 1}
        return {**known, **places, "x": x, "t": t, "index": index} | {
            name: x[k] for k, name in enumerate(tile.points(problem.dim))
        }

    def _called(self, rule: Callable[..., Any], known: dict[str, Any]) -> tuple[Any, ...]:
        inner = dict(known)
        for key, one in self.problem.reductions.items():
            own = (key,) if isinstance(key, str) else key
            if set(own) & set(names(rule)):
                terms = self._called(one.term, known)
                if one.over == "coordinates":
                    terms = tuple(
                        _FOLDS[one.fold](jnp.broadcast_to(term, known["x"].shape)) for term in terms
                    )
                inner.update(zip(own, terms, strict=True))
        return _call(rule, inner)


def lowered(bout: Bout) -> Called | Lowered:
    """Return what jax can evaluate of the problem of a bout: its rules, or calls of its kernels."""
    problem, measure = bout.problem, bout.problem.measure
    kernels = not problem.is_rule or (measure is not None and build.is_raw("measure", measure))
    return Called(bout) if kernels or problem.matrices else Lowered(problem)


_FOLDS: dict[str, Callable[[Any], Any]] = {"sum": jnp.sum, "norm": jnp.linalg.norm, "max": jnp.max}


def _call(rule: Callable[..., Any], known: dict[str, Any]) -> tuple[Any, ...]:
    return elementwise(rule, jnp)(**{name: known[name] for name in names(rule) if name in known})


def multiplied(made: Any, name: str) -> Callable[..., Any]:
    """Return a factory for a transformation that has its step size already: learning_rate multiplies its steps.

    Raises
    ------
    ValueError
        If its first ten steps at a gradient of 1 lead upward.
    """
    x = jnp.ones(1)
    with _quiet(), blamed(name, "its first update"):
        state, path = made.init(x), jnp.zeros(1)
        for _ in range(_TRIED):
            step, state = made.update(x, state, x)
            path = path + step
    if float(path[0]) > 0.0:
        raise ValueError(
            f"{name} makes steps along the gradient, which lead upward; chain it with optax.scale(-1.0)."
        )

    def make(learning_rate: Any) -> Any:
        return optax.chain(made, optax.scale(learning_rate))

    return make


class OptaxContender:
    """An optimizer of optax on trial.

    Parameters
    ----------
    make : callable
        Factory; ``make(learning_rate=...)`` returns a ``GradientTransformation``.
    name : str
    settings : str, optional
        Default: what its arguments default to.

    Raises
    ------
    ValueError
        If it cannot be built, is no transformation, or its first update fails.
    """

    def __init__(self, make: Callable[..., Any], name: str, settings: str = "") -> None:
        self._make, self.name, self.note = make, name, _SAID
        self._probes: dict[Any, _Course] = {}
        self._parameters = inspect.signature(make).parameters
        parameters = self._parameters.values()
        if not any(one.name == "learning_rate" or one.kind is one.VAR_KEYWORD for one in parameters):
            raise ValueError(
                f"{name} takes no learning_rate, so its steps have no size to set; give a factory that does."
            )
        given = {one.name: one.default for one in parameters if one.name != "learning_rate"}
        self.hyper: Mapping[str, Any] = {
            key: value for key, value in given.items() if isinstance(value, int | float | str)
        }
        self.settings = settings or ", ".join(f"{key}={value!r}" for key, value in self.hyper.items())
        with _quiet(), blamed(self.name, "its first update"):
            x = jnp.ones(1)
            made = self._built(0.01)
            made.update(x, made.init(x), x)

    def _built(self, lr: Any, **hyper: Any) -> Any:
        made = self._make(learning_rate=lr, **hyper)
        if not isinstance(made, optax.GradientTransformation):
            raise ValueError(f"It makes a {type(made).__name__}, which is no optax.GradientTransformation.")
        return made

    def _spelled(self, axis: str) -> str:
        """Return the argument of the factory that an axis means: beta1 is b1."""
        numbers = [name for name, value in self.hyper.items() if type(value) in (int, float)]
        if axis not in numbers and axis.replace("beta", "b") in numbers:
            return axis.replace("beta", "b")
        checks.known(f"hyperparameter of {self.name}", axis, numbers)
        return axis

    @property
    def source(self) -> str:
        """The library with its version, and jax's."""
        return f"optax {metadata.version('optax')}, jax {metadata.version('jax')}"

    def rate(self, bout: Bout, lr: float, held: bool = False) -> float:
        """Return the mean |step| of `PROBED` steps at a constant step size and the gradients of x_1.

        Held, every step starts at x_1.
        """
        key = (str(bout.problem), bout.order, bout.entropy, held)
        with _quiet(), blamed(self.name, "its steps"):
            if key not in self._probes:  # each is compiled once
                self._probes[key] = _Course(self._built, [bout.near()], still=True, held=held)
            course = self._probes[key]
            course.lr = jnp.full(1, lr)
            course.advance()
        return float(course.path.mean() / PROBED)

    def run(self, bouts: Sequence[Bout], report: Report | None = None) -> list[Ends]:
        """Run every bout; those of one dimension and horizon in one scan."""
        ended: dict[int, Ends] = {}
        names = {axis: self._spelled(axis) for axis in bouts[0].axes}
        called = [bout.problem.name for bout in bouts if isinstance(lowered(bout), Called)]
        self.note = "; ".join([_SAID, *map(_CALLED.format, called)])
        total, done = sum(bout.steps for bout in bouts), 0

        def build(lr: Any, **cell: Any) -> Any:
            return self._built(lr, **{names[axis]: value for axis, value in cell.items()})

        def told(course: _Course, t: int) -> None:
            if report is not None:
                report((done + t * len(course.bouts)) / total)

        for key in dict.fromkeys(_shape(bout) for bout in bouts):
            group = [i for i, bout in enumerate(bouts) if _shape(bout) == key]
            try:
                with _quiet(), blamed(self.name, "its steps"):
                    course = _Course(build, [bouts[i] for i in group])
                    course.advance(partial(told, course))
                    found = course.datasets(self.name, self.source, self.settings)
                ended.update(zip(group, map(Ends, found), strict=True))
                lost = dict(zip(group, course.split(course.lost), strict=True))
                frozen = Ends(None, "its state is not finite at the end, so this shows nothing", _UNDECIDED)
                ended.update({i: frozen for i in group if lost[i].any()})
            except ValueError as error:
                ended.update(dict.fromkeys(group, Ends(None, str(error), _UNDECIDED)))
            done += len(group) * bouts[group[0]].steps
        return [ended[i] for i in range(len(bouts))]


def _shape(bout: Bout) -> tuple[Any, ...]:
    """What bouts of one scan have in common."""
    return bout.problem.dim, bout.steps, bout.steady, bout.checkpoints


def _overflowed(first: Any, last: Any) -> Array:
    """Return which lanes have a number in their state that is not finite any more."""
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(last), strict=True)
    lost = [~np.isfinite(after) & np.isfinite(before) for before, after in pairs if _real(after)]
    return np.asarray(np.any([one.reshape(len(one), -1).any(axis=1) for one in lost] or [False], axis=0))


def _real(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jnp.floating))


class _Course:
    """The lanes of bouts of one dimension and one horizon, side by side.

    Still, steps have size lr and see the gradients of x_1; held, they start there too.
    """

    def __init__(
        self, build: Callable[..., Any], bouts: Sequence[Bout], still: bool = False, held: bool = False
    ) -> None:
        self.bouts, self.still, self.held = bouts, still, held
        self.steps, self.steady = bouts[0].steps, still or bouts[0].steady
        self.lowered = [lowered(bout) for bout in bouts]
        self.widths = [bout.stream.lanes for bout in bouts]
        per_lane = [
            np.repeat([values], self.widths, axis=1)[0]
            for values in (
                [bout.lr for bout in bouts],
                *([bout.problem.bounds()[side] for bout in bouts] for side in (0, 1)),
            )
        ]
        self.lr, self.low, self.high = (jnp.asarray(values) for values in per_lane)
        self.hyper = {
            axis: jnp.asarray([cell[axis] for bout in bouts for cell in bout.cells]) for axis in bouts[0].axes
        }
        self.boxed = jnp.asarray(np.repeat([bout.problem.domain is not None for bout in bouts], self.widths))
        self.edges = [bout.plan.windows for bout in bouts]
        self.most = max(len(edges) for edges in self.edges)
        self.kept = bouts[0].plan.checkpoints
        self.start = jnp.asarray(np.concatenate([bout.stream.start for bout in bouts]))
        self._init: Any = jax.vmap(lambda x, lr, hyper: build(lr, **hyper).init(x))
        self._update: Any = jax.vmap(lambda g, state, x, lr, hyper: build(lr, **hyper).update(g, state, x))
        self.path = np.zeros(sum(self.widths))
        self.lost = np.zeros(
            sum(self.widths), bool
        )  # lanes whose state is not finite at the end, though x is
        self.carry: Any = None
        self._scan = jax.jit(lambda carry, drawn: jax.lax.scan(self._step, carry, drawn)[0])

    def split(self, values: Any) -> list[Any]:
        """Return what all lanes have, bout by bout."""
        ends = np.cumsum(self.widths).tolist()
        return [values[end - width : end] for end, width in zip(ends, self.widths, strict=True)]

    def _step(self, carry: Any, drawn: Any) -> Any:
        x, lr, state, stopped, escaped, sums, path, kept = carry
        t, indices, uniforms, parts, place = drawn
        seen = [
            one.seen(points, at, t, index, u)
            for one, points, at, index, u in zip(
                self.lowered, self.split(x), self.split(self.start if self.still else x), indices, uniforms,
                strict=True,
            )
        ]  # fmt: skip
        g = jnp.concatenate([one for one, _ in seen])
        measured = jnp.concatenate([one for _, one in seen])
        sums = sums.at[jnp.arange(x.shape[0]), jnp.repeat(parts, np.array(self.widths))].add(measured)
        dead = stopped > 0
        g = jnp.where(dead[:, None], 0.0, g)
        factor = 1.0 if self.steady else 1.0 / jnp.sqrt(t.astype(x.dtype))
        step, state = self._update(g, state, x, lr * factor, self.hyper)
        new = x + step
        bad = ~jnp.isfinite(new).all(axis=1) & ~dead
        escaped |= bad & ~self.boxed & jnp.isinf(new).any(axis=1)
        stopped = jnp.where(bad, t, stopped)
        new = jnp.where(
            (stopped > 0)[:, None], self.start, jnp.clip(new, self.low[:, None], self.high[:, None])
        )
        path = path + jnp.abs(new - x).mean(axis=1)
        new = self.start if self.held else new
        return (new, lr, state, stopped, escaped, sums, path, kept.at[:, place].set(new)), None

    def advance(self, report: Callable[[int], None] | None = None) -> None:
        """Take every step."""
        many = sum(self.widths)
        state = self._init(self.start, self.lr, self.hyper)
        # One column of sums and one of points more than there are takes what is not kept.
        carry = (
            self.start, self.lr, state, jnp.zeros(many, int), jnp.zeros(many, bool),
            jnp.zeros((many, self.most + 1)), jnp.zeros(many),
            jnp.full((many, len(self.kept) + 1, self.start.shape[1]), jnp.nan),
        )  # fmt: skip
        for first in range(1, self.steps + 1, _BLOCK):
            count = min(_BLOCK, self.steps + 1 - first)
            carry = self._scan(carry, self._drawn(first, count))
            if report is not None:
                carry[0].block_until_ready()
                report(first + count - 1)
        x, _, last, stopped, escaped, sums, path, kept = carry
        self.lost = _overflowed(state, last) & (np.asarray(stopped) == 0)
        self.carry = tuple(np.asarray(one) for one in (x, stopped, escaped, sums, kept))
        self.path = np.where(np.asarray(stopped) > 0, np.nan, np.asarray(path))

    def _drawn(self, first: int, count: int) -> Any:
        """Return what the steps from `first` on meet: components, uniforms, parts of windows, places of x."""
        blocks = [bout.stream.block(first, count) for bout in self.bouts]
        steps = np.arange(first, first + count)
        parts = np.full((count, len(self.bouts)), self.most)
        for column, edges in enumerate(self.edges):
            for k, (a, b) in enumerate(edges):
                parts[(a < steps) & (steps <= b), column] = k
        places = np.full(count, len(self.kept))
        for place, step in enumerate(self.kept):
            places[steps == step] = place
        return (
            steps,
            [components[:, 0] for components, _ in blocks],
            [uniforms.transpose(0, 2, 1) for _, uniforms in blocks],
            parts,
            places,
        )

    def datasets(self, name: str, source: str, settings: str) -> list[Any]:
        """Return the Dataset of each bout."""
        _, stopped, escaped, sums, kept = (self.split(values) for values in self.carry)
        found = []
        for place, bout in enumerate(self.bouts):
            lengths = np.array([b - a for a, b in self.edges[place]], dtype=int)
            parts = sums[place][:, : len(lengths)] / np.maximum(lengths, 1)
            found.append(
                dataset(
                    bout, name, source, settings, x=kept[place][:, :-1], parts=parts, stopped=stopped[place],
                    escaped=escaped[place],
                )
            )  # fmt: skip
        return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Compute in float64, and keep warnings to ourselves."""
    before = jax.config.jax_enable_x64
    # For all threads: jax calls back from one of its own, where `jax.enable_x64` of this one is not in force.
    jax.config.update("jax_enable_x64", True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        jax.config.update("jax_enable_x64", before)
