"""The lane loop: every run of the suite goes through `advance`."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim import fusion, random
from theory_sim.kernels import compiled, jit, signature
from theory_sim.schedule import constant_kernel

if TYPE_CHECKING:
    from theory_sim.lanes import Lanes

TILE = 256
WATCHED = "gradient_norm"
_CACHE_BUDGET = 64 * 1024
_HUGE = sys.float_info.max

Array = np.ndarray[Any, Any]


def advance(
    step: Any,
    gradient: Any,
    measure: Any,
    schedule: Any,
    sampler: Any,
    uniform: Any,
    exchange: Any,
    up: Any,
    down: Any,
    exchanging: int,
    first: int,
    last: int,
    accumulate: int,
    extremes: int,
    sampled: int,
    varying: int,
    watched: int,
    target: float,
    low: float,
    high: float,
    lr0: Any,
    parameters: Any,
    factor: Any,
    lr: Any,
    hyper: Any,
    theta: Any,
    size: Any,
    key: Any,
    u: Any,
    table: Any,
    idx: Any,
    noise: Any,
    own_noise: Any,
    up_hyper: Any,
    up_noise: Any,
    down_hyper: Any,
    down_noise: Any,
    g: Any,
    mean: Any,
    state: Any,
    x: Any,
    stopped: Any,
    escaped: Any,
    row: Any,
    total: Any,
    least: Any,
    most: Any,
    hits: Any,
    path: Any,
) -> None:
    """Advance one tile from iterate x_first to x_last in place (first >= 1: x_1 is the start).

    first = 0 only lets an exchange place the first query point.
    ``stopped`` (L,) holds the first step whose iterate is not finite (0: none); from then on the lane is NaN.
    ``escaped`` (L,) is 1 if that iterate was infinite and there is no box.  ``total`` (k, L) accumulates the
    measures at x_first ... x_{last-1} if `accumulate`, ``least`` and ``most`` their extremes if `extremes`.
    ``hits`` (2, L) holds after how many updates measure `watched` (-1: none), and its mean ``path`` / t over the
    path, first were <= `target` (-1: not yet).
    ``mean`` has shape (1, d, L) when the optimizer wants the workers averaged, (0, d, L) when it wants them all.
    """
    d, lanes = x.shape
    workers = g.shape[0]
    boxed = low > -math.inf or high < math.inf
    dead = 0
    for lane in range(lanes):
        dead += stopped[lane] > 0
    if dead == lanes:
        return
    if first == 0:
        exchange(g, 0, lr, hyper, own_noise, state, x, up, up_hyper, up_noise, down, down_hyper, down_noise)
        return
    for t in range(first, last):
        if u.shape[0] > 0:
            uniform(t, 0, key, u)
        if sampled:
            sampler(t, size, u, table, idx)
        if noise.shape[0] > 0:
            uniform(t, workers, key, noise)
        gradient(x, t, idx, noise, theta, g)
        if accumulate:
            measure(x, t, idx, noise, theta, row)
            for k in range(row.shape[0]):
                for lane in range(lanes):
                    total[k, lane] += row[k, lane]
                if extremes:
                    for lane in range(lanes):
                        value = row[k, lane]
                        # 0 * (value - value) keeps a NaN, which min and max of compiled code lose
                        least[k, lane] = min(least[k, lane], value) + (value - value)
                        most[k, lane] = max(most[k, lane], value) + (value - value)
            if watched >= 0:
                for lane in range(lanes):
                    path[lane] += row[watched, lane]
                    if hits[0, lane] < 0 and row[watched, lane] <= target:
                        hits[0, lane] = t - 1
                    if hits[1, lane] < 0 and path[lane] <= target * t:
                        hits[1, lane] = t - 1
        if varying or t == first:
            schedule(t, parameters, factor)
            if factor.shape[0] == 1:
                common = factor[0]
                for lane in range(lanes):
                    lr[lane] = lr0[lane] * common
            else:
                for lane in range(lanes):
                    lr[lane] = lr0[lane] * factor[lane]
        if own_noise.shape[0] > 0:
            uniform(t, workers + noise.shape[0], key, own_noise)
        averaged = mean.shape[0] == 1 and workers > 1
        if averaged:
            for i in range(d):
                for lane in range(lanes):
                    mean[0, i, lane] = g[0, i, lane]
                for j in range(1, workers):
                    for lane in range(lanes):
                        mean[0, i, lane] += g[j, i, lane]
                for lane in range(lanes):
                    mean[0, i, lane] /= workers
        if exchanging:
            slot = workers + noise.shape[0] + own_noise.shape[0]
            if up_noise.shape[0] > 0:
                uniform(t, slot, key, up_noise)
            if down_noise.shape[0] > 0:
                uniform(t, slot + up_noise.shape[0], key, down_noise)
            seen = mean if averaged else g
            exchange(
                seen, t, lr, hyper, own_noise, state, x, up, up_hyper, up_noise, down, down_hyper, down_noise
            )
        elif averaged:
            step(mean, t, lr, hyper, own_noise, state, x)
        else:
            step(g, t, lr, hyper, own_noise, state, x)
        nonfinite = 0
        if boxed:
            for i in range(d):
                for lane in range(lanes):
                    point = x[i, lane]
                    bad = not (abs(point) <= _HUGE)
                    nonfinite += bad
                    # A box must not turn infinity into a clean corner.
                    x[i, lane] = math.nan if bad else min(max(point, low), high)
        else:
            for i in range(d):
                for lane in range(lanes):
                    nonfinite += not (abs(x[i, lane]) <= _HUGE)
        if nonfinite != d * dead:
            for lane in range(lanes):
                bad_rows = 0
                infinite = 0
                for i in range(d):
                    bad_rows += not (abs(x[i, lane]) <= _HUGE)
                    infinite += abs(x[i, lane]) > _HUGE
                if bad_rows > 0 and stopped[lane] == 0:
                    stopped[lane] = t
                    escaped[lane] = infinite > 0
                    dead += 1
                if stopped[lane] > 0:
                    for i in range(d):
                        x[i, lane] = math.nan
            if dead == lanes:
                break


@cache
def _compiled_advance() -> Any:
    from numba import types

    def array(dtype: Any, dim: int) -> Any:
        return types.Array(dtype, dim, "C")

    real, integer = types.float64, types.int64
    kinds = (
        "step",
        "gradient",
        "measure",
        "schedule",
        "sampler",
        "uniform",
        "exchange",
        "compress",
        "compress",
    )
    vector, matrix, cube = (array(real, n) for n in (1, 2, 3))
    return jit(
        types.void(
            *(types.FunctionType(signature(kind)) for kind in kinds),
            *(integer,) * 8,
            *(real,) * 3,
            vector,
            matrix,
            *(vector,) * 2,
            *(matrix,) * 2,
            array(integer, 1),
            array(types.uint64, 1),
            matrix,
            array(integer, 3),
            array(integer, 2),
            *(matrix,) * 2,
            *(vector, matrix) * 2,
            *(cube,) * 3,
            matrix,
            *(array(integer, 1),) * 2,
            *(matrix,) * 4,
            array(integer, 2),
            vector,
        ),
        advance,
    )


def no_measure(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """The measure kernel of a problem that declares none."""


def no_step(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """The step kernel of an optimizer that exchanges messages."""


def no_exchange(
    g: Any,
    t: int,
    lr: Any,
    hyper: Any,
    noise: Any,
    state: Any,
    x: Any,
    up: Any,
    up_hyper: Any,
    up_noise: Any,
    down: Any,
    down_hyper: Any,
    down_noise: Any,
) -> None:
    """The exchange kernel of an optimizer without messages."""


def no_message(p: Any, u: Any, hyper: Any, out: Any) -> None:
    """The compress kernel of an optimizer without messages."""


def _aligned(shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
    # Rows that start on a cache line make full-width vector loads and stores about 10 % cheaper.
    count = math.prod(shape)
    raw = np.zeros(8 * count + 64, np.uint8)
    offset = -raw.ctypes.data % 64
    aligned: Array = raw[offset : offset + 8 * count].view(dtype).reshape(shape)
    return aligned


def _copy(values: Array) -> Array:
    out = _aligned(values.shape, values.dtype)
    out[...] = values
    return out


def tile_width(rows: int) -> int:
    """Return the number of lanes whose `rows` float64 rows fit the cache budget: 64 ... 256, a multiple of 32.

    The compiler's main loop advances 32 lanes at a time (four AVX-512 registers) and the rest in a scalar tail;
    below 64 the cost of entering the lane loops shows.
    """
    return int(min(max(_CACHE_BUDGET // (8 * rows) // 32 * 32, 64), TILE))


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
        Value of the measure "gradient_norm" whose first hit is recorded.
    """

    steps: int
    checkpoints: tuple[int, ...]
    running: bool
    windows: tuple[tuple[int, int], ...]
    first_hit: float | None = None

    @property
    def stops(self) -> list[int]:
        """Every number of updates at which the loop returns to Python, increasing."""
        edges = {edge for window in self.windows for edge in window}
        return sorted(({*self.checkpoints, *edges}) - {0})


def run_tile(lanes: Lanes, plan: Plan, cut: Array) -> Mapping[str, Array]:
    """Run the lanes with the indices `cut`, all of one group, and return their records, lane axis first.

    Returns
    -------
    dict of str to ndarray
        ``x`` (L, c, d), ``measures`` (L, c, k), ``mean``, ``min``, ``max`` (L, c, k) if running,
        ``windows`` (L, number of windows, k), ``first`` (L, k), ``hits`` (L, 2), ``state`` (L, r, d) at the end, with
        the rows of as many workers as any lane of the sweep has, NaN for those that this one lacks,
        ``stopped`` and ``escaped`` (L,).
    """
    problem, optimizer = lanes.problem, lanes.optimizer
    width, d, w = len(cut), problem.dim, int(lanes.workers[cut[0]])
    sampler, reads_uniforms, needs_table = random.ORDERS[lanes.order]
    k = len(problem.measures)
    exchanging = optimizer.up is not None
    step = compiled("step", no_step if exchanging else optimizer.step)
    exchange = compiled("exchange", optimizer.step if exchanging else no_exchange)
    gradient = compiled("gradient", problem.gradient)
    measure = compiled("measure", problem.measure or no_measure)
    schedule = compiled("schedule", optimizer.schedule.kernel)

    def per_lane(rows: Array) -> Array:
        return _copy(rows if rows.shape[-1] == 1 else rows[..., cut])

    x, theta, size, key = (_copy(a[..., cut]) for a in (lanes.x0, lanes.theta, lanes.size, lanes.key))
    lr, hyper, parameters = _copy(lanes.lr[cut]), _copy(lanes.hyper[..., cut]), per_lane(lanes.schedule)
    factor = _aligned((parameters.shape[-1],))
    table_rows = 1 + int(size.max()) if needs_table else 0
    idx, noise = _aligned((w, width), np.int64), _aligned((w * problem.draws, width))
    rows = len(optimizer.rows) + w * len(optimizer.worker_rows)
    state = _aligned((rows, d, width))
    state[: len(optimizer.rows)] = lanes.state[..., cut]
    variant = lanes.variants[int(lanes.variant[cut[0]])]
    sides = [
        (
            compiled("compress", no_message if side is None else side.kernel),
            np.array([] if side is None else [*side.hyper.values()], dtype=float),
            _aligned((draws, width)),
        )
        for side, draws in zip((variant.up, variant.down), variant.draws_of_messages(d, w), strict=True)
    ]
    stopped, escaped = _aligned((width,), np.int64), _aligned((width,), np.int64)
    hits, path = np.full((2, width), -1), np.zeros(width)
    row, total, least, most = (_aligned((k, width)) for _ in range(4))
    arrays = (
        lr,
        parameters,
        factor,
        _aligned((width,)),
        hyper,
        theta,
        size,
        key,
        _aligned((w if reads_uniforms else 0, width)),
        _aligned((table_rows, w, width), np.int64),
        idx,
        noise,
        _aligned((optimizer.draws, width)),
        *(array for _, *arrays in sides for array in arrays),
        _aligned((w, d, width)),
        _aligned((0 if optimizer.distributed else 1, d, width)),
        state,
        x,
        stopped,
        escaped,
        row,
        total,
        least,
        most,
        hits,
        path,
    )
    kernels = (
        step,
        gradient,
        measure,
        schedule,
        compiled("sampler", sampler),
        compiled("uniform", random.uniform),
        exchange,
        *(kernel for kernel, *_ in sides),
    )
    varying = optimizer.schedule.kernel is not constant_kernel
    sampled = bool((lanes.size > 1).any())
    watched = -1 if plan.first_hit is None else problem.measures.index(WATCHED)
    target = math.nan if plan.first_hit is None else plan.first_hit
    low, high = problem.bounds()

    def measured(t: int) -> Array:
        measure(x, t, idx, noise, theta, row)
        return row.T.copy()

    def advance_to(first: int, last: int, accumulate: bool) -> None:
        _compiled_advance()(
            *kernels,
            exchanging,
            first,
            last,
            accumulate,
            plan.running,
            sampled,
            varying,
            watched,
            target,
            low,
            high,
            *arrays,
        )

    loop = fusion.loop_for(lanes) if lanes.count * plan.steps >= fusion.WORTH else None
    block = None if loop is None else fusion.Block(loop, lr, hyper, theta, state)
    if exchanging:
        advance_to(0, 0, False)
    first = measured(1)
    records: dict[str, list[Array]] = {name: [] for name in ("x", "measures", "mean", "min", "max")}
    windows = np.zeros((width, len(plan.windows), k))
    cumulated, lowest, highest = (
        np.zeros((k, width)),
        np.full((k, width), np.inf),
        np.full((k, width), -np.inf),
    )
    done = 0
    with np.errstate(all="ignore"):  # non-finite values are a status here, not a warning
        for edge in plan.stops:
            inside = [i for i, (a, b) in enumerate(plan.windows) if a <= done and edge <= b]
            accumulate = k > 0 and (plan.running or bool(inside) or watched >= 0)
            total[...], least[...], most[...] = 0.0, np.inf, -np.inf
            if block is not None and not accumulate:
                block.run(
                    *(schedule, done + 1, edge + 1, varying, (low, high), parameters, factor),
                    *(size, idx, state, x, stopped, escaped),
                )
            else:
                advance_to(done + 1, edge + 1, accumulate)
            # A moment that overflowed freezes x at a finite value; that is no result either.
            overflowed = ~np.isfinite(state).all(axis=(0, 1)) & (stopped == 0)
            stopped[overflowed], x[:, overflowed] = edge, np.nan
            alive = stopped == 0
            for i in inside:
                a, b = plan.windows[i]
                windows[:, i] += total.T / (b - a)
            if plan.running:
                cumulated += total
                lowest, highest = np.minimum(lowest, least), np.maximum(highest, most)
            if edge in plan.checkpoints:
                records["x"].append(x.T.copy())
                records["measures"].append(np.where(alive[:, None], measured(edge + 1), np.nan))
                if plan.running:
                    for name, value in (("mean", cumulated / edge), ("min", lowest), ("max", highest)):
                        records[name].append(np.where(alive, value, np.nan).T)
            done = edge
    if watched >= 0:
        last = np.where(stopped == 0, measured(plan.steps + 1)[:, watched], np.nan)
        hits[0, (hits[0] < 0) & (last <= target)] = plan.steps
        hits[1, (hits[1] < 0) & (path + last <= target * (plan.steps + 1))] = plan.steps
    for i, (a, b) in enumerate(plan.windows):
        windows[(stopped > 0) & (stopped <= b) | (a == b), i] = np.nan
    padding = (int(lanes.workers.max()) - w) * len(optimizer.worker_rows)
    state = np.concatenate([state, np.full((padding, d, width), np.nan)])
    return {
        **{name: np.stack(values, axis=1) for name, values in records.items() if values},
        "windows": windows,
        "first": first,
        "state": np.where(stopped == 0, state, np.nan).transpose(2, 0, 1),
        "hits": hits.T.copy(),
        "stopped": stopped.copy(),
        "escaped": escaped.copy(),
    }
