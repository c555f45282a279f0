"""The Sweep noun: a problem, an optimizer, named axes; `run` gives a labelled Dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim import checks, execute, fusion, grid, random
from theory_sim.kernels import digest
from theory_sim.lanes import Lanes, expand, uniforms
from theory_sim.optimizer import Optimizer
from theory_sim.problem import Problem
from theory_sim.simulate import WATCHED, Plan, advance
from theory_sim.verdict import Rule

if TYPE_CHECKING:
    import xarray as xr

TIERS = ("quick", "full")
Axis = Sequence[float] | np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Sweep:
    """Runs of one optimizer on one problem over a grid of named axes.

    Parameters
    ----------
    problem : Problem
    optimizer : Optimizer
    axes : mapping of str to sequence of float
        Each name is ``lr``, a hyperparameter, a parameter of a compressor (``up.k``), a schedule parameter, a problem
        parameter, ``x0`` or ``workers``.
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
        Record after how many updates the measure "gradient_norm" first was <= this value, at a point of the
        path (``first_hit``) and on average over the path so far (``first_hit_mean``); -1 if never.
    entropy : int
        Root of all seeds.
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
    name: str = ""
    quick: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, low in (("steps", 1), ("seeds", 1), ("workers", 1), ("entropy", 0)):
            object.__setattr__(self, name, checks.count(name, getattr(self, name), low))
        for noun, value in ((Problem, self.problem), (Optimizer, self.optimizer)):
            if not isinstance(value, noun):
                raise TypeError(f"{value!r} is not a {noun.__name__}; call its constructor.")
        checks.known("order", self.order, random.ORDERS)
        workers = max(map(int, self.axes["workers"])) if len(self.axes.get("workers", ())) else self.workers
        uniforms(self.problem, self.optimizer, workers)
        if self.rule is not None:
            checks.known("measure", self.rule.measure, set(self.problem.measures) - set(self.problem.online))
        if self.first_hit is not None:
            checks.number("first_hit", self.first_hit, 0.0)
            if WATCHED not in self.problem.measures:
                raise ValueError(
                    f"first_hit = {self.first_hit} needs the measure {WATCHED!r}, which {self.problem.name} lacks; "
                    f"it has {', '.join(self.problem.measures) or 'none'}."
                )
        for name, values in self.axes.items():
            if name in grid.NAMES:
                raise ValueError(f"Axis {name!r} is a name of the Dataset; rename the parameter.")
            if np.ndim(values) != 1 or len(values) == 0:
                raise ValueError(
                    f"Axis {name!r} has shape {np.shape(values)}; give a non-empty list of values."
                )
        for name in self.quick:
            checks.known("field of Sweep", name, set(self.__dataclass_fields__) - {"quick", "name"})
        _ = self.plan  # checks the checkpoints

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the fields only: an executor rebuilds the lanes."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @property
    def random(self) -> bool:
        """Whether seeds can differ: something in a run reads the random stream."""
        sampled = random.ORDERS[self.order][1] and bool((self.lanes.size > 1).any())
        return sampled or any(uniforms(self.problem, one, 1) > 1 for one in self.lanes.variants)

    @cached_property
    def coordinates(self) -> dict[str, np.ndarray[Any, Any]]:
        """The axes as arrays."""
        return {name: np.asarray(values) for name, values in self.axes.items()}

    @cached_property
    def lanes(self) -> Lanes:
        """The arrays of all lanes, in C order over (axes ..., seed)."""
        return expand(
            self.problem,
            self.optimizer,
            self.coordinates,
            seeds=self.seeds,
            entropy=self.entropy,
            order=self.order,
            workers=self.workers,
            x0=self.x0,
            judged=self.rule is None,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of (axes ..., seed)."""
        return (*(len(values) for values in self.axes.values()), self.seeds)

    @property
    def judged(self) -> Rule | None:
        """The verdict rule in force."""
        return self.rule or self.problem.rule

    @cached_property
    def plan(self) -> Plan:
        """When the run stops to record."""
        if isinstance(self.checkpoints, (int, np.integer)):
            number = checks.count("checkpoints", int(self.checkpoints), 0)
            points = (
                np.unique(np.geomspace(1, self.steps, number).round().astype(int)).tolist() if number else []
            )
        else:
            points = [checks.count("checkpoint", int(c)) for c in self.checkpoints]
            if points != sorted(set(points)) or points[-1:] > [self.steps]:
                raise ValueError(
                    f"checkpoints = {self.checkpoints} must increase and end by steps = {self.steps}."
                )
        rule = self.judged
        horizons = () if rule is None else (self.steps // 2, self.steps)
        windows = tuple((h - max(int(h * rule.window), min(h, 1)), h) for h in horizons if rule is not None)
        return Plan(self.steps, tuple(sorted({*points, self.steps})), self.running, windows, self.first_hit)

    def at(self, tier: str) -> Sweep:
        """Return this sweep at a tier: the same object when full, fewer cells and steps when quick."""
        checks.known("tier", tier, TIERS)
        return replace(self, **self.quick, quick={}) if tier == "quick" and self.quick else self

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Everything that determines the result, in plain JSON types."""
        problem, optimizer = self.problem, self.optimizer
        kernels = (
            problem.gradient,
            problem.measure,
            *optimizer.kernels,
            optimizer.schedule.kernel,
            random.ORDERS[self.order][0],
            random.uniform,
            advance,
        )
        return {
            "problem": {
                "name": problem.name,
                "constants": dict(problem.constants),
                "parameters": dict(problem.parameters),
                "dim": problem.dim,
                "components": problem.components,
                "draws": problem.draws,
                "measures": problem.measures,
            },
            "optimizer": {
                "name": optimizer.name,
                "lr": optimizer.lr,
                "hyper": dict(optimizer.hyper),
                "variant": dict(optimizer.variant),
                "rows": optimizer.rows,
                "draws": optimizer.draws,
                "distributed": optimizer.distributed,
                "worker_rows": optimizer.worker_rows,
                "nodes": optimizer.nodes,
                "warmup": optimizer.warmup,
                "sends": optimizer.sends,
                "messages": [
                    {"name": side.name, **side.hyper}
                    for side in (optimizer.up, optimizer.down)
                    if side is not None
                ],
            },
            "initial": dict(optimizer.initial),
            "schedule": {"name": optimizer.schedule.name, **optimizer.schedule.parameters},
            "kernels": [digest(kernel) for kernel in kernels if kernel is not None],
            "loop": fusion.digest(),
            "axes": {name: values.tolist() for name, values in self.coordinates.items()},
            "x0": np.asarray(problem.start if self.x0 is None else self.x0).tolist(),
            "domain": problem.domain,
            "order": self.order,
            "seeds": self.seeds,
            "entropy": self.entropy,
            "workers": self.workers,
            "steps": self.steps,
            "checkpoints": self.plan.checkpoints,
            "running": self.running,
            "first_hit": self.first_hit,
            "windows": self.plan.windows,
        }

    @cached_property
    def digest(self) -> str:
        """Return 16 hex digits of the SHA-256 of the spec."""
        return hashlib.sha256(json.dumps(self.spec, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def run(
        self,
        store: str | Path | None = None,
        *,
        threads: int | None = None,
        executor: Any = None,
        progress: Callable[[float], None] | None = None,
    ) -> xr.Dataset:
        """Run every lane and return the labelled results.

        Parameters
        ----------
        store : path, optional
            Folder that keeps finished chunks; a second run computes only the missing ones.
        threads : int, optional
            Threads per process; default: one per core, or 1 with an executor.  Results do not depend on it.
        executor : concurrent.futures.Executor, optional
            Runs the chunks elsewhere, for instance ``distributed.Client(address).get_executor()``.
        progress : callable, optional
            Called with the finished share of the work.

        Returns
        -------
        xarray.Dataset
            Dimensions (axes ..., seed[, checkpoint][, coordinate]); see `theory_sim.grid.assemble`.
        """
        records = execute.run(self, store, threads=threads, executor=executor, progress=progress)
        return grid.assemble(self, records)


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
