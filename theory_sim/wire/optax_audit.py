"""Optimizers of optax on trial: all lanes in one compiled `scan`, each with a state of its own."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.evidence.bout import PROBED, Bout, Ends, blamed, judged, unjudged
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules import build, tile
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
_BLOCK = 10_000  # steps per call of a compiled scan
_SAID = "each lane has a state of its own, by vmap"


class Lowered:
    """The gradient and the measures of a problem, one worker, as functions of arrays of jax.

    Raises
    ------
    ValueError
        If one of them is a kernel over arrays, or no arithmetic.
    """

    def __init__(self, problem: Problem) -> None:
        measure = problem.measure
        raw = {"gradient": not problem.is_rule, "measure": measure and build.is_raw("measure", measure)}
        for what, is_kernel in raw.items():
            if is_kernel:
                raise ValueError(
                    f"The {what} of {problem.name} is a kernel, which jax cannot trace; choose another problem."
                )
        self.problem = problem

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


_FOLDS: dict[str, Callable[[Any], Any]] = {"sum": jnp.sum, "norm": jnp.linalg.norm, "max": jnp.max}


def _call(rule: Callable[..., Any], known: dict[str, Any]) -> tuple[Any, ...]:
    return elementwise(rule, jnp)(**{name: known[name] for name in names(rule) if name in known})


class OptaxContender:
    """An optimizer of optax on trial.

    Parameters
    ----------
    make : callable
        Factory; ``make(learning_rate=...)`` returns a ``GradientTransformation``.
    name : str

    Raises
    ------
    ValueError
        If it cannot be built, is no transformation, or its first update fails.
    """

    note = _SAID

    def __init__(self, make: Callable[..., Any], name: str) -> None:
        self._make, self.name = make, name
        self._probes: dict[Any, _Course] = {}
        parameters = inspect.signature(make).parameters.values()
        if not any(one.name == "learning_rate" or one.kind is one.VAR_KEYWORD for one in parameters):
            raise ValueError(
                f"{name} takes no learning_rate, so its steps have no size to set; give a factory that does."
            )
        empty = inspect.Parameter.empty
        given = {one.name: one.default for one in parameters if one.name != "learning_rate"}
        shown = {key: value for key, value in given.items() if value is not None and value is not empty}
        self.settings = ", ".join(
            f"{key}={value!r}" for key, value in shown.items() if isinstance(value, int | float | str)
        )
        with _quiet(), blamed(self.name, "its first update"):
            x = jnp.ones(1)
            made = self._built(0.01)
            made.update(x, made.init(x), x)

    def _built(self, lr: Any) -> Any:
        made = self._make(learning_rate=lr)
        if not isinstance(made, optax.GradientTransformation):
            raise ValueError(f"It makes a {type(made).__name__}, which is no optax.GradientTransformation.")
        return made

    def rate(self, bout: Bout, lr: float) -> float:
        """Return the mean |step| of `PROBED` steps at a constant step size and the gradients of x_1."""
        key = (str(bout.problem), bout.order, bout.entropy)
        with _quiet(), blamed(self.name, "its steps"):
            if key not in self._probes:  # each is compiled once
                self._probes[key] = _Course(self._built, [bout.near()], still=True)
            course = self._probes[key]
            course.lr = jnp.full(1, lr)
            course.advance()
        return float(course.path.mean() / PROBED)

    def run(self, bouts: Sequence[Bout]) -> list[Ends]:
        """Run every bout; those of one dimension and horizon in one scan."""
        ended: dict[int, Ends] = {}
        for key in dict.fromkeys((bout.problem.dim, bout.steps) for bout in bouts):
            group = [i for i, bout in enumerate(bouts) if (bout.problem.dim, bout.steps) == key]
            try:
                with _quiet(), blamed(self.name, "its steps"):
                    course = _Course(self._built, [bouts[i] for i in group])
                    course.advance()
                ended.update(zip(group, course.ends(), strict=True))
            except ValueError as error:
                verdict = Verdict.UNDECIDED.value
                ended.update({i: unjudged(bouts[i], str(error), verdict) for i in group})
        return [ended[i] for i in range(len(bouts))]


class _Course:
    """The lanes of bouts of one dimension and one horizon, side by side, with steps of size lr / sqrt(t).

    Still, steps have size lr and see the gradients of x_1.
    """

    def __init__(self, build: Callable[[Any], Any], bouts: Sequence[Bout], still: bool = False) -> None:
        self.bouts, self.still = bouts, still
        self.steps = bouts[0].steps
        self.lowered = [Lowered(bout.problem) for bout in bouts]
        self.widths = [bout.stream.seeds for bout in bouts]
        per_lane = [
            np.repeat([values], self.widths, axis=1)[0]
            for values in (
                [bout.lr for bout in bouts],
                *([bout.problem.bounds()[side] for bout in bouts] for side in (0, 1)),
            )
        ]
        self.lr, self.low, self.high = (jnp.asarray(values) for values in per_lane)
        self.boxed = jnp.asarray(np.repeat([bout.problem.domain is not None for bout in bouts], self.widths))
        self.rules = [bout.problem.rule for bout in bouts]
        self.edges = [() if rule is None else rule.windows(self.steps) for rule in self.rules]
        self.most = max(len(edges) for edges in self.edges)
        self.start = jnp.asarray(np.concatenate([bout.stream.start for bout in bouts]))
        self._init: Any = jax.vmap(lambda x, lr: build(lr).init(x))
        self._update: Any = jax.vmap(lambda g, state, x, lr: build(lr).update(g, state, x))
        self.path = np.zeros(sum(self.widths))
        self.carry: Any = None
        self._scan = jax.jit(lambda carry, drawn: jax.lax.scan(self._step, carry, drawn)[0])

    def _split(self, values: Any) -> list[Any]:
        ends = np.cumsum(self.widths).tolist()
        return [values[end - width : end] for end, width in zip(ends, self.widths, strict=True)]

    def _measured(self, x: Any, t: Any, indices: Sequence[Any]) -> Any:
        """Return the measure of each bout's rule at every lane, 0 where there is none."""
        found = []
        for one, rule, points, index in zip(self.lowered, self.rules, self._split(x), indices, strict=True):
            if rule is None:
                found.append(jnp.zeros(points.shape[0]))
            else:
                measure = rule.measure
                found.append(
                    jax.vmap(lambda p, i, one=one, name=measure: one.measure(p, t, i, name))(points, index)
                )
        return jnp.concatenate(found)

    def _step(self, carry: Any, drawn: Any) -> Any:
        x, lr, state, stopped, escaped, sums, path = carry
        t, indices, uniforms, parts = drawn
        if self.most:
            seen = self._measured(x, t, indices)
            sums = sums.at[jnp.arange(x.shape[0]), jnp.repeat(parts, np.array(self.widths))].add(seen)
        g = jnp.concatenate(
            [
                jax.vmap(one.gradient, (0, None, 0, 0))(points, t, index, u)
                for one, points, index, u in zip(
                    self.lowered, self._split(self.start if self.still else x), indices, uniforms, strict=True
                )
            ]
        )
        dead = stopped > 0
        g = jnp.where(dead[:, None], 0.0, g)
        factor = 1.0 if self.still else 1.0 / jnp.sqrt(t.astype(x.dtype))
        step, state = self._update(g, state, x, lr * factor)
        new = x + step
        bad = ~jnp.isfinite(new).all(axis=1) & ~dead
        escaped |= bad & ~self.boxed & jnp.isinf(new).any(axis=1)
        stopped = jnp.where(bad, t, stopped)
        new = jnp.where(
            (stopped > 0)[:, None], self.start, jnp.clip(new, self.low[:, None], self.high[:, None])
        )
        return (new, lr, state, stopped, escaped, sums, path + jnp.abs(new - x).mean(axis=1)), None

    def advance(self) -> None:
        """Take every step."""
        many = sum(self.widths)
        state = self._init(self.start, self.lr)
        carry = (
            self.start, self.lr, state, jnp.zeros(many, int), jnp.zeros(many, bool),
            jnp.zeros((many, self.most + 1)), jnp.zeros(many),
        )  # fmt: skip
        for first in range(1, self.steps + 1, _BLOCK):
            count = min(_BLOCK, self.steps + 1 - first)
            carry = self._scan(carry, self._drawn(first, count))
        x, _, _, stopped, escaped, sums, path = carry
        self.carry = tuple(np.asarray(one) for one in (x, stopped, escaped, sums))
        self.path = np.where(np.asarray(stopped) > 0, np.nan, np.asarray(path))

    def _drawn(self, first: int, count: int) -> Any:
        """Return what the steps from `first` on meet: components, uniforms, and parts of windows."""
        blocks = [bout.stream.block(first, count) for bout in self.bouts]
        steps = np.arange(first, first + count)
        parts = np.full((count, len(self.bouts)), self.most)
        for place, edges in enumerate(self.edges):
            for k, (a, b) in enumerate(edges):
                parts[(a < steps) & (steps <= b), place] = k
        return (
            steps,
            [components[:, 0] for components, _ in blocks],
            [uniforms.transpose(0, 2, 1) for _, uniforms in blocks],
            parts,
        )

    def ends(self) -> list[Ends]:
        """Judge the lanes."""
        x, stopped, escaped, sums = (self._split(values) for values in self.carry)
        first = self._split(np.asarray(self._measured(self.start, jnp.asarray(1), self._first())))
        found = []
        for place, bout in enumerate(self.bouts):
            lengths = np.array([b - a for a, b in self.edges[place]])
            parts = sums[place][:, : len(lengths)] / np.maximum(lengths, 1)
            found.append(judged(bout, parts, first[place], x[place], stopped[place], escaped[place]))
        return found

    def _first(self) -> list[Any]:
        return [jnp.asarray(bout.stream.components(1)[0]) for bout in self.bouts]


@contextmanager
def _quiet() -> Iterator[None]:
    """Compute in float64, and keep warnings to ourselves."""
    with warnings.catch_warnings(), jax.enable_x64(True):
        warnings.simplefilter("ignore")
        yield
