"""What a function is, as a number: its bytecode and what it captures, the same in every process."""

from __future__ import annotations

import builtins
import dis
import hashlib
import math
import types
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any, TypeVar

import numpy as np

_MODULES = (math, np)
_BUILTINS = frozenset(vars(builtins))


def captured(function: Callable[..., Any], modules: bool = False) -> dict[str, Any]:
    """Return the values that a function takes from its module and its closure, by name; modules if asked for.

    Raises
    ------
    ValueError
        If it reads a name that does not exist, or a module other than ``math`` and ``numpy``: neither numba
        nor a digest sees that a value behind such a name has changed.
    """
    found: dict[str, Any] = {}
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        found[name] = cell.cell_contents
    for name in _globals(code):
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


@lru_cache(4096)
def _globals(code: types.CodeType) -> tuple[str, ...]:
    """Return the names of the globals that code reads, sorted."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names.update(_globals(constant))
    return tuple(sorted(names))


_CONSTANT = (
    float,
    int,
    str,
    bytes,
    complex,
    type(None),
    types.ModuleType,
    types.BuiltinFunctionType,
    type,
    np.ufunc,
)


def _is_constant(value: Any) -> bool:
    return all(map(_is_constant, value)) if type(value) is tuple else isinstance(value, _CONSTANT)


class Snapshot:
    """What functions, and those that they call, capture at one moment: a value may change, as at a prompt.

    Parameters
    ----------
    *functions : callable
    """

    def __init__(self, *functions: Callable[..., Any]) -> None:
        self._code: list[tuple[Any, types.CodeType, Any]] = []
        self._globals: list[tuple[Mapping[str, Any], str, Any]] = []
        self._cells: list[tuple[types.CellType, Any]] = []
        seen, waiting = set(), [*functions]
        while waiting:
            one = waiting.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            space = one.__globals__
            names, cells = _globals(one.__code__), one.__closure__ or ()
            self._code.append((one, one.__code__, one.__defaults__))
            self._globals += [(space, name, space.get(name)) for name in names]
            self._cells += [(cell, cell.cell_contents) for cell in cells]
            values = [*map(space.get, names), *(cell.cell_contents for cell in cells)]
            waiting += [value for value in values if isinstance(value, types.FunctionType)]
        values = [kept[-1] for kept in (*self._code, *self._globals, *self._cells)]
        own = (*_CONSTANT, types.FunctionType)
        self._others = [
            (one, digest(one)) for one in values if not (isinstance(one, own) or _is_constant(one))
        ]

    def holds(self) -> bool:
        """Return whether all of it is as it was; much cheaper than a digest."""
        for function, code, defaults in self._code:
            if function.__code__ is not code or function.__defaults__ is not defaults:
                return False
        for space, name, value in self._globals:
            if space.get(name) is not value:
                return False
        for cell, value in self._cells:
            if cell.cell_contents is not value:
                return False
        return all(digest(value) == before for value, before in self._others)


Made = TypeVar("Made")


def remembered(make: Callable[[Callable[..., Any]], Made]) -> Callable[[Callable[..., Any]], Made]:
    """Let what is made of a function be kept until a value that it captures changes."""
    known: dict[Callable[..., Any], tuple[Snapshot, Made]] = {}

    @wraps(make)
    def kept(function: Callable[..., Any]) -> Made:
        found = known.get(function)
        if found is None or not found[0].holds():
            found = known[function] = Snapshot(function), make(function)
        return found[1]

    return kept


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
