"""The benchmark: the lane loop beside its rivals, in the same run.

The job is Adam (beta1 0.9, beta2 varying over lanes, eps 0, no bias correction, lr/sqrt(t)) on Reddi's
periodic problem with period 10 and projection on [-1, 1], in float64.  Every rival does the same arithmetic.

On tensors (`tensor_rows`) the first job has 10^5 lanes on one thread of the CPU, or 10^7 on another device, in blocks
of steps that torch compiles, beside the compiled tiles on the same thread, or on all cores of this machine.

The second job is two-way quantized Adam with l1-sign messages and error feedback on both sides, on a
quadratic of one decade, 64 lanes on one thread; its unit is the nanosecond per worker, coordinate and lane.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from theory_sim.app.catalogue import build_problem
from theory_sim.engine.target import Target, target_of
from theory_sim.engine.tensor_loop import Loop
from theory_sim.engine.tensor_tile import block_steps
from theory_sim.nouns.schedule import power
from theory_sim.nouns.sweep import Sweep
from theory_sim.optimizers.adam import adam
from theory_sim.optimizers.quantized import efficient_adam

LANES = 1024
STEPS = 100_000
PERIOD = 10
LR = 0.01
BETA1 = 0.9
BETA2 = 0.999
EPS = 1e-8
COPIED = 1 << 24  # numbers, more than a cache holds
MESSAGE_LANES = 64
WORKERS = (2, 8, 16)
DIMENSIONS = (64, 256, 1024)

Row = tuple[str, str, str]


def _best(job: Callable[[], object], repeats: int = 5) -> float:
    """Return the fastest of some timed calls, after one that compiles."""
    job()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        job()
        times.append(time.perf_counter() - begin)
    return min(times)


def _betas(lanes: int = LANES) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.linspace(0.5, 0.99, lanes)


def first_job(steps: int, lanes: int = LANES) -> Sweep:
    """Return the first job as a sweep."""
    optimizer = adam(LR, BETA1, eps=0.0, bias_correction=False, schedule=power(0.5))
    problem = build_problem(f"reddi.periodic:C={PERIOD}")
    return Sweep(problem, optimizer, {"beta2": _betas(lanes)}, steps=steps)


def ours(threads: int, steps: int = 10 * STEPS) -> float:
    """Return nanoseconds per lane-step of this suite.

    Long runs compile a pair of rules, and shorter ones find it.
    """
    sweep = first_job(steps)
    return _best(lambda: sweep.run(threads=threads), 3) / (LANES * steps) * 1e9


def _synchronised(device: str) -> None:
    """Wait for what a device has been told to do."""
    import torch

    if device != "cpu":
        torch.get_device_module(device).synchronize(device)


def bandwidth(device: str, dtype: str, size: int) -> float:
    """Return the bytes per second that a copy of so many numbers moves, read and written."""
    import torch

    one = torch.ones(size, dtype=getattr(torch, dtype), device=device)
    other = torch.empty_like(one)

    def copy() -> None:
        other.copy_(one)
        _synchronised(device)

    return float(2 * one.numel() * one.element_size()) / _best(copy)


def traffic(sweep: Sweep, target: Target) -> float:
    """Return the bytes that a step of one lane moves at least: rows that come and go once in a block of steps."""
    loop = Loop(sweep.job.lanes, sweep.plan, 0, target)
    few = np.arange(2)
    moving = sum(2 * one.element_size() for rows in loop.start(few).values() for one in rows)
    read = sum(one.element_size() for rows in loop.given(few).values() for one in rows if one.dim())
    # Totals and first hits move only in windows.
    still = sum(2 * one.element_size() for name in ("total", "hits", "path") for one in loop.start(few)[name])
    return float(moving - still + read) / block_steps(loop)


def tensor_rows(device: str, dtype: str, lanes: int = 0, steps: int = 0) -> Iterator[Row]:
    """Yield (what, nanoseconds, ratio) for lanes on tensors of a device, beside the compiled tiles of this machine.

    Parameters
    ----------
    device, dtype : str
        As for `theory_sim.Sweep.run`.
    lanes, steps : int
        0 for the default: 10^5 lanes and 10,000 steps on the CPU, 10^7 and 2,000 on another device.
    """
    target = target_of("torch", device, dtype)
    assert target is not None
    target = replace(target, compiled=True)
    own = device == "cpu"
    lanes, steps = lanes or (10**5 if own else 10**7), steps or (10_000 if own else 2_000)
    # Threads of OpenMP that wait for each other on a busy machine would tell more of that than of the code.
    cores = 1 if own else os.cpu_count() or 1
    # The tiles need no more lanes than fill every core for their time to be proportional.
    tiles = first_job(steps, min(lanes, 10**5))
    ours_ = _best(lambda: tiles.job.run(threads=cores), 3) / (tiles.size * steps) * 1e9
    yield f"theory-sim, {tiles.size} lanes x {steps} steps, threads: {cores}", f"{ours_:.3f}", "1"
    sweep = first_job(steps, lanes)

    def run() -> None:
        sweep.job.run(threads=cores, target=target)
        _synchronised(device)

    theirs = _best(run, 1 if lanes > 10**6 else 3) / (lanes * steps) * 1e9
    ratio = f"{theirs / ours_:.2f}x our time" if theirs > ours_ else f"{ours_ / theirs:.1f}x faster"
    yield f"tensors, {device} {dtype}, {lanes} lanes x {steps} steps, compiled", f"{theirs:.3f}", ratio
    peak, moved = bandwidth(device, dtype, max(lanes, COPIED)), traffic(sweep, target)
    share = moved / (theirs * 1e-9) / peak
    note = f"{moved:.1f} bytes per lane-step, {share:.1%} of the {peak / 1e9:.0f} GB/s of a copy"
    yield "  their least traffic", "", note


def scalar_loop(beta2: Any, steps: int, x: Any) -> None:
    """The same runs, one lane at a time."""
    for lane in range(beta2.shape[0]):
        m = v = 0.0
        point = x[lane]
        for t in range(1, steps + 1):
            g = float(PERIOD) if (t - 1) % PERIOD == 0 else -1.0
            m = BETA1 * m + (1.0 - BETA1) * g
            v = beta2[lane] * v + (1.0 - beta2[lane]) * g * g
            point = min(max(point - LR / math.sqrt(float(t)) * m / math.sqrt(v), -1.0), 1.0)
        x[lane] = point


def fused_loop(beta2: Any, steps: int, x: Any, m: Any, v: Any) -> None:
    """The same runs, step and gradient fused by hand over a tile: what a loop without modules reaches."""
    for t in range(1, steps + 1):
        g = float(PERIOD) if (t - 1) % PERIOD == 0 else -1.0
        lr = LR / math.sqrt(float(t))
        for lane in range(x.shape[0]):
            m[lane] = BETA1 * m[lane] + (1.0 - BETA1) * g
            v[lane] = beta2[lane] * v[lane] + (1.0 - beta2[lane]) * g * g
            x[lane] = min(max(x[lane] - lr * m[lane] / math.sqrt(v[lane]), -1.0), 1.0)


def moments_loop(repeats: int, g: Any, m: Any, v: Any, e: Any, norm: Any) -> None:
    """The arithmetic of one worker: m, v, the update with its root and quotient, e and the norm of p."""
    for _ in range(repeats):
        for i in range(m.shape[0]):
            for lane in range(m.shape[1]):
                m[i, lane] = BETA1 * m[i, lane] + (1.0 - BETA1) * g[i, lane]
                v[i, lane] = BETA2 * v[i, lane] + (1.0 - BETA2) * g[i, lane] * g[i, lane]
                e[i, lane] += LR * m[i, lane] / math.sqrt(v[i, lane] + EPS)
                norm[lane] += abs(e[i, lane])


def stream_loop(repeats: int, factor: float, m: Any, v: Any, e: Any) -> None:
    """The traffic of one worker: m, v and e come and go once."""
    for _ in range(repeats):
        for i in range(m.shape[0]):
            for lane in range(m.shape[1]):
                m[i, lane] *= factor
                v[i, lane] *= factor
                e[i, lane] *= factor


@cache
def _jitted(loop: Callable[..., None]) -> Any:
    from numba import njit

    return njit(error_model="numpy", nogil=True)(loop)


def scalar() -> float:
    """Return nanoseconds per lane-step of the jitted scalar loop."""
    beta2 = _betas(256)
    return _best(lambda: _jitted(scalar_loop)(beta2, STEPS, np.zeros(256)), 3) / (256 * STEPS) * 1e9


def fused() -> float:
    """Return nanoseconds per lane-step of the loop fused by hand, 256 lanes."""
    beta2 = _betas(256)
    rows = [np.zeros(256) for _ in range(3)]
    return _best(lambda: _jitted(fused_loop)(beta2, STEPS, *rows)) / (256 * STEPS) * 1e9


def vectorised() -> float:
    """Return nanoseconds per lane-step of numpy, one array per quantity."""
    beta2, steps = _betas(), 500

    def job() -> None:
        x, m, v = (np.zeros(LANES) for _ in range(3))
        for t in range(1, steps + 1):
            g = float(PERIOD) if (t - 1) % PERIOD == 0 else -1.0
            m = BETA1 * m + (1.0 - BETA1) * g
            v = beta2 * v + (1.0 - beta2) * (g * g)
            x = np.clip(x - LR / math.sqrt(t) * m / np.sqrt(v), -1.0, 1.0)

    return _best(job, 3) / (LANES * steps) * 1e9


def jax() -> float:
    """Return nanoseconds per lane-step of JAX: vmap over lanes of a jitted fori_loop, x64, all cores."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call, unused-ignore]

    def run(beta2: Any) -> Any:
        def body(i: Any, carry: Any) -> Any:
            x, m, v = carry
            g = jnp.where(i % PERIOD == 0, float(PERIOD), -1.0)
            m = BETA1 * m + (1.0 - BETA1) * g
            v = beta2 * v + (1.0 - beta2) * g * g
            return jnp.clip(x - LR / jnp.sqrt(i + 1.0) * m / jnp.sqrt(v), -1.0, 1.0), m, v

        return jax.lax.fori_loop(0, STEPS, body, (jnp.zeros(()), jnp.zeros(()), jnp.zeros(())))[0]

    compiled = jax.jit(jax.vmap(run))
    beta2 = jnp.asarray(_betas())
    return _best(lambda: compiled(beta2).block_until_ready(), 3) / (LANES * STEPS) * 1e9


def torch() -> float:
    """Return nanoseconds per lane-step of eager torch, one tensor per quantity."""
    import torch

    beta2, steps = torch.from_numpy(_betas()), 500

    def job() -> None:
        x, m, v = (torch.zeros(LANES, dtype=torch.float64) for _ in range(3))
        for t in range(1, steps + 1):
            g = float(PERIOD) if (t - 1) % PERIOD == 0 else -1.0
            m = BETA1 * m + (1.0 - BETA1) * g
            v = beta2 * v + (1.0 - beta2) * (g * g)
            x = (x - LR / math.sqrt(t) * m / v.sqrt()).clamp(-1.0, 1.0)

    return _best(job, 3) / (LANES * steps) * 1e9


def two_way(workers: int, d: int, steps: int) -> Sweep:
    """Return the second job as a sweep."""
    problem = build_problem(f"quantized.quadratic:d={d},decades=1")
    optimizer = efficient_adam(LR, BETA1, BETA2, EPS)
    return Sweep(problem, optimizer, steps=steps, seeds=MESSAGE_LANES, workers=workers)


def two_way_torch(workers: int, d: int, steps: int) -> Any:
    """Run the second job in eager torch, tensors (workers, d, lanes), and return x (d, lanes)."""
    import torch

    curvature = torch.from_numpy(np.logspace(0.0, -1.0, d))[:, None]
    x = torch.ones(d, MESSAGE_LANES, dtype=torch.float64)
    E = torch.zeros_like(x)
    m, v, e = (torch.zeros(workers, d, MESSAGE_LANES, dtype=torch.float64) for _ in range(3))

    def l1_sign(p: Any) -> Any:
        scale = p.abs().mean(-2, keepdim=True).float().double()
        return torch.where(p >= 0.0, scale, -scale)

    for _ in range(steps):
        g = curvature * x
        m.mul_(BETA1).add_(g, alpha=1.0 - BETA1)
        v.mul_(BETA2).add_(g * g, alpha=1.0 - BETA2)
        e.addcdiv_(m, (v + EPS).sqrt_(), value=LR)
        c = l1_sign(e)
        e.sub_(c)
        E.add_(c.mean(0))
        b = l1_sign(E)
        E.sub_(b)
        x.sub_(b)
    return x


def _each(job: Callable[[], object], workers: int, d: int, steps: int) -> float:
    """Return nanoseconds per worker, coordinate and lane of a job of some steps."""
    return _best(job, 3) / (workers * d * MESSAGE_LANES * steps) * 1e9


def messages(workers: int, d: int) -> float:
    """Return nanoseconds per worker, coordinate and lane of this suite, one thread."""
    steps = max(20, 100_000_000 // (workers * d * MESSAGE_LANES))
    sweep = two_way(workers, d, steps)
    return _each(lambda: sweep.run(threads=1), workers, d, steps)


def messages_torch(workers: int, d: int) -> float:
    """Return nanoseconds per worker, coordinate and lane of eager torch, one thread."""
    import torch

    steps, threads = max(10, 10_000_000 // (workers * d * MESSAGE_LANES)), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _each(lambda: two_way_torch(workers, d, steps), workers, d, steps)
    finally:
        torch.set_num_threads(threads)


def roofline(workers: int, d: int) -> tuple[float, float]:
    """Return nanoseconds per worker, coordinate and lane: arithmetic in cache, and memory traffic alone.

    Nothing that does the same arithmetic on this machine beats the larger of the two.
    """
    rows = 8  # of 64 lanes, in five arrays: 20 kB
    near = [np.ones((rows, MESSAGE_LANES)) for _ in range(4)]
    norm = np.zeros(MESSAGE_LANES)
    arithmetic = _each(lambda: _jitted(moments_loop)(10_000, *near, norm), 1, rows, 10_000)
    far = [np.ones((workers * d, MESSAGE_LANES)) for _ in range(3)]
    repeats = max(20, 100_000_000 // (workers * d * MESSAGE_LANES))
    memory = _each(lambda: _jitted(stream_loop)(repeats, 1.0, *far), workers, d, repeats)
    return arithmetic, memory


def message_rows(rivals: bool) -> Iterator[Row]:
    """Yield (what, nanoseconds, ratio) for two-way quantized Adam."""
    at = messages(8, 256)
    yield (
        "two-way l1-sign Adam, one thread, per worker, coordinate and lane",
        f"{at:.2f}",
        "1; N = 8, d = 256",
    )
    arithmetic, memory = roofline(8, 256)
    least = max(arithmetic, memory)
    note = f"arithmetic {arithmetic:.2f}, memory {memory:.2f}; we take {at / least:.2f}x its time"
    yield "  roofline of one core, measured", f"{least:.2f}", note
    if rivals:
        try:
            value = messages_torch(8, 256)
            yield "  torch, vectorised, one thread", f"{value:.2f}", f"one thread is {value / at:.1f}x faster"
        except ImportError:
            yield "  torch, vectorised", "not installed", ""
    for workers in WORKERS:
        for d in DIMENSIONS:
            value = messages(workers, d)
            yield f"  N = {workers}, d = {d}", f"{value:.2f}", f"{value / at:.2f}x that of N = 8, d = 256"


def start_seconds() -> float:
    """Return seconds from the start of a fresh process to its first result, with a warm disk cache."""
    code = (
        "import theory_sim as ts; from counterexamples import reddi; "
        "ts.simulate(reddi.periodic(10.0), ts.adam(), steps=10)"
    )

    def job() -> None:
        subprocess.run([sys.executable, "-c", code], check=True)

    return _best(job, 3)


def shi_seconds() -> tuple[float, int]:
    """Return seconds and lanes of the phase diagram of Shi et al. at 1e6 steps."""
    from theory_sim.app.catalogue import sweeps

    sweep = sweeps()["shi2021.phases"]
    begin = time.perf_counter()
    sweep.run()
    return time.perf_counter() - begin, sweep.size


def rows(rivals: bool = True) -> Iterator[Row]:
    """Yield (what, nanoseconds or seconds, ratio) for every measurement."""
    one = ours(1)
    yield "theory-sim, one thread", f"{one:.2f}", "1"
    cores = os.cpu_count() or 1
    many = ours(cores)
    yield f"theory-sim, {cores} threads", f"{many:.2f}", f"{one / many:.2f}x faster than one thread"
    value = fused()
    yield "numba, fused by hand, one thread", f"{value:.2f}", f"we take {one / value:.2f}x its time"
    for work in (10**7, 10**8):
        short = ours(1, work // LANES)
        yield (
            f"theory-sim, a sweep of {work:.0e} lane-steps",
            f"{short:.2f}",
            f"{short / value:.2f}x fused by hand",
        )
    value = scalar()
    yield "numba, scalar loop, one thread", f"{value:.2f}", f"one thread is {value / one:.1f}x faster"
    value = vectorised()
    yield "numpy, one thread", f"{value:.2f}", f"one thread is {value / one:.1f}x faster"
    for name, rival in (("jax", jax), ("torch", torch)) if rivals else ():
        try:
            value = rival()
        except ImportError:
            yield f"{name}, all cores", "not installed", ""
            continue
        yield f"{name}, all cores", f"{value:.2f}", f"{cores} threads are {value / many:.1f}x faster"
    if rivals:
        try:
            yield from tensor_rows("cpu", "float64")
        except ImportError:
            yield "tensors", "not installed", ""
    yield from message_rows(rivals)
    seconds, lanes = shi_seconds()
    yield f"phase diagram of Shi et al., {lanes} lanes x 1e6 steps", f"{seconds:.2f} s", ""
    yield "second process, start to first result", f"{start_seconds():.2f} s", ""
