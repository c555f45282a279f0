"""The benchmark: the lane loop beside its rivals, in the same run.

The job is Adam (beta1 0.9, beta2 varying over lanes, eps 0, no bias correction, lr/sqrt(t)) on Reddi's
periodic problem with period 10 and projection on [-1, 1], in float64.  Every rival does the same arithmetic.

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
from functools import cache
from typing import Any

import numpy as np

from theory_sim.app.catalogue import build_problem
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


def ours(threads: int, steps: int = 10 * STEPS) -> float:
    """Return nanoseconds per lane-step of this suite.

    Long runs compile a pair of rules, and shorter ones find it.
    """
    optimizer = adam(LR, BETA1, eps=0.0, bias_correction=False, schedule=power(0.5))
    sweep = Sweep(build_problem(f"reddi.periodic:C={PERIOD}"), optimizer, {"beta2": _betas()}, steps=steps)
    return _best(lambda: sweep.run(threads=threads), 3) / (LANES * steps) * 1e9


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
    yield from message_rows(rivals)
    seconds, lanes = shi_seconds()
    yield f"phase diagram of Shi et al., {lanes} lanes x 1e6 steps", f"{seconds:.2f} s", ""
    yield "second process, start to first result", f"{start_seconds():.2f} s", ""
