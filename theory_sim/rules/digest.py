"""What a function is, as a number: its bytecode and every value that it captures, the same in every process."""

from __future__ import annotations

import builtins
import dis
import hashlib
import math
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_MODULES = (math, np)
_BUILTINS = frozenset(vars(builtins))


def captured(function: Callable[..., Any], modules: bool = False) -> dict[str, Any]:
    """Return the values that a function takes from its module and its closure, by name; ``math`` and numpy if asked for.

    Raises
    ------
    ValueError
        If it reads a name that does not exist, or a module other than ``math`` and ``numpy``: neither numba nor a
        digest sees that a value behind such a name has changed.
    """
    found: dict[str, Any] = {}
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        found[name] = cell.cell_contents
    for name in sorted(_globals(code)):
        if name in function.__globals__:
            found[name] = function.__globals__[name]
        elif name not in _BUILTINS:
            raise ValueError(f"{function.__name__} uses {name!r}, which is not defined where it was written.")
    for value in found.values():
        if isinstance(value, types.ModuleType) and value not in _MODULES:
            raise ValueError(
                f"{function.__name__} reads the module {value.__name__!r}; a rule or kernel uses math, numpy and plain "
                "values only: pass what it needs as an argument, or assign it to a name of its own module."
            )
    return {
        name: value for name, value in found.items() if modules or not isinstance(value, types.ModuleType)
    }


def _globals(code: types.CodeType) -> set[str]:
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _globals(constant)
    return names


def digest(*parts: Any) -> str:
    """Return 16 hex digits that identify values: numbers, text, arrays, functions, and containers of them."""
    value = hashlib.sha256()
    for part in parts:
        _update(value, part, ())
    return value.hexdigest()[:16]


def _update(value: Any, part: Any, open_: tuple[int, ...]) -> None:
    """Feed one part, with its type and its length, so that no two lists of parts read alike."""

    def feed(kind: str, raw: bytes) -> None:
        value.update(f"{kind}:{len(raw)}:".encode() + raw)

    if isinstance(part, np.ndarray | np.generic):
        array = np.asarray(part)
        if array.dtype == object:
            _update(value, array.tolist(), open_)
            return
        feed("array", f"{array.dtype.str}{array.shape}".encode())
        feed("bytes", np.ascontiguousarray(array).tobytes())
    elif isinstance(part, types.CodeType):
        feed("code", part.co_code)
        _update(value, (part.co_names, part.co_varnames, part.co_freevars, part.co_consts), open_)
    elif isinstance(part, types.FunctionType):
        if id(part) in open_:
            feed("again", b"")
            return
        _update(value, part.__code__, open_)
        _update(value, (part.__defaults__, captured(part)), (*open_, id(part)))
    elif hasattr(part, "py_func"):
        _update(value, part.py_func, open_)
    elif isinstance(part, Mapping):
        feed("map", str(len(part)).encode())
        for key, one in part.items():
            _update(value, (key, one), open_)
    elif isinstance(part, tuple | list):
        feed("list", str(len(part)).encode())
        for one in part:
            _update(value, one, open_)
    elif isinstance(part, frozenset | set):
        _update(value, sorted(part, key=repr), open_)
    elif isinstance(part, float):
        feed("float", part.hex().encode())
    elif part is None or isinstance(part, str | bytes | int | complex):
        feed(type(part).__name__, repr(part).encode())
    else:
        feed("object", f"{type(part).__module__}.{type(part).__qualname__}".encode())
        state = getattr(part, "__dict__", None)
        _update(value, dict(state) if state else repr(part), open_)
