"""From a sweep's named axes to the arrays of its lanes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory_sim import random
from theory_sim.engine.evaluate import component_gradients
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.sweep import axis_owner, uniforms
from theory_sim.rules import checks

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Lanes:
    """Everything that differs between lanes; the lane axis is last and has N entries.

    Parameters
    ----------
    problem, optimizer
        The base objects: their kernels, variant and domain are common to all lanes.
    order : str
        Key of `theory_sim.nouns.order.ORDERS`.
    workers (N,)
        Gradients drawn per step.
    group (N,)
        Lanes of one group can share a tile: they have the same workers, the same variant and, with messages,
        the same compressors.
    variants : tuple of Optimizer
        The optimizers, up to those hyperparameters that are laid out directly in lr and hyper.
    variant (N,)
        Which of them a lane runs.
    entries : tuple of ndarray
        What `theory_sim.Problem.entries` gives, for every value of the axes that it depends on.
    matrices (N,)
        Which of them a lane has; all lanes of a group have the same.
    lr (N,), hyper (h, N), schedule (s, 1 or N), theta (p, N), size (N,), key (N,), x0 (d, N), state (r, d, N)
        Inputs of the kernels.
    """

    problem: Problem
    optimizer: Optimizer
    order: str
    workers: Array
    group: Array
    variants: tuple[Optimizer, ...]
    variant: Array
    entries: tuple[Array, ...]
    matrices: Array
    lr: Array
    hyper: Array
    schedule: Array
    theta: Array
    size: Array
    key: Array
    x0: Array
    state: Array

    @property
    def count(self) -> int:
        """Number of lanes N."""
        return len(self.lr)

    def bits(self, steps: int) -> Array:
        """Return (N, 2): the bits that one worker sends and receives in `steps` rounds."""
        each = np.array([variant.bits(self.problem.dim, steps) for variant in self.variants])
        return each[self.variant]


# What the lanes of a sweep share, whatever its axes are.
_STRUCTURE = (
    "rows",
    "worker_rows",
    "step",
    "initial",
    "draws",
    "distributed",
    "stored",
    "measures",
    "boxless",
)


def _same_code(base: Any, other: Any, fields: Sequence[str], what: str) -> None:
    for name in fields:
        if getattr(base, name) != getattr(other, name):
            code = name in ("step", "gradient", "measure")
            values = "" if code else f" from {getattr(base, name)!r} to {getattr(other, name)!r}"
            raise ValueError(f"{what} changes {name} of {base.name}{values}; use one sweep per value.")


def _kind(optimizer: Optimizer, d: int) -> tuple[Any, ...]:
    """Return what lanes must share to share a tile: the variant and, with messages, the compressors."""
    optimizer.require(d)
    variant = tuple(optimizer.variant.items())
    if optimizer.up is None or optimizer.down is None:
        return variant
    rows = [tuple(side.hyper.values()) for side in (optimizer.up, optimizer.down)]
    return (
        optimizer.up.source.digest,
        optimizer.down.source.digest,
        *rows,
        optimizer.draws_of_messages(d, 1),
        variant,
    )


def _start(problem: Problem, x0: Any) -> Array:
    point = np.asarray(problem.start if x0 is None else x0, dtype=float)
    if point.ndim > 1 or point.size not in (1, problem.dim):
        raise ValueError(
            f"x0 has shape {point.shape}; give one number or {problem.dim} of them for {problem.name}."
        )
    if not np.isfinite(point).all():
        raise ValueError(f"x0 = {x0!r} must be finite.")
    return np.broadcast_to(point.ravel(), (problem.dim,))


def _initial_state(problem: Problem, optimizer: Optimizer, x0: Array) -> Array:
    state = np.zeros((len(optimizer.rows), problem.dim))
    for row, value in optimizer.initial.items():
        i = optimizer.rows.index(row)
        if isinstance(value, str):
            if problem.draws:
                raise ValueError(
                    f"Initial {row} = {value!r} needs gradients without noise, and {problem.name} draws noise; "
                    "give a number."
                )
            gradients = component_gradients(problem, x0)
            state[i] = gradients.mean(axis=0) if value == "mean_gradient" else (gradients**2).max(axis=0)
        else:
            state[i] = value
    return state


def expand(
    problem: Problem,
    optimizer: Optimizer,
    axes: Mapping[str, Array],
    *,
    seeds: int,
    entropy: int,
    order: str,
    workers: int,
    x0: Any,
    judged: bool,
    cells: Sequence[Array] | None = None,
) -> Lanes:
    """Build the lanes of a sweep, in C order over (axes ..., seed).

    With `cells`, one array of n positions for each axis, only those cells are built, in C order over (cell, seed);
    what a lane draws depends on its seed alone, so its bits are those of the whole sweep.

    Raises
    ------
    ValueError
        For an axis that no object knows, a value that breaks a rule, or an axis that would change a kernel.
    """
    owner = {name: axis_owner(name, problem, optimizer) for name in axes}
    shape = (*(len(values) for values in axes.values()), seeds)
    if cells is None:
        places = np.indices(shape).reshape(len(shape), -1)  # (axes + 1, N)
    else:
        each = [np.repeat(place, seeds) for place in cells]
        places = np.stack([*each, np.tile(np.arange(seeds), len(cells[0]))])
    position = dict(zip(axes, places, strict=False))
    count = places.shape[1]

    def combinations(names: Sequence[str]) -> tuple[list[dict[str, Any]], Array]:
        """Every combination of some axes' values that a lane has, and which one that is."""
        if not names:
            return [{}], np.zeros(count, int)
        lengths = [len(axes[name]) for name in names]
        which = np.ravel_multi_index(tuple(position[name] for name in names), lengths)
        # Of a whole sweep every combination occurs; of some cells, as many as there are cells at most.
        found = np.arange(math.prod(lengths))
        if cells is not None:
            found, which = np.unique(which, return_inverse=True)
        chosen = [axes[name][at] for name, at in zip(names, np.unravel_index(found, lengths), strict=True)]
        values = zip(*(one.tolist() for one in chosen), strict=True)
        return [dict(zip(names, value, strict=True)) for value in values], which

    # A row of the step kernel is laid out directly, unless its value changes other rows too.
    def is_row(name: str) -> bool:
        if optimizer.up is not None and name != "lr":
            return False  # the length of a message may depend on it
        base = {"lr": optimizer.lr, **optimizer.hyper}
        values = axes[name] if cells is None else axes[name][np.unique(position[name])]
        variants = [optimizer.replace(**{name: value}) for value in values.tolist()]
        return name in base and all(
            {**base, name: None} == {"lr": v.lr, **v.hyper, name: None} and v.variant == optimizer.variant
            for v in variants
        )

    rows = [name for name in axes if owner[name] == "optimizer" and is_row(name)]
    others = [name for name in axes if owner[name] == "optimizer" and name not in rows]
    values, which = combinations(others)
    variants = [optimizer.replace(**value) if value else optimizer for value in values]
    for variant in variants:
        _same_code(optimizer, variant, _STRUCTURE, f"Axis {others}")
    chosen, kinds = which, [_kind(variant, problem.dim) for variant in variants]
    numbered = {kind: i for i, kind in enumerate(dict.fromkeys(kinds))}
    gradients = np.full(count, workers)
    if "workers" in axes:
        numbers = np.array([checks.count("workers", number) for number in axes["workers"].tolist()])
        gradients = numbers[position["workers"]]
    group = np.array([numbered[kind] for kind in kinds])[which] * (gradients.max() + 1) + gradients
    for variant in variants:
        uniforms(problem, variant, int(gradients.max()))
    if optimizer.boxless and problem.domain is not None:
        raise ValueError(
            f"{optimizer.name} keeps its weights outside the box {problem.domain} of {problem.name}; use a problem without "
            "a domain."
        )
    lr = np.array([variant.lr for variant in variants], dtype=float)[which]
    hyper = np.array([[*variant.hyper.values()] for variant in variants], dtype=float).T.reshape(
        -1, len(variants)
    )[:, which]
    for name in rows:
        laid_out = axes[name][position[name]]
        if name == "lr":
            lr = laid_out.astype(float)
        else:
            hyper[list(optimizer.hyper).index(name)] = laid_out

    scheduled = [name for name in axes if owner[name] == "schedule"]
    values, which_schedule = combinations(scheduled)
    schedules = [optimizer.schedule.replace(**value) for value in values]
    schedule = (
        np.array([[*one.parameters.values()] for one in schedules], dtype=float).reshape(len(schedules), -1).T
    )
    schedule = schedule[:, which_schedule] if scheduled else schedule

    names = [name for name in axes if owner[name] in ("problem", "start")]
    values, which = combinations(names)
    starts, states, problems = [], [], []
    for value in values:
        start = value.pop("x0", x0)
        one = problem.replace(**value) if value else problem
        _same_code(problem, one, ("gradient", "measure", "dim", "draws", "domain"), f"Axis {names}")
        if one.source != problem.source:
            raise ValueError(
                f"Axis {names} changes the constants of {problem.name}; use one sweep per value."
            )
        if judged and one.rule != problem.rule:
            raise ValueError(
                f"Axis {names} changes the verdict rule of {problem.name}; give the sweep a rule."
            )
        problems.append(one)
        starts.append(_start(one, start))
        states.append(_initial_state(one, optimizer, starts[-1]))
        needed = one.facts.get("workers")
        if needed is not None and (gradients != needed).any():
            raise ValueError(
                f"workers = {gradients[gradients != needed][0]}: {one.name} has one objective for each of {needed:g} "
                f"workers; use workers={needed:g}."
            )
    constants = np.array([[*one.theta.values()] for one in problems], dtype=float).reshape(len(problems), -1)
    entries: tuple[Array, ...] = (problem.entries,)
    matrices = np.zeros(count, int)
    if problem.matrices:
        known: dict[bytes, int] = {}
        which_matrices = [known.setdefault(one.entries.tobytes(), len(known)) for one in problems]
        entries, matrices = tuple(map(np.frombuffer, known)), np.array(which_matrices)[which]
        group = group * len(known) + matrices
    keys = np.array([random.key(entropy, seed) for seed in range(seeds)], dtype=np.uint64)
    return Lanes(
        problem=problem,
        optimizer=optimizer,
        order=order,
        workers=gradients,
        group=group,
        variants=tuple(variants),
        variant=chosen,
        entries=entries,
        matrices=matrices,
        lr=lr,
        hyper=hyper,
        schedule=schedule,
        theta=constants.T[:, which],
        size=np.array([one.components for one in problems], dtype=np.int64)[which],
        key=keys[places[-1]],
        x0=np.array(starts).T[:, which],
        state=np.moveaxis(np.array(states), 0, -1)[..., which],
    )
