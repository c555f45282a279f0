"""The Optimizer noun: a rule, its hyperparameters and its named variant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from theory_sim.compressors.compressor import Compressor
from theory_sim.nouns import html
from theory_sim.nouns.family import by_hand, rebuilt
from theory_sim.nouns.problem import OUTPUTS
from theory_sim.nouns.schedule import Schedule, constant
from theory_sim.rules import build, checks, declared, inspection, tile
from theory_sim.rules.language import (
    Reduction,
    Reductions,
    Round,
    Rule,
    Source,
    Stage,
    require_names,
    required,
)
from theory_sim.rules.results import require_results

INITIAL_STATES = ("mean_gradient", "max_square")
_TAKEN = ("g", "t", "lr", "x", "i", "j", "d", "workers")
_OF_MESSAGES = ("p", "sent", "reply", "mean")


@dataclass(frozen=True)
class Optimizer:
    """An update rule with values for its hyperparameters.

    Parameters
    ----------
    name : str
    step : callable or Round
        A rule of named scalars that returns the new x, then the new rows in order; the names are g, t, lr, x,
        the hyperparameters, the rows, the reductions, the coordinate i of d, and ``workers`` where a
        reduction folds over them; a rule that sees their mean gradient does not know their number.  For a
        method with messages a `Round`.  Or a step kernel, or with compressors an exchange kernel; see
        `theory_sim.rules.build`.
    lr : float
        Step size, > 0; the rule receives lr * schedule factor.
    hyper : mapping of str to float
        Hyperparameters by name; each can be an axis of a sweep.
    rows : tuple of str
        Names of the state rows.
    schedule : Schedule
    initial : mapping of str to float or str
        Initial value of a state row, 0 where absent: a number, ``"mean_gradient"`` (the mean of the
        component gradients at the start) or ``"max_square"`` (the largest squared component gradient).
    variant : mapping of str to str
        Named choices that distinguish algorithms of the same name (order of max and correction, ...).
    reductions : mapping of str, or tuple of str, to Reduction
        Numbers from all coordinates, or all workers, that the rules name.
    once : callable, optional
        Rule that is called once per lane, before the coordinates, and returns the rows `shared`.
    shared : tuple of str
        Those of `rows` that have one value for all coordinates.
    draws : int
        Uniforms that a step kernel reads per step, as the rows of ``noise``.
    distributed : bool
        Whether a step kernel sees every worker's gradient; otherwise the workers' gradients are averaged.  A
        rule with messages or with a reduction over workers always does.
    worker_rows : tuple of str
        Names of the state rows that each worker owns; they follow `rows`, worker by worker.
    up, down : Compressor, optional
        What the workers send, and what comes back, or the codes of the rows `stored`.
    stored : tuple of str
        Rows that pass through `up` and `down` after every step; then nothing is sent.
    nodes : int
        If positive, the iterate holds the points of this many nodes, and each node sends its d/nodes
        coordinates to its neighbours.
    boxless : bool
        Whether the method keeps its iterate in a state row, so that a box on x would not confine it; problems
        with a domain are refused.
    warmup : int
        Rounds, before the others, in which 32-bit words go both ways instead of compressed messages.
    measure : callable, optional
        Rule for numbers to record, from reductions over the state rows.  After c updates it sees what step
        t = c + 1 starts from: x_t, the rows that the c updates left, t, and lr_t, the step size of that step.
    measures : tuple of str
        Their names; they join those of the problem.  One that names g has a meaning only on
        average over the path.
    paper : str
        Key of `theory_sim.nouns.papers`, empty if none.
    family : callable, optional
        The constructor, called again with `arguments` by `replace`; set by `theory_sim.nouns.family.family`.
    arguments : mapping
        The constructor's arguments.

    Examples
    --------
    A user's own optimizer is one function and one line:

    >>> def sign_step(g, lr, x):
    ...     return x - lr * math.copysign(1.0, g)
    >>> Optimizer("my sign descent", sign_step, lr=0.1).name
    'my sign descent'
    """

    name: str
    step: Rule | Round
    lr: float = 0.001
    hyper: Mapping[str, float] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    schedule: Schedule = field(default_factory=constant)
    initial: Mapping[str, float | str] = field(default_factory=dict)
    variant: Mapping[str, str] = field(default_factory=dict)
    reductions: Reductions = field(default_factory=dict)
    once: Rule | None = None
    shared: tuple[str, ...] = ()
    draws: int = 0
    distributed: bool = False
    worker_rows: tuple[str, ...] = ()
    up: Compressor | None = None
    down: Compressor | None = None
    stored: tuple[str, ...] = ()
    nodes: int = 0
    boxless: bool = False
    warmup: int = 0
    measure: Rule | None = None
    measures: tuple[str, ...] = ()
    paper: str = ""
    family: Callable[..., Optimizer] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.up is None) != (self.down is None):
            raise ValueError(
                f"{self.name} has one compressor only; give up and down, theory_sim.compressors.identity() for none."
            )
        for side in (self.up, self.down):
            if side is not None and not isinstance(side, Compressor):
                raise TypeError(
                    f"{side!r} is not a Compressor; call its constructor in theory_sim.compressors."
                )
        for name in ("rows", "worker_rows", "shared", "stored", "measures"):
            if not isinstance(getattr(self, name), tuple | list):
                raise ValueError(
                    f"{name} = {getattr(self, name)!r} must be a tuple of names, such as ('m', 'v')."
                )
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("hyper", "initial", "reductions"):
            checks.instance(name, getattr(self, name), Mapping, "a mapping of names to values")
        for name in ("draws", "nodes", "warmup"):
            checks.count(name, getattr(self, name), 0)
        for key, one in self.reductions.items():
            if not isinstance(one, Reduction):
                raise TypeError(f"Reduction {key!r} of {self.name} is {one!r}; use total, norm or largest.")
            if one.over == "columns":
                raise ValueError(
                    f"Product {key!r} of {self.name}: only a problem has matrices; write a kernel."
                )
        taken = (*_TAKEN, *(_OF_MESSAGES if isinstance(self.step, Round) else ()))
        reduced = [one for key in self.reductions for one in ((key,) if isinstance(key, str) else key)]
        require_names("Hyperparameter", self.hyper, taken, self.name)
        rows = (*self.rows, *self.worker_rows)
        require_names("State row", rows, (*taken, *self.hyper), self.name)
        require_names("Reduction", reduced, (*taken, *self.hyper, *rows), self.name)
        require_names("Measure", self.measures, OUTPUTS, self.name)
        for name in (*self.shared, *self.stored):
            checks.known(f"state row of {self.name}", name, self.rows)
        if self.shared and self.once is None and self.is_rule:
            raise ValueError(
                f"shared = {self.shared} of {self.name} are written by the rule once, which it lacks; give it."
            )
        checks.number("lr", self.lr, 0.0, open_low=True)
        if not isinstance(self.schedule, Schedule):
            raise TypeError(
                f"schedule = {self.schedule!r} must be a Schedule; use theory_sim.power(0.5) or constant()."
            )
        for name, value in self.hyper.items():
            checks.number(name, value)
        for row, start in self.initial.items():
            checks.known(f"state row of {self.name}", row, self.rows)
            if isinstance(start, str):
                checks.known("initial state", start, INITIAL_STATES)
            else:
                checks.number(f"initial {row}", start)
        if (self.measure is None) != (not self.measures):
            raise ValueError(f"measures = {self.measures} must name the results of the measure; give both.")
        self.source  # noqa: B018  names that do not bind are refused here
        self.watch  # noqa: B018

    @property
    def axes(self) -> tuple[str, ...]:
        """Names that can be an axis of a sweep."""
        names = tuple(self.arguments) if self.family is not None else ("lr", *self.hyper)
        messages = [
            f"{side}.{name}"
            for side, compressor in (("up", self.up), ("down", self.down))
            if compressor is not None and side in names
            for name in compressor.arguments
        ]
        return (*(name for name in names if name not in ("schedule", "up", "down")), *messages)

    @property
    def is_rule(self) -> bool:
        """Whether the step is written in rules, not as a kernel."""
        return isinstance(self.step, Round) or not (
            build.is_raw("step", self.step) or build.is_raw("exchange", self.step)
        )

    @property
    def sees_workers(self) -> bool:
        """Whether the step sees the gradient of every worker instead of their mean."""
        over_workers = any(one.over == "workers" for one in self.reductions.values())
        return self.distributed or isinstance(self.step, Round) or over_workers

    @property
    def known(self) -> tile.Names:
        """What the rules of this optimizer may name."""
        reductions = tuple(self.reductions.items())
        return tile.Names(
            self.name,
            tuple(self.hyper),
            self.rows,
            self.shared,
            self.worker_rows,
            reductions,
            not self.sees_workers,
        )

    @cached_property
    def source(self) -> tuple[Source, int]:
        """The step kernel, and its rows of scratch (the 3 d of messages aside)."""
        return _step(self.step, self.once, self.known, self.warmup, self.stored)

    @cached_property
    def watch(self) -> tuple[Source, int]:
        """The kernel of `measure`, and its rows of scratch."""
        return _watch(self.measure, self.measures, self.known)

    @property
    def online(self) -> tuple[str, ...]:
        """Measures that depend on the gradient of the step."""
        if self.measure is None:
            return ()
        return self.measures if "g" in declared.reached(self.measure, self.reductions) else ()

    @property
    def begins(self) -> bool:
        """Whether the first query point is itself a message."""
        return isinstance(self.step, Round) and self.step.start is not None

    def bits(self, d: int, steps: int) -> tuple[float, float]:
        """Return the bits that one worker, or one node, sends and receives in `steps` rounds."""
        if self.up is None or self.down is None or self.stored:
            return 0.0, 0.0
        if self.nodes:
            return steps * self.up.bits(d // self.nodes), 0.0
        full = 32.0 * d * min(steps, self.warmup)
        rounds = max(steps - self.warmup, 0)
        return full + rounds * self.up.bits(d), full + rounds * self.down.bits(d)

    def draws_of_messages(self, d: int, workers: int) -> tuple[int, int]:
        """Return the uniforms that the messages up and down of one step read."""
        if self.up is None or self.down is None:
            return 0, 0
        return (self.nodes or workers) * self.up.draws(d // (self.nodes or 1)), self.down.draws(d)

    def require(self, d: int) -> None:
        """Raise ValueError if the nodes or the compressors cannot act on d coordinates."""
        if self.nodes and d % self.nodes:
            raise ValueError(
                f"d = {d} coordinates cannot be shared by {self.nodes} nodes; choose a multiple of nodes."
            )
        if self.up is not None and self.down is not None:
            self.up.require(d // (self.nodes or 1))
            self.down.require(d)

    def inspect(self, d: int, workers: int) -> None:
        """Raise ValueError if a kernel written by hand does not fit; see `theory_sim.rules.inspection`."""
        self.require(d)
        self.schedule.inspect()
        lanes = inspection.LANES
        draws = self.draws_of_messages(d, workers)
        sides = (
            []
            if self.up is None or self.down is None
            else [(self.up, d // (self.nodes or 1)), (self.down, d)]
        )
        for side, length in sides:
            side.inspect(length)
        if self.is_rule:
            return
        seen = workers if self.sees_workers else 1
        rows = (*self.rows, *(f"{row}_{j}" for j in range(workers) for row in self.worker_rows))
        state = np.zeros((len(rows), d, lanes))
        for row, value in self.initial.items():
            state[self.rows.index(row)] = 1.0 if isinstance(value, str) else value
        arrays = {
            "g": np.linspace(-1.0, 1.5, seen * d * lanes).reshape(seen, d, lanes),
            "lr": np.full(lanes, self.lr),
            "hyper": np.repeat(np.array([*self.hyper.values()], dtype=float)[:, None], lanes, axis=1),
            "noise": np.linspace(0.0, 0.99, self.draws * lanes).reshape(-1, lanes),
            "state": state,
            "x": np.linspace(-0.5, 1.0, d * lanes).reshape(d, lanes),
        }
        messages = [
            build.Message(
                build.python(side.source), np.array([*side.hyper.values()]), np.full((number, lanes), 0.5)
            )
            for (side, _), number in zip(sides, draws, strict=False)
        ]
        labels = {"hyper": tuple(self.hyper), "state": rows}
        kind = "exchange" if build.is_raw("exchange", self.step) else "step"  # type: ignore[arg-type]  # no Round here
        inspection.require(kind, self.step, self.name, arrays, labels, messages)  # type: ignore[arg-type]

    def replace(self, **changes: Any) -> Optimizer:
        """Return a copy with other hyperparameters, checked by the same rules.

        What `dataclasses.replace` has changed in this optimizer stays changed.

        Raises
        ------
        ValueError
            If a name is no hyperparameter of this optimizer, a value breaks its rule, or it would also change
            what was replaced by hand.
        """
        for name in changes:
            checks.known(f"hyperparameter of {self.name}", name, (*self.axes, "schedule", "up", "down"))
        for name in [name for name in changes if "." in name]:
            side, _, parameter = name.partition(".")
            compressor: Compressor = changes.get(side, getattr(self, side))
            changes[side] = compressor.replace(**{parameter: changes.pop(name)})
        if self.family is not None:
            made: Optimizer
            if (
                "schedule" in changes and "schedule" not in self.arguments
            ):  # a constructor need not know of it
                schedule = changes.pop("schedule")
                made = replace(rebuilt(self, changes), schedule=schedule)
            else:
                made = rebuilt(self, changes)
            return made
        own = {name: changes.pop(name) for name in ("lr", "schedule") if name in changes}
        return replace(self, hyper={**self.hyper, **changes}, **own)

    def __str__(self) -> str:
        """Return the constructor with all its arguments, and what was replaced by hand since."""
        given: dict[str, Any]
        rules: list[str] = []
        if self.family is None:
            name, given = self.name, {"lr": self.lr, **self.hyper, **self.variant}
            given |= {"initial": dict(self.initial) or None, "warmup": self.warmup or None}
            given |= {"up": self.up, "down": self.down, "schedule": self.schedule}
        else:
            name = self.family.__name__

            given = {
                one: getattr(self, one) if one in ("up", "down") else self.arguments[one]
                for one in self.arguments
            }
            for (field, key), (_, value) in by_hand(self).items():
                if (key or field) in given or isinstance(value, float | int | str):
                    given[key or field] = value
                else:
                    rules.append(field)
        shown = [f"{one}={checks.written(value)}" for one, value in given.items() if value is not None]
        shown += [f"own {field}" for field in sorted(set(rules))]
        return f"{name}({', '.join(shown)})"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html.table(
            str(self),
            {
                "hyperparameters": html.listed({"lr": self.lr, **self.hyper}),
                "schedule": self.schedule,
                "state": html.listed((*self.rows, *(f"{row} at each worker" for row in self.worker_rows))),
                "messages": None if self.up is None else f"up {self.up}, down {self.down}",
                "paper": self.paper,
            },
        )


def _require_no_workers(known: tile.Names, rules: Iterable[Rule | None]) -> None:
    """Raise ValueError if a rule that sees a mean gradient asks for the number of workers."""
    for rule in (*rules, *(one.term for _, one in known.reductions)):
        if rule is not None and known.averaged and "workers" in required(rule):
            raise ValueError(
                f"Rule {rule.__name__} of {known.owner} names 'workers', and sees only the mean of their gradients; fold "
                "over the workers with a reduction, or send messages with a Round."
            )


@lru_cache(1024)
def _step(
    step: Rule | Round, once: Rule | None, known: tile.Names, warmup: int, stored: tuple[str, ...]
) -> tuple[Source, int]:
    """Return the step kernel of what an optimizer declares, after checking every rule of it."""
    for kind in ("step", "exchange"):
        if not isinstance(step, Round) and build.is_raw(kind, step):
            return tile.raw(kind, step), 0
    declared.require_reductions(known.reductions, known.owner)
    _require_no_workers(known, () if isinstance(step, Round) else (step, once))
    first = None if once is None else Stage(once, known.shared)
    if once is not None:
        require_results(once, known.shared, known.owner)
    if isinstance(step, Round):
        for stage in (step.send, step.keep, step.reply, step.apply, step.start):
            if stage is not None:
                writes = (*known.rows, *known.worker_rows, "x", "p")
                for name in stage.writes:
                    checks.known(f"place of {known.owner}", name, writes)
                require_results(stage.rule, stage.writes, known.owner)
        return tile.exchange(known, step, first, warmup)
    own = tuple(row for row in known.rows if row not in known.shared)
    made = tile.step(known, Stage(step, ("x", *own)), first, stored)
    require_results(step, ("the new x", *own), known.owner)
    return made


@lru_cache(1024)
def _watch(measure: Rule | None, measures: tuple[str, ...], known: tile.Names) -> tuple[Source, int]:
    if measure is None:
        return tile.empty("watch"), 0
    declared.require_reductions(known.reductions, known.owner)
    _require_no_workers(known, (measure,))
    made = tile.watch(known, measure, len(measures))
    require_results(measure, measures, known.owner)
    return made
