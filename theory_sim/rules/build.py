"""Compiled kernels: every one is a generated file whose name is the digest of all it consists of.

So the disk cache of numba is never stale, a kernel typed at a prompt is cached like any other, and what is
compiled is the function in memory, never the text of its file.

Kernels of one kind share a signature.  ``w`` workers, ``d`` coordinates, ``L`` lanes,
``t = 1, 2, ...`` the step:

=========  ==================================================  =============================================
kind       signature                                           writes
=========  ==================================================  =============================================
step       (g, t, lr, hyper, noise, state, x)                  state (s, d, L) and x (d, L) in place
exchange   step + (up, down)                                   the same; up and down are messages
gradient   (x, t, idx, noise, theta, out)                      out (w, d, L), one gradient per worker
measure    (x, t, idx, noise, theta, out)                      out (k, L), one row per named measure
schedule   (t, parameters, factor)                             factor (L,), lr_t = lr * factor
sampler    (t, size, u, table, idx)                            idx (w, L), the component each worker draws
uniform    (t, slot, key, out)                                 out (q, L), uniforms in [0, 1)
compress   (p, u, hyper, out)                                  out (d, L), what the receiver of p decodes
=========  ==================================================  =============================================

A kernel of this form, told by exactly these argument names, is the escape hatch for what no rule can say
(`theory_sim.rules.language`).  Inputs: g (w, d, L), or (1, d, L) once averaged; lr (L,); hyper (h, L); theta
(p, L); noise (q, L) uniforms; size (L,) int64 components; key (L,) uint64; all other arrays float64, except
idx and table (int64).  A message has ``send``, a compress kernel, ``hyper`` (h,), its rows, and ``noise``,
the uniforms of all workers: ``up.send(p, up.noise[...], up.hyper, out)``.

No fastmath of any kind: it deletes the test for non-finite values.
"""

from __future__ import annotations

import atexit
import builtins
import inspect
import math
import os
import shutil
import sys
import tempfile
import types as python_types
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

import numpy as np

from theory_sim.rules.digest import captured
from theory_sim.rules.language import Rule, Source

# error_model="numpy" keeps the lane loop vectorised: the ZeroDivisionError test of the default would not.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}

ARGUMENTS = {
    "step": ("g", "t", "lr", "hyper", "noise", "state", "x"),
    "exchange": ("g", "t", "lr", "hyper", "noise", "state", "x", "up", "down"),
    "gradient": ("x", "t", "idx", "noise", "theta", "out"),
    "measure": ("x", "t", "idx", "noise", "theta", "out"),
    "schedule": ("t", "parameters", "factor"),
    "sampler": ("t", "size", "u", "table", "idx"),
    "uniform": ("t", "slot", "key", "out"),
    "compress": ("p", "u", "hyper", "out"),
}
AHEAD = (
    64  # steps for which a schedule that all lanes share is asked at once: a call costs more than a factor
)
LOCK = RLock()


class Message(NamedTuple):
    """What an exchange kernel sends with: a compress kernel, its rows (h,) and the uniforms of all workers (w q, L)."""

    send: Any
    hyper: Any
    noise: Any


def is_raw(kind: str, function: Rule) -> bool:
    """Return whether a function is a kernel of this kind, told by its argument names."""
    return inspect.isfunction(function) and tuple(inspect.signature(function).parameters) == ARGUMENTS[kind]


class Tile(NamedTuple):
    """The arrays of one tile of L lanes; float64 unless said otherwise.

    ``lr0``, ``lr`` (L,) step sizes before and after the schedule; ``parameters`` (s, 1 or L) of the schedule
    and its ``factor``, (L,) of this step or (AHEAD,) of this step and the next ones, the same in all lanes;
    ``hyper`` (h, L); ``theta`` (p, L); ``size`` (L,) int64 components; ``key`` (L,) uint64; ``u``, ``table``,
    ``idx`` (w, L) of the sampling order; ``noise``, ``own_noise`` uniforms; rows and uniforms of the
    messages; ``g`` (w, d, L); ``mean`` (1, d, L), or (0, d, L) for an optimizer that sees every worker;
    ``state`` (s, d, L); ``x`` (d, L); ``stopped`` (L,) int64, the first step whose iterate is not finite (0:
    none), from which on the lane is NaN; ``escaped`` (L,) int64, 1 if that iterate was infinite and there is
    no box; ``block``, the memory that lr, hyper, theta, noise, x and state are parts of; ``work`` scratch;
    ``halt`` (2,) int64: stop if the first is set; steps done.
    """

    lr0: Any
    lr: Any
    parameters: Any
    factor: Any
    hyper: Any
    theta: Any
    size: Any
    key: Any
    u: Any
    table: Any
    idx: Any
    noise: Any
    own_noise: Any
    up_hyper: Any
    up_noise: Any
    down_hyper: Any
    down_noise: Any
    g: Any
    mean: Any
    state: Any
    x: Any
    stopped: Any
    escaped: Any
    block: Any
    work: Any
    halt: Any


class Limits(NamedTuple):
    """What is the same for all lanes of a tile.

    The box; the target of the first hit and the measure watched for it (-1: none); whether components are
    drawn, are the same in all lanes, whether the schedule varies, whether each lane has one of its own, the
    optimizer sends messages first, gradient and step are one kernel, the running statistics are kept, the
    optimizer sees the mean of several workers; and how many of the measures are the problem's.
    """

    low: float
    high: float
    target: float
    watched: int
    sampled: int
    lockstep: int
    varying: int
    each: int
    begins: int
    paired: int
    running: int
    averaged: int
    measures: int


class Record(NamedTuple):
    """When the loop records, and what; k measures, S stops, c checkpoints, n windows.

    ``stops`` (S,) int64 increasing numbers of updates, ``kept`` (S,) int64 1 for a checkpoint, ``edges`` (n,
    2) int64 half-open windows (a, b]; ``first`` (k, L) at x_1; at checkpoints ``x`` (c, d, L), ``values`` (c,
    k, L), and ``mean``, ``least``, ``most`` over x_1 ... x_c if running; ``window`` (n, k, L) means; ``hits``
    (2, L) int64: after how many updates the watched measure, and its mean over the path, first were <= target
    (-1: not yet); scratch.
    """

    stops: Any
    kept: Any
    edges: Any
    first: Any
    x: Any
    values: Any
    mean: Any
    least: Any
    most: Any
    window: Any
    hits: Any
    path: Any
    row: Any
    total: Any
    sums: Any
    low: Any
    high: Any


@cache
def arrays() -> dict[str, Any]:
    """Return the numba types of arrays by their number of dimensions: real ones, and whole ones with ``int``."""
    from numba import types

    real = {f"real{n}": types.Array(types.float64, n, "C") for n in (1, 2, 3)}
    return real | {f"int{n}": types.Array(types.int64, n, "C") for n in (1, 2, 3)}


@cache
def tile_types() -> tuple[Any, Any, Any]:
    """Return the numba types of `Tile`, `Limits` and `Record`."""
    from numba import types

    of = {**arrays(), "key": types.Array(types.uint64, 1, "C")}
    tile = (
        "real1 real1 real2 real1 real2 real2 int1 key real2 int3 int2 real2 real2 real1 real2 real1 real2 "
        "real3 real3 real3 real2 int1 int1 real1 real2 int1"
    )
    record = (
        "int1 int1 int2 real2 real3 real3 real3 real3 real3 real3 int2 real1 real2 real2 real2 real2 real2"
    )
    named: Any = types.NamedTuple
    return (
        named(tuple(of[kind] for kind in tile.split()), Tile),
        named((types.float64,) * 3 + (types.int64,) * 10, Limits),
        named(tuple(of[kind] for kind in record.split()), Record),
    )


@cache
def signature(kind: str) -> Any:
    """Return the numba signature of a generated kernel."""
    from numba import types

    of, integer = arrays(), types.int64
    vector, matrix, cube = of["real1"], of["real2"], of["real3"]
    evaluate = (matrix, integer, of["int2"], matrix, matrix)
    compress = types.void(matrix, matrix, vector, matrix)
    message = (types.FunctionType(compress), vector, matrix)
    schedule = types.void(integer, matrix, vector)
    sampler = types.void(integer, of["int1"], matrix, of["int3"], of["int2"])
    uniform = types.void(integer, integer, types.Array(types.uint64, 1, "C"), matrix)
    measure = types.void(*evaluate, matrix, matrix)
    watch = types.void(cube, integer, vector, matrix, cube, matrix, matrix, matrix)
    called = (types.FunctionType(one) for one in (measure, schedule, sampler, uniform))
    return {
        "step": types.void(cube, integer, vector, matrix, matrix, cube, matrix, *message, *message, matrix),
        "gradient": types.void(*evaluate, cube, matrix),
        "measure": measure,
        "watch": watch,
        "schedule": schedule,
        "sampler": sampler,
        "uniform": uniform,
        "compress": compress,
        "pair": integer(*called, *tile_types(), integer, integer, integer, integer),
    }[kind]


@cache
def pointer_type() -> Any:
    """Return the class of compiled kernels whose address numba need not look up at every call."""
    from numba.core.types import WrapperAddressProtocol

    class Pointer(WrapperAddressProtocol):
        """A compiled kernel and its address."""

        def __init__(self, call: Any, sig: Any) -> None:
            from numba.experimental import function_type

            address: Any = function_type._get_wrapper_address

            self.call, self._signature = call, sig
            self._address = address(call, sig)

        def __wrapper_address__(self) -> int:
            return int(self._address)

        def signature(self) -> Any:
            return self._signature

        def __call__(self, *arguments: Any) -> Any:
            return self.call(*arguments)

    return Pointer


def jitting() -> bool:
    """Return whether kernels are compiled; not under ``NUMBA_DISABLE_JIT=1``."""
    from numba import config

    return not getattr(config, "DISABLE_JIT", 0)


def lasting() -> Path:
    """Return the folder in which compiled code is kept from one process to the next, if it can be written."""
    from numba import config

    chosen = getattr(config, "CACHE_DIR", "") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) / "theory_sim"


@cache
def folder() -> Path:
    """Return the folder of generated modules and, beside them, their compiled code."""
    try:
        kept = lasting()
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=kept):  # a folder may exist and not be writable
            return kept
    except (OSError, RuntimeError):
        made = Path(tempfile.mkdtemp(prefix="theory_sim"))
        atexit.register(_remove, made, os.getpid())
        return made


def _remove(folder: Path, process: int) -> None:
    """Remove the folder at the end of the process that made it; a process forked from that one leaves it."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def module(name: str, text: str) -> python_types.ModuleType:
    """Write a module, atomically and once, and import it."""
    path = folder() / f"{name}.py"
    if not path.exists() or path.read_text() != text:
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(text)
        part.replace(path)
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    sys.modules[name] = made  # the disk cache of numba finds the module by its name
    spec.loader.exec_module(made)
    return made


def jitted(function: Rule, home: str, bounded: bool = False) -> Any:
    """Return a rule as a function that compiled code can call, with the plain functions that it calls itself.

    It is told that it lives in the module `home`, beside the code that calls it: the disk cache would look
    for the module in which it was written, which another process need not have.
    """
    from numba import njit

    # Nobody but compiled code calls it: without its wrappers it compiles in three quarters of the time.
    bare: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

    change = partial(_inner, home, bounded)
    return njit(boundscheck=bounded, **bare, **OPTIONS)(_rebound(function, change, {"__name__": home}))


def _inner(home: str, bounded: bool, value: Any) -> Any:
    """Return what a compiled function captures: the functions among it compiled too."""
    return jitted(value, home, bounded) if isinstance(value, python_types.FunctionType) else value


def settled(function: Rule, home: python_types.ModuleType) -> Rule:
    """Return a function that lives in a generated module: there the disk cache of numba looks for its code."""
    made = _rebound(function, partial(_inner, home.__name__, False), {"__name__": home.__name__})
    made.__code__ = made.__code__.replace(co_filename=str(home.__file__))
    return made


def _rebound(function: Rule, change: Callable[[Any], Any], extra: Mapping[str, Any]) -> Rule:
    """Return a function with changes to the values that it captures, and other globals."""
    inner = {name: change(value) for name, value in captured(function, modules=True).items()}
    cells = tuple(
        python_types.CellType(inner[name]) if name in inner else cell
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    )
    own = {**function.__globals__, **extra, **inner}
    made = python_types.FunctionType(function.__code__, own, function.__name__, function.__defaults__, cells)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _call(module: Any, name: str, *values: Any) -> Any:
    """Call a function of a module, which is looked up only now: an arithmetic may lack one that is never called."""
    return getattr(module, name)(*values)


def rebound(function: Rule, namespace: Mapping[str, Any]) -> Rule:
    """Return a function, and those that it calls, with math, numpy and built-ins of another arithmetic.

    Parameters
    ----------
    function : callable
    namespace : mapping of str to object
        What replaces the modules, ``math`` and ``np``, their functions, and built-ins by name, whatever
        the function calls them.
    """

    def change(value: Any) -> Any:
        if isinstance(value, python_types.FunctionType):
            return rebound(value, namespace)
        name = getattr(value, "__name__", "") if callable(value) else ""
        for key, module in (("math", math), ("np", np)):
            if value is module:
                return namespace[key]
            if name and getattr(module, name, None) is value:
                return partial(_call, namespace[key], name)
        return namespace.get(name, value) if getattr(builtins, name, None) is value else value

    plain = {name: value for name, value in namespace.items() if name not in ("math", "np")}
    return _rebound(function, change, plain)


_HEADER = "import math\n\nimport numpy as np\n\nfrom theory_sim.rules.build import Message\n\n\n"


def python(source: Source, namespace: Mapping[str, Any] | None = None) -> Rule:
    """Return a kernel in plain Python, in another arithmetic if a namespace is given."""
    made: dict[str, Any] = {"math": math, "np": np, "Message": Message}
    functions = dict(source.functions)
    if namespace is not None:
        functions = {name: rebound(one, namespace) for name, one in functions.items()}
        made.update(namespace)
    exec(compile(source.text, f"<{source.kind}>", "exec"), {**made, **functions}, made)  # noqa: S102
    kernel: Rule = made["kernel"]
    return python_types.FunctionType(kernel.__code__, {**made, **functions}, "kernel")


_COMPILED: dict[str, Any] = {}
_CLOSED = ("pair", "step", "watch")  # kernels that only the lane loop calls


def compiled(source: Source) -> Any:
    """Return a kernel compiled for its kind: once per process, and kept on disk."""
    if not jitting():
        return python(source)
    key = source.digest
    with LOCK:
        if key not in _COMPILED:
            _COMPILED[key] = _compile(source, key)
    return _COMPILED[key]


def is_cached(source: Source) -> bool:
    """Return whether a kernel is compiled in this process or on disk."""
    key = source.digest
    if key in _COMPILED:
        return True
    kept = folder() / "__pycache__"
    return kept.exists() and f"{source.kind}_{key}.kernel" in _on_disk(kept, kept.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _on_disk(folder: Path, changed: int) -> frozenset[str]:
    """Return the kernels with compiled code in a folder, which was last changed at that time."""
    return frozenset(path.name.rpartition("-")[0] for path in folder.glob("*.nbi"))


def _compile(source: Source, key: str) -> Any:
    from numba import njit

    home = module(f"{source.kind}_{key}", _HEADER + source.text)
    for name, function in source.functions.items():
        setattr(home, name, jitted(function, home.__name__, source.bounded))
    sig = signature(source.kind)
    try:
        # Without the door for Python, which calls none of these, they compile in five sixths of the time.
        closed: dict[str, Any] = {"no_cpython_wrapper": True} if source.kind in _CLOSED else {}
        made = njit(sig, cache=True, **closed, **OPTIONS)(home.kernel)
    except Exception as error:  # numba raises what its passes meet, AssertionError among them
        rules = " or ".join(function.__name__ for function in source.functions.values())
        raise ValueError(
            f"{rules} cannot be compiled ({_reason(error)}); a rule uses numbers, built-ins, math and plain functions."
        ) from error
    # An exception leaves a kernel that is called as the dispatcher itself, not one called by
    # its address alone.
    return made if source.bounded else pointer_type()(made, sig)


def _reason(error: Exception) -> str:
    """Return the line of numba's page that says what is wrong."""
    lines = [line.strip(" >") for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith("Failed in nopython mode")]
    if lines[:1] and lines[0].startswith("No implementation of function"):
        lines = [f"no {lines[1]}"] if len(lines) > 1 else lines
    return lines[0][:200].rstrip(".:") if lines else type(error).__name__
