"""The Problem noun: a gradient rule, its constants, its noise, its domain and what is known about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.nouns import html
from theory_sim.nouns.family import rebuilt
from theory_sim.nouns.noise import Noise
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import build, checks, declared, inspection, tile
from theory_sim.rules.language import Reduction, Reductions, Source, names, require_names
from theory_sim.rules.language import Rule as Function
from theory_sim.rules.product import packed
from theory_sim.rules.results import require_results

if TYPE_CHECKING:
    from theory_sim.engine.stream import Stream

# Names that an output of a run has, or that a rule binds itself.
_TAKEN = ("x", "t", "i", "j", "d", "index", "workers", "noise", "u", "v")
OUTPUTS = frozenset(
    {
        "seed",
        "row",
        "checkpoint",
        "coordinate",
        "window_end",
        "x",
        "x_final",
        "state",
        "state_final",
        "status",
    }
    | {"nonfinite_step", "verdict", "decides_at", "first_hit", "first_hit_mean", "bits_up", "bits_down"}
    | {"diverged_fraction", "diverged_low", "diverged_high", "cell", "simulated", "vertex"}
    | {"decided_at", "decided_by", "steps_run"}
)


@dataclass(frozen=True, eq=False)
class Problem:
    """An objective, or a sequence of losses, given by component gradients.

    Parameters
    ----------
    name : str
    gradient : callable
        A rule of named scalars for one coordinate of a component's gradient; the names are x, t, the
        constants, the component ``index``, ``noise``, the reductions, the coordinate i of d, the worker j of
        workers.  In up to nine dimensions a rule of x0, x1, ... returns all coordinates.  Or a gradient
        kernel; see `theory_sim.rules.build`.
    constants : mapping of str to float, or to a tuple of d floats
        What the rules name; a tuple has one value for each coordinate.  In two to nine dimensions x0, x1, ...
        are the coordinates and name no constant.
    dim : int
        Number of coordinates d.
    components : int
        Number of component functions n that a sampling order chooses from.
    noise : Noise, optional
        Where the value ``noise`` comes from.
    draws : int
        Uniforms that a gradient kernel reads per worker and step: worker j reads rows j*draws
        ... of ``noise``.
    reductions : mapping of str, or tuple of str, to Reduction
        Numbers from all coordinates, all workers, or the columns of a matrix, that the rules name.
    measure : callable, optional
        Rule that returns the measures, from reductions, scalar constants and, in one
        dimension, x.  Or a kernel.
    measures : tuple of str
        Names of the measures.
    online : tuple of str
        Those measures that depend on the component drawn (such as the regret of a step), so that only
        their running means have a meaning.
    domain : (float, float), optional
        Box [low, high] in every coordinate; iterates are clamped to it after each step.
    start : float or tuple of float
        Default x_1, one number for every coordinate or d of them; it may lie outside the domain.
    optimum : float, optional
        A minimiser, in every coordinate.
    rule : Rule, optional
        How a run of this problem is judged; without one every verdict is UNJUDGED.
    unjudged : str
        Why there is no rule, as a sentence.
    facts : mapping of str to float
        Constants that theorems read: L, D0, D1, G, ...
    matrices : mapping of str to array_like, shape (m, n)
        Full matrices, for products (`theory_sim.rules.language.product`).  All lanes of a tile share them: a
        sweep over an argument on which they depend has tiles of their own for each value.
    paper : str
        Key of `theory_sim.nouns.papers`, empty if none.
    family : callable, optional
        The constructor, called again with `arguments` by `replace`, so that derived constants follow; set by
        `theory_sim.nouns.family.family`.
    arguments : mapping
        The constructor's arguments; each can be an axis of a sweep.
    """

    name: str
    gradient: Function
    constants: Mapping[str, float | tuple[float, ...]] = field(default_factory=dict)
    dim: int = 1
    components: int = 1
    noise: Noise | None = None
    draws: int = 0
    reductions: Reductions = field(default_factory=dict)
    measure: Function | None = None
    measures: tuple[str, ...] = ()
    online: tuple[str, ...] = ()
    domain: tuple[float, float] | None = None
    start: float | tuple[float, ...] = 0.0
    optimum: float | None = None
    rule: Rule | None = None
    unjudged: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)
    matrices: Mapping[str, Any] = field(default_factory=dict)
    paper: str = ""
    family: Callable[..., Problem] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("dim", 1), ("components", 1), ("draws", 0)):
            object.__setattr__(self, name, checks.count(name, getattr(self, name), least, checks.LARGEST))
        for name in ("constants", "facts", "reductions", "matrices"):
            checks.instance(name, getattr(self, name), Mapping, "a mapping of names to values")
        for reduction in self.reductions.values():
            checks.instance("reduction", reduction, Reduction, "what total, norm or largest returns")
        if self.rule is not None:
            checks.instance("rule", self.rule, Rule, "a Rule, such as Rule('distance', 0.05, 1.0)")
        if self.noise is not None:
            checks.instance("noise", self.noise, Noise, "a Noise, such as theory_sim.nouns.noise.NORMAL")
            object.__setattr__(self, "draws", self.noise.uniforms(self.dim))
        start = tuple(checks.number("start", coordinate) for coordinate in np.atleast_1d(self.start).tolist())
        object.__setattr__(self, "start", start if np.ndim(self.start) else start[0])
        for name, value in {**self.theta, **self.facts}.items():
            if type(value) is not float or not math.isfinite(value):  # matrices have thousands of numbers
                checks.number(name, value)
        for name, several in self.constants.items():
            if isinstance(several, tuple) and len(several) != self.dim:
                raise ValueError(
                    f"{name} has {len(several)} values for the {self.dim} coordinates of {self.name}."
                )
        taken = (*_TAKEN, *tile.points(self.dim))
        require_names("Constant", self.constants, taken, self.name)
        reduced = [one for key in self.reductions for one in ((key,) if isinstance(key, str) else key)]
        require_names("Reduction", reduced, (*taken, *self.constants), self.name)
        for name in ("measures", "online"):
            if not isinstance(getattr(self, name), tuple):
                raise ValueError(
                    f"{name} = {getattr(self, name)!r} must be a tuple of names, such as ('gap',)."
                )
        require_names("Matrix", self.matrices, (*taken, *self.constants, *reduced), self.name)
        matrices = {name: _matrix(name, value) for name, value in self.matrices.items()}
        object.__setattr__(self, "matrices", matrices)
        require_names("Measure", self.measures, OUTPUTS, self.name)
        if isinstance(self.start, tuple) and len(self.start) != self.dim:
            raise ValueError(
                f"start has {len(self.start)} values for the {self.dim} coordinates of {self.name}."
            )
        if self.domain is not None:
            if np.shape(self.domain) != (2,):
                raise ValueError(f"domain = {checks.shown(self.domain)} must be two numbers (low, high).")
            low, high = (checks.number("domain", bound) for bound in self.domain)
            if not low < high:
                raise ValueError(f"domain = {self.domain} must satisfy low < high.")
        if (self.measure is None) != (not self.measures):
            raise ValueError(
                f"measures = {self.measures} must name the rows of the measure kernel; give both."
            )
        for name in self.online:
            checks.known("measure", name, self.measures)
        if self.rule is not None:
            checks.known("measure", self.rule.measure, set(self.measures) - set(self.online))
        self.source  # noqa: B018  names that do not bind are refused here

    @property
    def theta(self) -> dict[str, float]:
        """Every constant as a number, in the order of the kernels' rows; ``a_0``, ... for coordinates."""
        rows: dict[str, float] = {}
        for name, value in self.constants.items():
            rows |= (
                {f"{name}_{i}": v for i, v in enumerate(value)} if isinstance(value, tuple) else {name: value}
            )
        return rows

    @cached_property
    def entries(self) -> np.ndarray[Any, Any]:
        """The numbers of all matrices, as the kernels read them after the rows of `theta`."""
        return np.concatenate([np.empty(0), *map(packed, self.matrices.values())])

    @property
    def axes(self) -> tuple[str, ...]:
        """Names that can be an axis of a sweep."""
        return tuple(self.arguments if self.family is not None else self.theta)

    @cached_property
    def source(self) -> tuple[tuple[Source, int], tuple[Source, int]]:
        """The gradient and the measure kernel, each with its rows of scratch."""
        shape = tuple((name, len(v) if isinstance(v, tuple) else 0) for name, v in self.constants.items())
        reductions = tuple(self.reductions.items())
        matrices = tuple((name, matrix.shape) for name, matrix in self.matrices.items())
        common = (self.dim, shape, reductions, matrices)
        of_gradient = _gradient(self.gradient, self.name, self.noise, *common)
        return of_gradient, _measure(self.measure, self.name, self.measures, *common)

    @property
    def is_rule(self) -> bool:
        """Whether the gradient is a rule, not a kernel."""
        return not build.is_raw("gradient", self.gradient)

    def inspect(self, workers: int) -> None:
        """Raise ValueError if a kernel written by hand does not fit; see `theory_sim.rules.inspection`."""
        lanes = inspection.LANES
        points = np.broadcast_to(np.reshape(self.start, (-1, 1)), (self.dim, lanes))
        inputs = {
            "x": points,
            "idx": np.broadcast_to(
                np.linspace(0, self.components - 1, lanes, dtype=np.int64), (workers, lanes)
            ),
            "noise": np.linspace(0.0, 0.99, workers * self.draws * lanes).reshape(-1, lanes),
            "theta": np.repeat(np.array([*self.theta.values()], dtype=float)[:, None], lanes, axis=1),
        }
        labels = {"theta": tuple(self.theta)}
        if not self.is_rule:
            out = np.empty((workers, self.dim, lanes))
            inspection.require("gradient", self.gradient, self.name, {**inputs, "out": out}, labels)
        if self.measure is not None and build.is_raw("measure", self.measure):
            out = np.empty((len(self.measures), lanes))
            labels["out"] = self.measures
            inspection.require("measure", self.measure, self.name, {**inputs, "out": out}, labels)

    def replace(self, **changes: Any) -> Problem:
        """Return a copy with other parameters; everything derived from them is rebuilt.

        What `dataclasses.replace` has changed in this problem stays changed; a start only until x0 is given.

        Raises
        ------
        ValueError
            If a name is no parameter of this problem, a value breaks its rule, or it would also change what
            was replaced by hand; a start or a rule set by hand stands against it.
        """
        for name in changes:
            checks.known(f"parameter of {self.name}", name, self.axes)
        if self.family is not None:
            given = ("start",) if "x0" in changes else ()
            made: Problem = rebuilt(self, changes, kept=("start", "rule"), given=given)
            return made
        return replace(self, constants={**self.constants, **changes})

    def stream(
        self, order: str = "cyclic", seeds: int = 1, entropy: int = 0, workers: int | None = None
    ) -> Stream:
        """Return what the lanes of a sweep meet on this problem, for a loop of one's own; see `Stream`."""
        from theory_sim.engine.stream import Stream

        return Stream(self, order, seeds, entropy, workers)

    def bounds(self) -> tuple[float, float]:
        """Return the box, infinite when there is none."""
        return (-math.inf, math.inf) if self.domain is None else self.domain

    def __str__(self) -> str:
        given = self.arguments if self.family is not None else self.constants
        shown = (f"{name}={checks.written(value)}" for name, value in given.items() if value is not None)
        return f"{self.name}({', '.join(shown)})"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html.table(
            str(self),
            {
                "dimension": self.dim,
                "start": self.start,
                "optimum": self.optimum,
                "measures": html.listed(self.measures),
                "verdict": self.rule or self.unjudged,
                "facts": html.listed(self.facts),
                "paper": self.paper,
            },
        )


_Shape = tuple[tuple[str, int], ...]
_Reductions = tuple[tuple[Any, Any], ...]


def _constants(shape: _Shape) -> dict[str, Any]:
    return {name: (0.0,) * length if length else 0.0 for name, length in shape}


def _matrix(name: str, value: Any) -> np.ndarray[Any, Any]:
    """Return a matrix that nobody can change."""
    try:
        made = np.array(value, dtype=float, order="C")
    except (TypeError, ValueError):
        raise ValueError(
            f"Matrix {name} has rows that are no numbers or of unequal length; give a rectangle of numbers."
        ) from None
    if made.ndim != 2 or made.size == 0:
        raise ValueError(f"Matrix {name} has shape {made.shape}; give rows of equal length.")
    if not np.isfinite(made).all():
        raise ValueError(f"Matrix {name} has an entry that is not finite; give numbers.")
    made.flags.writeable = False
    return made


@lru_cache(1024)
def _gradient(
    gradient: Function,
    owner: str,
    noise: Noise | None,
    dim: int,
    shape: _Shape,
    reductions: _Reductions,
    matrices: declared.Shapes,
) -> tuple[Source, int]:
    """Return the gradient kernel of what a problem declares, after checking its rules."""
    if build.is_raw("gradient", gradient):
        if matrices:
            raise ValueError(
                f"{owner} has matrices, which only rules can name; write its gradient as a rule."
            )
        return tile.raw("gradient", gradient), 0
    declared.require_lengths(gradient, dim, _constants(shape), dict(reductions), matrices, owner)
    declared.require_reductions(reductions, owner)
    rows = None if noise is None else tile.NoiseRows(noise.rule, noise.draws, noise.each)
    if noise is not None:
        require_results(noise.rule, ("the noise",), owner)
    made = tile.gradient(gradient, owner, dim, _constants(shape), rows, dict(reductions), matrices)
    all_at_once = not tile.points(dim).keys().isdisjoint(names(gradient))
    require_results(gradient, [f"coordinate {i}" for i in range(dim if all_at_once else 1)], owner)
    return made


@lru_cache(1024)
def _measure(
    measure: Function | None,
    owner: str,
    measures: tuple[str, ...],
    dim: int,
    shape: _Shape,
    reductions: _Reductions,
    matrices: declared.Shapes,
) -> tuple[Source, int]:
    if measure is None:
        return tile.empty("measure"), 0
    if build.is_raw("measure", measure):
        return tile.raw("measure", measure), 0
    made = tile.measure(measure, owner, len(measures), dim, _constants(shape), dict(reductions), matrices)
    require_results(measure, measures, owner)
    return made
