"""The same rules in other arithmetics: rigorous balls, many digits, symbols.

`rebind` gives a rule other globals (``math``, ``np``, ``min``, ``max``, ``float``) and `run` calls it: no
optimizer is written twice.  Numbers given as floats, literals in a rule included, mean their binary64 value
exactly; arithmetic between two literals stays binary64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory_sim import random
from theory_sim.engine import lanes
from theory_sim.exact.arithmetic import Arithmetic, Undecidable, balls, digits, symbols
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.order import order as sampling
from theory_sim.nouns.problem import Problem
from theory_sim.rules import build, checks
from theory_sim.rules.language import Rule

__all__ = ["Arithmetic", "Run", "Undecidable", "balls", "digits", "rebind", "run", "symbols"]

Array = np.ndarray[Any, Any]


def rebind(rule: Rule, arithmetic: Arithmetic) -> Rule:
    """Return a rule, and the functions that it calls, with primitives of another arithmetic.

    Parameters
    ----------
    rule : callable
        Plain Python function of Numbers, or a kernel over object arrays of Numbers.
    arithmetic : Arithmetic

    Returns
    -------
    callable
        The same bytecode with other globals.  Call it inside ``arithmetic.precision()``.
    """
    return build.rebound(rule, arithmetic.namespace)


@dataclass(frozen=True)
class Run:
    """Where one lane ends: raw numbers of the arithmetic.

    Parameters
    ----------
    x : tuple of d raw numbers
    state : mapping of str to tuple of d raw numbers
        The optimizer's state rows by name; those of worker j end in ``_j``.
    steps : int
    arithmetic : Arithmetic
    """

    x: tuple[Any, ...]
    state: Mapping[str, tuple[Any, ...]]
    steps: int
    arithmetic: Arithmetic


def run(
    problem: Problem,
    optimizer: Optimizer,
    steps: int,
    arithmetic: Arithmetic,
    *,
    order: str = "cyclic",
    workers: int = 1,
    seed: int = 0,
    entropy: int = 0,
    exactly: Mapping[str, Any] | None = None,
) -> Run:
    """Replay `theory_sim.simulate` for one lane with the same kernels in another arithmetic.

    Parameters
    ----------
    problem, optimizer
        Their floats mean binary64 values, unless named in `exactly`.
    steps : int
        Number of updates.
    arithmetic : Arithmetic
        `balls`, `digits` or `symbols`.
    order, workers, seed, entropy
        As in `theory_sim.Sweep`; uniforms are the binary64 numbers that `theory_sim.simulate` draws.
    exactly : mapping of str to int, Fraction, str or raw number
        Values, such as ``{"beta2": "0.99"}``, that replace the floats of lr, a hyperparameter, a schedule
        parameter, a constant of the problem, a state row's start or x0; what constructors derived from floats
        stays.

    Returns
    -------
    Run

    Raises
    ------
    Undecidable
        If a comparison cannot be decided or a number is no longer finite.
    ValueError
        If an argument breaks a rule or a name of `exactly` is unknown.
    """
    checks.count("steps", steps, 0)
    sampling(order)
    if problem.matrices:
        raise ValueError(
            f"{problem.name} has matrices, which exact runs cannot multiply with; use a problem of rules without products."
        )
    for side in () if optimizer.up is None or optimizer.down is None else (optimizer.up, optimizer.down):
        if not (optimizer.is_rule and side.is_rule) or side.hyper.get("word") == 32.0:
            raise ValueError(
                f"{optimizer.name} sends compressed messages through {side}, and exact runs replay those of rules in "
                "words of 64 bits; use another optimizer or compressor."
            )
    lane = lanes.expand(
        problem,
        optimizer,
        {},
        seeds=seed + 1,
        entropy=entropy,
        order=order,
        workers=workers,
        x0=None,
        judged=False,
    )
    given = dict(exactly or {})

    def column(names: tuple[str, ...], values: Array) -> Array:
        out = np.empty((len(names), 1), object)
        for i, name in enumerate(names):
            out[i, 0] = arithmetic.number(given.pop(name, float(values[i, 0])))
        return out

    with arithmetic.precision():
        known = (
            "lr",
            *optimizer.hyper,
            *optimizer.schedule.parameters,
            *problem.theta,
            *optimizer.rows,
            "x0",
        )
        for name in given:
            checks.known("exact value", name, known)
            if known.count(name) > 1:
                raise ValueError(
                    f"{name} names two values of {optimizer.name} on {problem.name}; rename one."
                )
        lr = column(("lr",), lane.lr[:1, None])
        hyper = column(tuple(optimizer.hyper), lane.hyper)
        parameters = column(tuple(optimizer.schedule.parameters), lane.schedule)
        theta = column(tuple(problem.theta), lane.theta)
        start = given.pop("x0", lane.x0[:, 0].tolist())
        own = (f"{row}_{j}" for j in range(workers) for row in optimizer.worker_rows)
        names = (*optimizer.rows, *own)
        x, state = np.empty((problem.dim, 1), object), np.empty((len(names), problem.dim, 1), object)
        for i in range(problem.dim):
            x[i, 0] = arithmetic.number(start[i] if isinstance(start, tuple | list) else start)
            for r, row in enumerate(names):
                start_of_row = given.get(row, float(lane.state[r, i, 0])) if row in optimizer.rows else 0.0
                state[r, i, 0] = arithmetic.number(start_of_row)
        try:
            _advance(problem, optimizer, steps, arithmetic, order, workers, int(lane.key[seed]),
                     lr, hyper, parameters, theta, state, x)  # fmt: skip
        except ZeroDivisionError:
            raise Undecidable(f"a division by 0 in {arithmetic.name} leaves no finite number.") from None
    rows = {
        row: tuple(arithmetic.number(value).raw for value in state[r, :, 0]) for r, row in enumerate(names)
    }
    return Run(tuple(value.raw for value in x[:, 0]), rows, steps, arithmetic)


def _advance(
    problem: Problem,
    optimizer: Optimizer,
    steps: int,
    arithmetic: Arithmetic,
    order: str,
    workers: int,
    key: int,
    lr: Array,
    hyper: Array,
    parameters: Array,
    theta: Array,
    state: Array,
    x: Array,
) -> None:
    """The loop of `theory_sim.engine.loop.advance` for one lane, in place."""
    (of_step, scratch), (of_gradient, more) = optimizer.source, problem.source[0]
    step, gradient, schedule = (
        build.python(source, arithmetic.namespace)
        for source in (of_step, of_gradient, optimizer.schedule.source)
    )
    work, nothing = np.empty((max(scratch + 3 * problem.dim, more), 1), object), np.empty((0, 1), object)
    drawn = sampling(order)
    n = problem.components
    size, idx = np.array([n]), np.zeros((workers, 1), np.int64)
    table = np.zeros((1 + n if drawn.permutes else 0, workers, 1), np.int64)
    g, factor, rate = (np.empty(shape, object) for shape in ((workers, problem.dim, 1), (1,), (1,)))
    sides = () if optimizer.up is None or optimizer.down is None else (optimizer.up, optimizer.down)
    maps: list[tuple[Any, Any]] = [
        (build.python(side.source, arithmetic.namespace), np.array([*side.hyper.values()], dtype=object))
        for side in sides
    ] or [(None, nothing)] * 2
    counts = optimizer.draws_of_messages(problem.dim, workers)
    walls = [arithmetic.number(wall) for wall in problem.domain or ()]

    def draws(t: int, slot: int, count: int) -> Array:
        out = np.empty((count, 1), object)
        for q in range(count):
            out[q, 0] = arithmetic.number(random.uniform_at(key, t, slot + q))
        return out

    if optimizer.begins:
        schedule(1, parameters, factor)
        rate[0] = lr[0, 0] * factor[0]
        step(
            g, 0, rate, hyper, nothing, state, x, *maps[0], nothing, *maps[1], np.zeros((counts[1], 1)), work
        )
    for t in range(1, steps + 1):
        if n > 1:
            u = [[random.uniform_at(key, t, j)] for j in range(workers if drawn.draws else 0)]
            drawn.kernel(t, size, np.array(u).reshape(-1, 1), table, idx)
        noise = draws(t, workers, workers * problem.draws)
        gradient(x, t, idx, noise, theta, g, work)
        schedule(t, parameters, factor)
        rate[0] = lr[0, 0] * factor[0]
        used = g
        if not optimizer.sees_workers and workers > 1:
            used = g[:1].copy()
            for j in range(1, workers):
                used[0] = used[0] + g[j]
            used = used / workers
        own = draws(t, workers + len(noise), optimizer.draws)
        slot = workers + len(noise) + len(own)
        up, down = draws(t, slot, counts[0]), draws(t, slot + counts[0], counts[1])
        step(used, t, rate, hyper, own, state, x, *maps[0], up, *maps[1], down, work)
        for i in range(problem.dim):
            x[i, 0] = arithmetic.number(x[i, 0])  # a kernel may write a literal
            if not arithmetic.finite(x[i, 0].raw):
                raise Undecidable(f"x is {x[i, 0]} after step {t} in {arithmetic.name}: precision ran out.")
            if walls:
                x[i, 0] = arithmetic.least(arithmetic.greatest(x[i, 0], walls[0]), walls[1])
