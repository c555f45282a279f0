"""The lane loop: every run of the suite goes through `advance`, one compiled call for a stretch of a tile's steps."""

from __future__ import annotations

import math
import sys
from functools import cache
from typing import Any

import numpy as np

from theory_sim.rules.build import (
    AHEAD,
    LOCK,
    OPTIONS,
    Limits,
    Record,
    Tile,
    jitting,
    module,
    settled,
    signature,
    tile_types,
)
from theory_sim.rules.digest import digest
from theory_sim.rules.observe import observe

_HUGE = sys.float_info.max

Array = np.ndarray[Any, Any]


def halted(t: int, x: Array, stopped: Array, escaped: Array) -> int:
    """Mark the lanes whose iterate after step t is not finite, make them NaN, and return how many are new."""
    d, lanes = x.shape
    new = 0
    for lane in range(lanes):
        bad = 0
        infinite = 0
        for i in range(d):
            bad += not (abs(x[i, lane]) <= _HUGE)
            infinite += abs(x[i, lane]) > _HUGE
        if bad > 0 and stopped[lane] == 0:
            stopped[lane] = t
            escaped[lane] = infinite > 0
            new += 1
        if stopped[lane] > 0:
            for i in range(d):
                x[i, lane] = math.nan
    return new


def rate(t: int, schedule: Any, parameters: Array, factor: Array, each: int, lr0: Array, lr: Array) -> None:
    """Write the step sizes of step t, from factors of each lane's own or, asked for in blocks, of all lanes."""
    if each:
        schedule(t, parameters, factor)
        for lane in range(lr.shape[0]):
            lr[lane] = lr0[lane] * factor[lane]
    else:
        place = (t - 1) % AHEAD
        if place == 0:
            schedule(t, parameters, factor)
        common = factor[place]
        for lane in range(lr.shape[0]):
            lr[lane] = lr0[lane] * common


def advance(
    pair: Any,
    step: Any,
    gradient: Any,
    measure: Any,
    watch: Any,
    schedule: Any,
    sampler: Any,
    uniform: Any,
    up: Any,
    down: Any,
    begin: int,
    end: int,
    tile: Tile,
    limits: Limits,
    record: Record,
) -> int:
    """Run steps begin ... end of one tile, in place, record on the way, and return how many steps are done.

    They are fewer than `end` if the halt is set.  A pause between two calls is no stop: whatever the stretches are,
    the bits are those of a single call, since all that lasts from one step to the next is in the arrays.
    """
    lr0, lr, parameters, factor = tile.lr0, tile.lr, tile.parameters, tile.factor
    hyper, theta, size, key = tile.hyper, tile.theta, tile.size, tile.key
    u, table, idx, noise, own_noise = tile.u, tile.table, tile.idx, tile.noise, tile.own_noise
    up_hyper, up_noise, down_hyper, down_noise = (
        tile.up_hyper,
        tile.up_noise,
        tile.down_hyper,
        tile.down_noise,
    )
    g, mean, state, x, work = tile.g, tile.mean, tile.state, tile.x, tile.work
    stopped, halt = tile.stopped, tile.halt
    hits, path, row, total, sums = record.hits, record.path, record.row, record.total, record.sums
    low, high, target, watched = limits.low, limits.high, limits.target, limits.watched
    own = limits.measures
    d, lanes = x.shape
    workers = g.shape[0]
    averaged = limits.averaged > 0
    seen = mean if averaged else g
    boxed = low > -math.inf or high < math.inf
    slot = workers + noise.shape[0]
    messages = slot + own_noise.shape[0]
    many = row.shape[0]
    index = (begin - 2) % size[0]  # before step 1 the last one, so that step 1 draws component 0
    done = 0
    dead = 0  # lanes that fill up a tile are dead from the start
    for lane in range(lanes):
        dead += stopped[lane] > 0
    saved = 0
    halt[1] = begin - 1

    if begin > 1 and not limits.each:  # the block of factors in which it lies
        schedule(begin - (begin - 1) % AHEAD, parameters, factor)
    rate(begin, schedule, parameters, factor, limits.each, lr0, lr)
    if begin == 1 and limits.begins:
        if down_noise.shape[0] > 0:
            uniform(0, messages + up_noise.shape[0], key, down_noise)
        step(g, 0, lr, hyper, own_noise, state, x, up, up_hyper, up_noise, down, down_hyper, down_noise, work)
    if begin == 1 and many > 0:
        measure(x, 1, idx, noise, theta, row[:own], work)
        watch(seen, 1, lr, hyper, state, x, row[own:], work)
        for k in range(many):
            for lane in range(lanes):
                record.first[k, lane] = row[k, lane]

    for s in range(record.stops.shape[0]):
        edge = record.stops[s]
        if edge < begin:
            saved += record.kept[s]
            done = edge
            continue
        if done >= end:
            return done
        accumulate = many > 0 and (limits.running > 0 or watched >= 0)
        for w in range(record.edges.shape[0]):
            accumulate |= many > 0 and record.edges[w, 0] <= done and edge <= record.edges[w, 1]
        if accumulate and begin <= done + 1:
            total[:, :] = 0.0
        first = max(begin, done + 1)
        last: int = min(edge, end)
        if limits.paired:
            while first <= last and dead < lanes:
                first = pair(
                    measure, schedule, sampler, uniform, tile, limits, record, first, last, dead, accumulate
                )
                if first == 0:
                    break
                dead += halted(first, x, stopped, tile.escaped)
                first += 1
            first = last + 1
        for t in range(first, last + 1):
            if dead == lanes or halt[0] > 0:
                break
            halt[1] = t
            if u.shape[0] > 0:
                uniform(t, 0, key, u)
            if limits.lockstep:
                index = index + 1 if index + 1 < size[0] else 0
                idx[:, :] = index
            elif limits.sampled:
                sampler(t, size, u, table, idx)
            if noise.shape[0] > 0:
                uniform(t, workers, key, noise)
            if limits.varying:
                rate(t, schedule, parameters, factor, limits.each, lr0, lr)
            gradient(x, t, idx, noise, theta, g, work)
            if averaged:
                for i in range(d):
                    for lane in range(lanes):
                        mean[0, i, lane] = g[0, i, lane]
                    for j in range(1, workers):
                        for lane in range(lanes):
                            mean[0, i, lane] += g[j, i, lane]
                    for lane in range(lanes):
                        mean[0, i, lane] /= workers
            if accumulate:
                measure(x, t, idx, noise, theta, row[:own], work)
                if own < many:
                    watch(seen, t, lr, hyper, state, x, row[own:], work)
                observe(
                    t,
                    row,
                    total,
                    record.low,
                    record.high,
                    limits.running,
                    watched,
                    target,
                    path,
                    hits,
                    stopped,
                )
            if own_noise.shape[0] > 0:
                uniform(t, slot, key, own_noise)
            if up_noise.shape[0] > 0:
                uniform(t, messages, key, up_noise)
            if down_noise.shape[0] > 0:
                uniform(t, messages + up_noise.shape[0], key, down_noise)
            step(
                seen, t, lr, hyper, own_noise, state, x, up, up_hyper, up_noise, down, down_hyper, down_noise, work
            )  # fmt: skip
            fresh = 0
            for i in range(d):
                for lane in range(lanes):
                    point = x[i, lane]
                    gone = stopped[lane] > 0
                    bad = not (abs(point) <= _HUGE)
                    fresh += bad & (not gone)
                    # A box must not turn infinity into a clean corner; without one, infinity
                    # is for the record.
                    x[i, lane] = math.nan if gone | (bad & boxed) else min(max(point, low), high)
            if fresh > 0:
                dead += halted(t, x, stopped, tile.escaped)
        if dead < lanes and halt[1] < last:
            return int(halt[1])
        if last < edge:
            return last

        # A moment that overflowed freezes x at a finite value; that is no result either.
        for lane in range(lanes):
            bad_rows = 0
            for r in range(state.shape[0]):
                for i in range(d):
                    bad_rows += not (abs(state[r, i, lane]) <= _HUGE)
            if bad_rows > 0 and stopped[lane] == 0:
                stopped[lane] = edge
                dead += 1
                for i in range(d):
                    x[i, lane] = math.nan
        for w in range(record.edges.shape[0]):
            if accumulate and record.edges[w, 0] <= done and edge <= record.edges[w, 1]:
                length = record.edges[w, 1] - record.edges[w, 0]
                for k in range(many):
                    for lane in range(lanes):
                        record.window[w, k, lane] += total[k, lane] / length
        if limits.running:
            for k in range(many):
                for lane in range(lanes):
                    sums[k, lane] += total[k, lane]
        if record.kept[s]:
            if many > 0:
                if own < many and limits.varying:
                    rate(edge + 1, schedule, parameters, factor, limits.each, lr0, lr)
                measure(x, edge + 1, idx, noise, theta, row[:own], work)
                watch(seen, edge + 1, lr, hyper, state, x, row[own:], work)
            for i in range(d):
                for lane in range(lanes):
                    record.x[saved, i, lane] = x[i, lane]
            for k in range(many):
                for lane in range(lanes):
                    gone = stopped[lane] > 0
                    record.values[saved, k, lane] = math.nan if gone else row[k, lane]
                    if limits.running:
                        record.mean[saved, k, lane] = math.nan if gone else sums[k, lane] / edge
                        record.least[saved, k, lane] = math.nan if gone else record.low[k, lane]
                        record.most[saved, k, lane] = math.nan if gone else record.high[k, lane]
            saved += 1
        done = edge

    if watched >= 0:
        # The last stop is a checkpoint, so the row holds the measures of the last iterate.
        for lane in range(lanes):
            value = math.nan if stopped[lane] > 0 else row[watched, lane]
            if hits[0, lane] < 0 and value <= target:
                hits[0, lane] = done
            if hits[1, lane] < 0 and path[lane] + value <= target * (done + 1):
                hits[1, lane] = done
    return done


KERNELS = (
    "pair",
    "step",
    "gradient",
    "measure",
    "watch",
    "schedule",
    "sampler",
    "uniform",
    "compress",
    "compress",
)


def compiled_advance() -> Any:
    """Return the compiled loop, or the plain one under ``NUMBA_DISABLE_JIT=1``."""
    if not jitting():
        return advance
    with LOCK:  # the first tiles of a sweep ask at once
        return _compiled_advance()


@cache
def _compiled_advance() -> Any:
    from numba import njit, types

    functions = (types.FunctionType(signature(kind)) for kind in KERNELS)
    sig = types.int64(*functions, types.int64, types.int64, *tile_types())
    # Named, like every kernel, by the digest of all it consists of: numba's own stamp is that of one file.
    home = module(f"advance_{digest(advance)}", '"""The lane loop, compiled."""\n')
    made: Any = njit(sig, cache=True, **OPTIONS)(settled(advance, home))
    # There is one signature, so the entry point itself: to find the types of 15 arguments costs more than some tiles.
    return made.overloads[sig.args].entry_point
