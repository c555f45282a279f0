"""The Sweep noun: a problem, an optimizer, named axes; `run` gives a labelled Dataset."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.nouns import html
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.order import ORDERS
from theory_sim.nouns.problem import OUTPUTS, Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks

if TYPE_CHECKING:
    import xarray as xr

    from theory_sim.engine.job import Job

WATCHED = ("gradient_norm", "gradient_l1")  # a problem has one of them
_SLOTS = 1 << 16  # uniforms of a step, see theory_sim.random
_LONGEST = 1 << 53
_MOST = 1_000_000  # log-spaced checkpoints
TIERS = ("quick", "full")
Axis = Sequence[float] | np.ndarray[Any, Any]


@dataclass(frozen=True)
class Plan:
    """When a run stops to record.

    Parameters
    ----------
    steps : int
        Number of updates T.
    checkpoints : tuple of int
        Increasing numbers of updates after which x and the measures are stored; the last one is T.
    running : bool
        Whether mean, minimum and maximum of every measure over x_1 ... x_c are stored at checkpoint c.
    windows : tuple of (int, int)
        Half-open ranges (a, b] of updates over which measures are averaged for a verdict rule.
    first_hit : float, optional
        Value of the gradient's norm (the measure "gradient_norm" or "gradient_l1") whose
        first hit is recorded.
    """

    steps: int
    checkpoints: tuple[int, ...]
    running: bool
    windows: tuple[tuple[int, int], ...]
    first_hit: float | None = None

    @property
    def stops(self) -> list[int]:
        """Every number of updates at which something is recorded, increasing."""
        edges = {edge for window in self.windows for edge in window}
        return sorted(({*self.checkpoints, *edges}) - {0})


def axis_owner(name: str, problem: Problem, optimizer: Optimizer) -> str:
    """Return which object an axis belongs to: problem, optimizer, schedule, start or workers.

    Raises
    ------
    ValueError
        If none or more than one knows it.
    """
    owners = {
        "optimizer": set(optimizer.axes),
        "schedule": set(optimizer.schedule.parameters),
        "problem": set(problem.axes),
        "start": {"x0"} - {*problem.axes},
        "workers": {"workers"},
    }
    found = [owner for owner, names in owners.items() if name in names]
    if not found:
        checks.known("axis", name, set().union(*owners.values()))
    if len(found) > 1:
        raise ValueError(
            f"Axis {name!r} names both {' and '.join(map(checks.article, found))} parameter; rename one of them in "
            "its constructor."
        )
    return found[0]


def uniforms(problem: Problem, optimizer: Optimizer, workers: int) -> int:
    """Return how many uniforms a step may read: component orders, noise of problem and optimizer, messages.

    Raises
    ------
    ValueError
        If they exceed the 65536 slots of a step (see `theory_sim.random`).
    """
    messages = sum(optimizer.draws_of_messages(problem.dim, workers))
    count = workers * (1 + problem.draws) + optimizer.draws + messages
    if count > _SLOTS:
        raise ValueError(f"workers = {workers} need {count} uniforms per step, more than 65536; use fewer.")
    return count


def _check_axes(problem: Problem, optimizer: Optimizer, axes: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Raise ValueError for an axis that no object knows, or a value refused whatever the other axes are."""
    builders = {
        "optimizer": optimizer.replace,
        "schedule": optimizer.schedule.replace,
        "problem": problem.replace,
    }
    owner = {name: axis_owner(name, problem, optimizer) for name in axes}
    for name, values in axes.items():
        if owner[name] not in builders:
            continue
        build = builders[owner[name]]
        others = {
            other: axes[other].tolist() for other in axes if other != name and owner[other] == owner[name]
        }
        # What is allowed of floats, and of consecutive whole numbers, is an interval nearly everywhere; the
        # rest is checked when lanes are built.
        floats = values.dtype.kind == "f" and np.isfinite(values).all()
        whole = values.dtype.kind in "iu" and np.ptp(values) == len(values) - 1
        for value in [values.min().item(), values.max().item()] if floats or whole else values.tolist():
            refusal: Exception | None = None
            for rest in itertools.chain([()], itertools.product(*others.values())):
                try:
                    build(**{name: value, **dict(zip(others, rest, strict=False))})
                    break
                except (ValueError, ArithmeticError) as error:
                    refusal = refusal or error
            else:
                if isinstance(refusal, ValueError):
                    raise refusal
                raise ValueError(f"Axis {name!r} cannot be {value!r}: {refusal}.")


@dataclass(frozen=True, eq=False)
class Sweep:
    """Runs of one optimizer on one problem over a grid of named axes.

    Parameters
    ----------
    problem : Problem
    optimizer : Optimizer
    axes : mapping of str to sequence of float
        Each name is ``lr``, a hyperparameter, a parameter of a compressor (``up.k``), a schedule parameter, a
        problem parameter, ``x0`` or ``workers``.
    steps : int
        Number of updates T >= 1.
    seeds : int
        Independent repetitions; the same seeds serve every cell (common random numbers).
    order : {"cyclic", "reshuffled", "replacement"}
        How components are drawn.
    x0 : float or sequence of float, optional
        The start x_1; default: the problem's.
    workers : int
        Gradients drawn per step; averaged unless the optimizer is distributed, so B workers are a mini-batch.
    checkpoints : int or sequence of int
        How many log-spaced records of x to keep (0: only the end), or after which numbers of updates; the
        last update is always recorded too.
    running : bool
        Whether to keep mean, minimum and maximum of every measure over x_1 ... x_c at checkpoint c.
    rule : Rule, optional
        Verdict rule; default: the problem's.
    first_hit : float, optional
        Record after how many updates the gradient's norm, the measure "gradient_norm" or "gradient_l1", first
        was <= this value, at a point of the path (``first_hit``) and on average over the path so far
        (``first_hit_mean``); -1 if never.
    entropy : int
        Root of all seeds.
    resolution : int, optional
        Values that each of its two axes gets in place of its own, between the same ends; of these cells only those
        beside a change of verdict are run (`refine`), and the Dataset has their verdicts only.
    name : str
    quick : mapping
        Fields that the quick tier replaces, for instance ``{"steps": 10_000}``.
    """

    problem: Problem
    optimizer: Optimizer
    axes: Mapping[str, Axis] = field(default_factory=dict)
    steps: int = 10_000
    seeds: int = 1
    order: str = "cyclic"
    x0: float | Sequence[float] | None = None
    workers: int = 1
    checkpoints: int | Sequence[int] = 0
    running: bool = False
    rule: Rule | None = None
    first_hit: float | None = None
    entropy: int = 0
    resolution: int | None = None
    name: str = ""
    quick: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, low in (("steps", 1), ("seeds", 1), ("workers", 1), ("entropy", 0)):
            object.__setattr__(self, name, checks.count(name, getattr(self, name), low))
        if self.steps > _LONGEST:
            raise ValueError(f"steps = {self.steps} is more than 2^53, which no machine takes; use fewer.")
        for noun, value in ((Problem, self.problem), (Optimizer, self.optimizer)):
            if not isinstance(value, noun):
                raise TypeError(
                    f"{checks.shown(value)} is not {checks.article(noun.__name__)}; call its constructor."
                )
        if not isinstance(self.axes, Mapping):
            raise ValueError(f"axes = {self.axes!r} must be a mapping of names to lists of values.")
        if self.rule is not None and not isinstance(self.rule, Rule):
            raise ValueError(f"rule = {self.rule!r} must be a Rule, such as Rule('distance', 0.05, 1.0).")
        object.__setattr__(self, "running", checks.flag("running", self.running))
        checks.known("order", self.order, ORDERS)
        if self.x0 is not None:
            try:
                for coordinate in np.ravel(np.asarray(self.x0, dtype=object)).tolist():
                    checks.number("x0", coordinate)
            except ValueError:
                raise ValueError(
                    f"x0 = {checks.shown(self.x0)} must be finite, a number or one per coordinate."
                ) from None
        if self.rule is not None:
            checks.known("measure", self.rule.measure, set(self.problem.measures) - set(self.problem.online))
        if self.first_hit is not None:
            checks.number("first_hit", self.first_hit, 0.0)
            if not {*WATCHED} & {*self.problem.measures}:
                raise ValueError(
                    f"first_hit = {self.first_hit} needs the measure {' or '.join(map(repr, WATCHED))}, which "
                    f"{self.problem.name} lacks; "
                    f"it has {', '.join(self.problem.measures) or 'none'}."
                )
        clash = set(self.problem.measures) & set(self.optimizer.measures)
        if clash:
            raise ValueError(
                f"{min(clash)!r} is a measure of {self.problem.name} and of {self.optimizer.name}; rename one."
            )
        for name, values in self.axes.items():
            if name in OUTPUTS:
                raise ValueError(f"Axis {name!r} is a name of the Dataset; rename the parameter.")
            flat = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str | bytes)
            if not flat or len(values) == 0 or any(map(np.ndim, values)) or np.ma.isMaskedArray(values):
                shape = np.asarray(values, dtype=object).shape
                raise ValueError(f"Axis {name!r} has shape {shape}; give a non-empty list of plain values.")
        _check_axes(self.problem, self.optimizer, self.coordinates)
        for name, array in self.coordinates.items():
            if len(np.unique(array)) < len(array):
                raise ValueError(
                    f"Axis {name!r} = {checks.shown(array.tolist())} repeats a value; give each once."
                )
        workers = [checks.count("workers", w) for w in self.coordinates.get("workers", np.array([])).tolist()]
        uniforms(self.problem, self.optimizer, max(workers, default=self.workers))
        for number in {*workers} or {self.workers}:
            self.problem.inspect(number)
            self.optimizer.inspect(self.problem.dim, number)
        for name in self.quick:
            checks.known("field of Sweep", name, set(self.__dataclass_fields__) - {"quick", "name"})
        _ = self.plan  # checks the checkpoints
        clash = {*self.axes} & {*self.problem.measures, *self.optimizer.measures}
        if clash and np.any(self.checkpoints):
            raise ValueError(
                f"{min(clash)!r} is an axis and a measure with checkpoints; rename the parameter."
            )

    def __str__(self) -> str:
        """Return what runs, over which axes, and for how long."""
        over = " x ".join(f"{len(values)} {name}" for name, values in self.axes.items())
        name = f"{self.name}: " if self.name else ""
        cells, seeds = f" over {over}" if over else "", f"{self.seeds} seeds" if self.seeds > 1 else "1 seed"
        return (
            f"{name}{self.optimizer.name} on {self.problem}{cells}, {seeds}, {self.steps} steps, {self.order}"
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html.table(
            str(self),
            {
                "problem": self.problem,
                "optimizer": self.optimizer,
                **{f"axis {name}": html.listed(values) for name, values in self.coordinates.items()},
                "lanes": self.size,
                "verdict": self.judged,
            },
        )

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the fields only: a worker rebuilds the lanes."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @property
    def job(self) -> Job:
        """What the engine makes of this sweep: its lanes and its digest."""
        from theory_sim.engine.job import Job

        gradient = self.problem.source[0][
            0
        ].digest  # rows may start at gradients, and those capture what may change
        known: dict[str, Job] = self.__dict__.setdefault("_jobs", {})
        if gradient not in known:
            known[gradient] = Job(self)
        return known[gradient]

    @cached_property
    def coordinates(self) -> dict[str, np.ndarray[Any, Any]]:
        """The axes as arrays."""
        return {name: np.asarray(values) for name, values in self.axes.items()}

    @property
    def cells(self) -> Sequence[np.ndarray[Any, Any]] | None:
        """Positions along each axis of the cells that are run; None: all of them."""
        return None

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions of its Dataset, but for the seeds."""
        return tuple(self.axes)

    @property
    def labels(self) -> dict[str, tuple[str, np.ndarray[Any, Any]]]:
        """The values of the axes, each with the dimension that it labels."""
        return {name: (name, values) for name, values in self.coordinates.items()}

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of (axes ..., seed)."""
        return (*(len(values) for values in self.axes.values()), self.seeds)

    @property
    def size(self) -> int:
        """Number of lanes."""
        count = 1
        for length in self.shape:
            count *= length
        return count

    @property
    def judged(self) -> Rule | None:
        """The verdict rule in force."""
        return self.rule or self.problem.rule

    @cached_property
    def plan(self) -> Plan:
        """When the run stops to record."""
        given = self.checkpoints
        if isinstance(given, int | np.integer):
            number = checks.count("checkpoints", given, 0, _MOST)
            if number > self.steps * 100 + 1000:
                raise ValueError(f"checkpoints = {number} are more than the {self.steps} steps; give fewer.")
            points = (
                np.unique(np.geomspace(1, self.steps, number).round().astype(int)).tolist() if number else []
            )
        elif isinstance(given, str | bytes) or not isinstance(given, Sequence | np.ndarray):
            raise ValueError(
                f"checkpoints = {given!r} must be a whole number or a list of numbers of updates."
            )
        else:
            whole = isinstance(given, range) and min(given, default=1) >= 1
            points = [*given] if whole else [checks.count("checkpoint", c) for c in given]
            if points != sorted(set(points)) or points[-1:] > [self.steps]:
                raise ValueError(
                    f"checkpoints = {self.checkpoints} must increase and end by steps = {self.steps}."
                )
        rule = self.judged
        windows = () if rule is None else rule.windows(self.steps)
        return Plan(self.steps, tuple(sorted({*points, self.steps})), self.running, windows, self.first_hit)

    def at(self, tier: str) -> Sweep:
        """Return this sweep at a tier: the same object when full, fewer cells and steps when quick."""
        checks.known("tier", tier, TIERS)
        return replace(self, **self.quick, quick={}) if tier == "quick" and self.quick else self

    def run(
        self,
        store: str | Path | None = None,
        *,
        chunk: int | None = None,
        threads: int | None = None,
        workers: int | None = None,
        scheduler: str | None = None,
        executor: Any = None,
        progress: Callable[[float], None] | None = None,
        backend: str = "numba",
        device: str = "cpu",
        dtype: str = "float64",
        decide: str = "horizon",
    ) -> xr.Dataset:
        """Run every lane and return the labelled results.

        Parameters
        ----------
        store : path, optional
            Folder, or location of fsspec such as ``s3://bucket/sweeps``, that keeps finished chunks; a second run
            computes only the missing ones.
        chunk : int, optional
            Lanes of a chunk; default: of about ten seconds, by a timed pilot, or what the store has.
        threads : int, optional
            Threads in this process; default: one per core.  Results do not depend on it.
        workers : int, optional
            Processes on this machine that run the chunks, by Dask; together they have a thread per core.
        scheduler : str, optional
            Address of a running scheduler of Dask, such as ``tcp://node1:8786``, whose workers run the chunks.
        executor : concurrent.futures.Executor, optional
            Runs the chunks, in place of workers of Dask.
        progress : callable, optional
            Called with the finished share of the work.
        backend : {"numba", "torch"}
            Compiled tiles, or tensors of torch, which need rules throughout; the same random numbers and,
            but for rounding, the same results.
        device : str
            Of the tensors: "cpu", "cuda", "cuda:1", ...
        dtype : {"float64", "float32"}
            Of the arithmetic on tensors; the Dataset has 64 bits.
        decide : {"horizon", "certain", "stage"}
            When a lane stops: after all steps; as soon as its verdict after all steps is known for certain; or,
            besides, when the rule gives the same verdict for two shorter runs, which is a guess about the whole
            one.  The reasons are those of `theory_sim.engine.decide`.

        Returns
        -------
        xarray.Dataset
            Dimensions (axes ..., seed[, checkpoint][, coordinate]); see `theory_sim.engine.grid.assemble`.  With a
            store, what would need more than 256 MiB is opened lazily: each access reads the chunks that it needs.

        Raises
        ------
        OSError
            If the store cannot be written or has not the room, or a scheduler does not answer within 10 seconds.
        ValueError
            For a way to decide that needs a verdict rule, without one; if chunks are to run elsewhere and there is no store for them, or Dask is not installed; if the result
            does not fit the memory and there is no store;
            with tensors, for a kernel written by hand, a rule that is no arithmetic, or a device that is not there.
        ImportError
            With tensors, if torch is not installed.
        """
        from theory_sim.engine.target import target_of

        target = target_of(backend, device, dtype)
        if self.resolution is not None:
            if target is not None or chunk is not None or decide != "horizon":
                raise ValueError(
                    f"{self.name or 'A sweep'} with resolution = {self.resolution} runs compiled tiles to the end, in blocks of its own; "
                    "leave out chunk, decide and backend."
                )
            return self.refine(
                self.resolution,
                store,
                outputs=(),
                threads=threads,
                workers=workers,
                scheduler=scheduler,
                executor=executor,
                progress=progress,
            )
        return self.job.run(
            store,
            chunk=chunk,
            threads=threads,
            workers=workers,
            scheduler=scheduler,
            executor=executor,
            progress=progress,
            target=target,
            decide=decide,
        )

    def refine(
        self,
        resolution: int = 1024,
        store: str | Path | None = None,
        *,
        first: int | None = None,
        audit: int | None = None,
        outputs: Sequence[str] | None = None,
        threads: int | None = None,
        workers: int | None = None,
        scheduler: str | None = None,
        executor: Any = None,
        progress: Callable[[float], None] | None = None,
    ) -> xr.Dataset:
        """Run a fine grid over the two axes, but only the cells beside a change of verdict.

        The axes keep their ends and get `resolution` values each, equally spaced on their `plot.scale`.

        Parameters
        ----------
        resolution : int
            Values of each axis: m 2^k or m 2^k + 1 with first <= m < 2 first and k >= 1, so that the values of
            each grid are values of the next, with half its steps.
        store : path, optional
            As of `run`.
        first : int, optional
            Steps of the first grid, which a region must not slip through, at least 4; default: 64, or a quarter of
            a resolution below 256.
        audit : int, optional
            Inferred cells that are drawn at random and run; default: as many as `resolution`.
        outputs : sequence of str, optional
            Which outputs of `run` the Dataset has beside the verdicts; default: all.
        threads, workers, scheduler, executor, progress
            As of `run`.

        Returns
        -------
        xarray.Dataset
            See `theory_sim.engine.refinement.refine`.

        Raises
        ------
        ValueError
            Unless two axes of real numbers have more than one value, there is a verdict rule, and `resolution`
            has this form; or if the machine has not the memory for the whole grid.
        """
        from theory_sim.engine import refinement

        return refinement.refine(
            self,
            resolution,
            store,
            first=first,
            audit=audit,
            outputs=outputs,
            threads=threads,
            workers=workers,
            scheduler=scheduler,
            executor=executor,
            progress=progress,
        )


def simulate(
    problem: Problem,
    optimizer: Optimizer,
    *,
    steps: int,
    seeds: int = 1,
    order: str = "cyclic",
    x0: float | Sequence[float] | None = None,
    workers: int = 1,
    checkpoints: int | Sequence[int] = 0,
    running: bool = False,
    rule: Rule | None = None,
    first_hit: float | None = None,
    entropy: int = 0,
) -> xr.Dataset:
    """Run one optimizer on one problem: a `Sweep` without axes; see there for the parameters."""
    return Sweep(
        problem,
        optimizer,
        steps=steps,
        seeds=seeds,
        order=order,
        x0=x0,
        workers=workers,
        checkpoints=checkpoints,
        running=running,
        rule=rule,
        first_hit=first_hit,
        entropy=entropy,
    ).run()
