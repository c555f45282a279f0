"""The benchmark: the lane loop beside its rivals, in the same run.

The job is Adam (beta1 0.9, beta2 varying over lanes, eps 0, no bias correction, lr/sqrt(t)) on Reddi's periodic
problem with period 10 and projection on [-1, 1], in float64.  Every rival does the same arithmetic.
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

from theory_sim.catalogue import build_problem
from theory_sim.optimizers.adam import adam
from theory_sim.schedule import power
from theory_sim.sweep import Sweep

LANES = 1024
STEPS = 100_000
PERIOD = 10
LR = 0.01
BETA1 = 0.9

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


def ours(threads: int) -> float:
    """Return nanoseconds per lane-step of this suite."""
    optimizer = adam(LR, BETA1, eps=0.0, bias_correction=False, schedule=power(0.5))
    sweep = Sweep(build_problem(f"reddi.periodic:C={PERIOD}"), optimizer, {"beta2": _betas()}, steps=STEPS)
    return _best(lambda: sweep.run(threads=threads)) / (LANES * STEPS) * 1e9


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
    """The same runs, step and gradient fused by hand over a tile: the roofline of a loop that is not modular."""
    for t in range(1, steps + 1):
        g = float(PERIOD) if (t - 1) % PERIOD == 0 else -1.0
        lr = LR / math.sqrt(float(t))
        for lane in range(x.shape[0]):
            m[lane] = BETA1 * m[lane] + (1.0 - BETA1) * g
            v[lane] = beta2[lane] * v[lane] + (1.0 - beta2[lane]) * g * g
            x[lane] = min(max(x[lane] - lr * m[lane] / math.sqrt(v[lane]), -1.0), 1.0)


@cache
def _jitted(name: str) -> Any:
    from numba import njit

    return njit(error_model="numpy", nogil=True)({"scalar": scalar_loop, "fused": fused_loop}[name])


def scalar() -> float:
    """Return nanoseconds per lane-step of the jitted scalar loop."""
    beta2 = _betas(256)
    return _best(lambda: _jitted("scalar")(beta2, STEPS, np.zeros(256)), 3) / (256 * STEPS) * 1e9


def fused() -> float:
    """Return nanoseconds per lane-step of the loop fused by hand, 256 lanes."""
    beta2 = _betas(256)
    rows = [np.zeros(256) for _ in range(3)]
    return _best(lambda: _jitted("fused")(beta2, STEPS, *rows)) / (256 * STEPS) * 1e9


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
    from theory_sim.catalogue import sweeps

    sweep = sweeps()["shi2021.phases"]
    begin = time.perf_counter()
    sweep.run()
    return time.perf_counter() - begin, sweep.lanes.count


def rows(rivals: bool = True) -> Iterator[Row]:
    """Yield (what, nanoseconds or seconds, ratio) for every measurement."""
    one = ours(1)
    yield "theory-sim, one thread", f"{one:.2f}", "1"
    cores = os.cpu_count() or 1
    many = ours(cores)
    yield f"theory-sim, {cores} threads", f"{many:.2f}", f"{one / many:.2f}x faster than one thread"
    value = fused()
    yield "numba, fused by hand, one thread", f"{value:.2f}", f"we take {one / value:.2f}x its time"
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
    seconds, lanes = shi_seconds()
    yield f"phase diagram of Shi et al., {lanes} lanes x 1e6 steps", f"{seconds:.2f} s", ""
    yield "second process, start to first result", f"{start_seconds():.2f} s", ""
