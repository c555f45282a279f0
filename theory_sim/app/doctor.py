"""What this machine offers to a run: versions, cores, the cache of compiled code, extras, and a self-test."""

from __future__ import annotations

import math
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec

import numpy as np

from theory_sim.app import catalogue, door
from theory_sim.optimizers.adam import adam, adam_rule

_PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "xarray", "zarr", "matplotlib", "sympy", "click")
# Of each extra, the modules that its distributions install.
_EXTRAS = {
    "test": (
        *(
            "pytest",
            "hypothesis",
            "pytest_timeout",
            "xdist",
            "mpmath",
            "flint",
            "PEPit",
            "sklearn",
            "distributed",
            "ruff",
            "mypy",
        ),
    ),
    "exact": ("flint", "mpmath"),
    "cluster": ("distributed",),
    "torch": ("torch",),
    "networks": ("torch", "sklearn"),
    "optax": ("jax", "optax"),
    "zoo": ("pytorch_optimizer", "torch"),
    "bench": ("jax",),
    "browser": ("playwright",),
    "docs": ("sphinx", "numpydoc", "pydata_sphinx_theme"),
}
_STEPS = 1000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its name, what was found, and whether that is well (None: as it is)."""

    what: str
    found: str
    well: bool | None = None


def findings() -> Iterator[Finding]:
    """Yield what is found, in order; the self-test, which compiles for seconds the first time, is the last."""
    yield Finding("theory-sim", metadata.version("theory-sim"))
    yield Finding("python", f"{platform.python_version()} ({sys.executable})")
    for name in _PACKAGES:
        yield Finding(name, metadata.version(name))
    yield Finding("machine", f"{platform.system()} {platform.machine()}, {_cores()}")
    yield Finding("SIMD", _simd())
    yield _threading()
    yield _cache()
    for extra, modules in _EXTRAS.items():
        missing = [name for name in modules if find_spec(name) is None]
        yield Finding(f"extra {extra}", f"lacks {', '.join(missing)}" if missing else "installed")
    for module, owner in door.installed().items():
        try:
            door.offer(module, f"module {module} of {owner}")
            yield Finding(f"module {module}", f"of {owner}", True)
        except ValueError as error:
            yield Finding(f"module {module}", str(error), False)
    yield self_test()


def _cores() -> str:
    count = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count
    return f"{usable} of {count} cores usable"


def _simd() -> str:
    """Return the name of the processor as LLVM knows it, and the SIMD extensions that numpy found."""
    binding = import_module("llvmlite.binding")
    extensions = np.show_config(mode="dicts").get("SIMD Extensions", {})
    found = [*extensions.get("baseline", ()), *extensions.get("found", ())]
    return f"{binding.get_host_cpu_name()}: {', '.join(found) or 'none found'}"


def _threading() -> Finding:
    """Lanes run on threads of Python that hold no lock; numba's own layer is not used, and named for others."""
    from numba import config

    pools = {"tbb": "tbbpool", "omp": "omppool", "workqueue": "workqueue"}
    there = [name for name, module in pools.items() if find_spec(f"numba.np.ufunc.{module}") is not None]
    chosen = f"{getattr(config, 'THREADING_LAYER', 'default')}, built: {', '.join(there)}; lanes have threads of their own"
    disabled = bool(getattr(config, "DISABLE_JIT", 0))
    if disabled:
        chosen += "; NUMBA_DISABLE_JIT is set, so nothing is compiled"
    return Finding("numba threading", chosen, None if not disabled else False)


def _cache() -> Finding:
    """Say where compiled code is kept, how much of it there is, and whether it outlives the process."""
    from theory_sim.rules import build

    folder = build.folder()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        lasting = folder == build.lasting()
    except RuntimeError:  # there is no home
        lasting = False
    said = f"{folder}, {size / 2**20:.1f} MiB"
    if not lasting:
        said += "; for this process only: give XDG_CACHE_HOME a folder that can be written"
    return Finding("cache", said, lasting)


def self_test() -> Finding:
    """Compare a compiled lane of Adam with the same rule in plain Python, bit for bit."""
    from theory_sim.nouns.sweep import simulate

    begin = time.perf_counter()
    optimizer = adam(0.5, 0.9, 0.99, eps=0.0, bias_correction=False)
    problem = catalogue.build_problem("reddi.periodic:C=10")
    x = problem.start if isinstance(problem.start, float) else 0.0
    seen = simulate(problem, optimizer, steps=_STEPS, x0=x).x_final.item()
    lane, m, v = x, 0.0, 0.0
    for t in range(_STEPS):
        g = 10.0 if t % 10 == 0 else -1.0
        lane, m, v = adam_rule(g, 0.5, 0.9, 0.99, 0.0, 0.0, lane, m, v)
        lane = min(max(lane, -1.0), 1.0)
    said = f"{_STEPS} steps of Adam, compiled and in plain Python: {seen!r} and {lane!r}"
    return Finding(
        "self-test", f"{said}, {time.perf_counter() - begin:.1f} s", seen == lane and math.isfinite(seen)
    )
