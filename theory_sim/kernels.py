"""Kernel signatures and the registry that compiles a kernel on first use.

A kernel is a plain, undecorated function over a *tile* of ``L`` lanes; a lane is one simulated run.
Lanes are the innermost, contiguous axis.  ``w`` workers, ``d`` coordinates, ``t = 1, 2, ...`` the step.

=========  ==========================================  ====================================================
kind       signature                                   writes
=========  ==========================================  ====================================================
step       (g, t, lr, hyper, noise, state, x)          state (s, d, L) and x (d, L) in place
gradient   (x, t, idx, noise, theta, out)              out (w, d, L), one gradient per worker
measure    (x, t, idx, noise, theta, out)              out (k, L), one row per named measure
schedule   (t, parameters, factor)                     factor (F,), lr_t = lr * factor; F is 1 or L
sampler    (t, size, u, table, idx)                    idx (w, L), the component each worker draws
uniform    (t, slot, key, out)                         out (q, L), uniforms in [0, 1)
compress   (p, u, hyper, out)                          out (d, L), what the receiver of p decodes
exchange   step + (up, up_hyper, up_noise,             state and x in place; up and down are compress
           down, down_hyper, down_noise)               kernels, with their own rows and uniforms
=========  ==========================================  ====================================================

An exchange is the step of a method that sends messages.  It is called once with t = 0 before the first
gradient, to place the point where that gradient is queried.

Inputs: g (w, d, L), or (1, d, L) once averaged; lr (L,); hyper (h, L); theta (p, L); noise (q, L) uniforms;
size (L,) int64 components; key (L,) uint64.  A message p (d, L), its uniforms u (q, L), the compressor's rows
hyper (h,), which all lanes of a tile share; up_noise (w q, L) holds the uniforms of all workers.  Every
other array is float64, except idx and table (int64).

A kernel calls only built-ins and ``math`` / numpy primitives, never a function of another module: the disk
cache of numba watches one file per kernel and would go stale.  No fastmath of any kind: it deletes the test
for non-finite values.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

Kernel = Callable[..., None]

_ARGUMENTS = {
    "step": ("g", "t", "lr", "hyper", "noise", "state", "x"),
    "gradient": ("x", "t", "idx", "noise", "theta", "out"),
    "measure": ("x", "t", "idx", "noise", "theta", "out"),
    "schedule": ("t", "parameters", "factor"),
    "sampler": ("t", "size", "u", "table", "idx"),
    "uniform": ("t", "slot", "key", "out"),
    "compress": ("p", "u", "hyper", "out"),
    "exchange": (
        *("g", "t", "lr", "hyper", "noise", "state", "x"),
        *("up", "up_hyper", "up_noise", "down", "down_hyper", "down_noise"),
    ),
}

# error_model="numpy" keeps the lane loop vectorised: the ZeroDivisionError test of the default would not.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}


@cache
def signature(kind: str) -> Any:
    """Return the numba signature of a kernel kind."""
    from numba import types

    real, integer = types.float64, types.int64
    vector, matrix, cube = (types.Array(real, n, "C") for n in (1, 2, 3))
    indices = types.Array(integer, 2, "C")
    evaluate = (matrix, integer, indices, matrix, matrix)
    arguments: dict[str, tuple[Any, ...]] = {
        "step": (cube, integer, vector, matrix, matrix, cube, matrix),
        "gradient": (*evaluate, cube),
        "measure": (*evaluate, matrix),
        "schedule": (integer, matrix, vector),
        "sampler": (integer, types.Array(integer, 1, "C"), matrix, types.Array(integer, 3, "C"), indices),
        "uniform": (integer, integer, types.Array(types.uint64, 1, "C"), matrix),
        "compress": (matrix, matrix, vector, matrix),
    }
    message = (types.FunctionType(types.void(*arguments["compress"])), vector, matrix)
    arguments["exchange"] = (*arguments["step"], *message, *message)
    return types.void(*arguments[kind])


def check_arguments(kind: str, kernel: Kernel) -> None:
    """Raise ValueError unless `kernel` takes the number of arguments its kind prescribes."""
    expected = _ARGUMENTS[kind]
    if not inspect.isfunction(kernel):
        raise TypeError(
            f"{kind} kernel {kernel!r} must be a plain Python function; leave compiling to theory_sim."
        )
    if len(inspect.signature(kernel).parameters) != len(expected):
        raise ValueError(
            f"{kind} kernel {kernel.__name__}{inspect.signature(kernel)} must take "
            f"({', '.join(expected)}); see theory_sim.kernels."
        )


@cache
def compiled(kind: str, kernel: Kernel) -> Any:
    """Compile a kernel for its kind, once per process and cached on disk when its source is a file.

    Parameters
    ----------
    kind : str
        One of the kinds in the table above.
    kernel : callable
        Plain Python function with the arguments of its kind.

    Returns
    -------
    callable
        The compiled function; the plain one under ``NUMBA_DISABLE_JIT=1``.
    """
    # numba freezes the values a function captures, but its disk cache does not watch them.
    return jit(signature(kind), kernel, cache=not captured(kernel))


def captured(kernel: Kernel) -> dict[str, Any]:
    """Return the closure and global values, other than modules, that compilation freezes into a kernel."""
    seen = inspect.getclosurevars(kernel)
    values = {**seen.globals, **seen.nonlocals}
    return {name: value for name, value in values.items() if not inspect.ismodule(value)}


def jit(sig: Any, function: Callable[..., Any], *, cache: bool = True) -> Any:
    """Compile `function` for one explicit signature with the options every kernel shares."""
    from numba import njit

    try:
        return njit(sig, cache=cache, **OPTIONS)(function)
    except RuntimeError as error:  # a function typed at a prompt has no file to cache beside
        if "no locator available" not in str(error):
            raise
        return njit(sig, **OPTIONS)(function)


def digest(kernel: Kernel) -> str:
    """Return 12 hex digits that identify a kernel: its source, its bytecode and the values it captures."""
    code = kernel.__code__
    try:
        source = inspect.getsource(kernel)
    except OSError:
        source = ""
    parts = (source, code.co_code, code.co_consts, code.co_names, sorted(captured(kernel).items()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
