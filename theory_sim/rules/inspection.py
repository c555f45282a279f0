"""Kernels written by hand are tried before they are compiled: a wrong index is a sentence, no wrong number.

Three nets, once for each kernel and shape.  A dry run of the plain function on arrays of the exact shapes,
two lanes wide, at several steps, finds what it reads, writes and leaves unwritten.  A scan of its bytecode
finds constant indices on branches that the dry run does not take.  Indices computed from data are checked by
the compiled kernel itself (`theory_sim.rules.build`).
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from theory_sim.rules.build import ARGUMENTS, Message
from theory_sim.rules.digest import Snapshot
from theory_sim.rules.language import Rule, require_calls

STEPS = (1, 2, 3, 1_000_000)
POINTS = (0.0, 0.5, -0.5, 1.0)  # added to the start, where that is outside the domain of a function
_WRITTEN = {"out", "factor", "state", "x"}  # in a step; elsewhere x is read
_FILLS = (np.nan, 0.0123456789)
LANES = 2
_LONG = 1_000  # entries beyond which one step is tried
_LONGEST = 100_000  # entries beyond which plain Python takes too long; then the other two nets hold
_DECLARED = {
    "hyper": "hyper",
    "theta": "constants",
    "state": "rows",
    "out": "measures",
    "parameters": "parameters",
}
_TRIED: dict[Any, Snapshot] = {}

Array = np.ndarray[Any, Any]
Labels = Mapping[str, Sequence[str]]


class Refusal(ValueError):
    """A sentence about a kernel, told apart from what the kernel itself raises."""


class _Watched(np.ndarray):
    """An array that knows whose it is, and its name, and refuses what its kernel must not do."""

    name = ""
    about: Callable[..., Refusal]

    def __array_finalize__(self, source: Any) -> None:
        self.name, self.about = getattr(source, "name", ""), getattr(source, "about", _nameless)

    def __getitem__(self, place: Any) -> Any:
        try:
            return super().__getitem__(place)
        except IndexError:
            raise self.about("reads", self.name, place, self.shape) from None

    def __setitem__(self, place: Any, value: Any) -> None:
        if not self.flags.writeable:
            raise self.about("writes", self.name, None, self.shape)
        try:
            super().__setitem__(place, value)
        except IndexError:
            raise self.about("writes", self.name, place, self.shape) from None


def _nameless(verb: str, name: str, place: Any, shape: tuple[int, ...]) -> Refusal:
    return Refusal(f"A kernel {verb} outside an array of shape {shape}.")


def _sentence(
    subject: str, labels: Labels, verb: str, name: str, place: Any, shape: tuple[int, ...]
) -> Refusal:
    """Return what is said about an index, or about writing to an input where no place is given."""
    if place is None:
        return Refusal(f"{subject} writes {name}, which it may only read; use a local variable.")
    parts = place if isinstance(place, tuple) else (place,)
    texts = [text if len(text := str(part)) < 30 else f"{text[:20]}..." for part in parts]
    shown = ", ".join(texts[:-1] if len(parts) == len(shape) > 1 else texts)
    wrong = [k for k, (part, size) in enumerate(zip(parts, shape, strict=False)) if _outside(part, size)]
    known = labels.get(name)
    if wrong[:1] == [0] and known is not None and len(known) == shape[0]:
        has = ", ".join(known) if known else "no rows"
        return Refusal(
            f"{subject} {verb} {name}[{shown}], and {name} has {has}; declare it in {_DECLARED[name]}=."
        )
    if name == "noise":
        return Refusal(
            f"{subject} {verb} noise[{shown}], and noise has {shape[0]} rows; declare them in draws=."
        )
    return Refusal(f"{subject} {verb} {name}[{', '.join(texts)}], and {name} has the shape {_shape(shape)}.")


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape[:-1]))}{', ' if shape[:-1] else ''}lanes)"


def _outside(part: Any, size: int) -> bool:
    return isinstance(part, int | np.integer) and not -size <= int(part) < size


def require(
    kind: str,
    kernel: Rule,
    owner: str,
    arrays: Mapping[str, Array],
    labels: Labels | None = None,
    messages: Sequence[Message] = (),
) -> None:
    """Raise ValueError, with one sentence, if a kernel reads or writes what it does not have.

    Parameters
    ----------
    kind : str
        Key of the table in `theory_sim.rules.build`.
    kernel : callable
    owner : str
        Whose kernel it is.
    arrays : mapping of str to ndarray
        Its arrays by argument, two lanes wide; they are not changed.
    labels : mapping of str to sequence of str, optional
        Names of the rows of an array.
    messages : sequence of Message
        What an exchange kernel sends with, in plain Python.
    """
    labels = labels or {}
    shapes = {name: array.shape for name, array in arrays.items()}
    sent = tuple(one.noise.shape for one in messages)
    key = (kind, kernel, owner, tuple(shapes.items()), tuple((k, tuple(v)) for k, v in labels.items()), sent)
    if key in _TRIED and _TRIED[key].holds():
        return
    subject = f"Kernel {kernel.__name__} of {owner}"
    require_calls(kernel, subject)

    def about(verb: str, name: str, place: Any, shape: tuple[int, ...]) -> Refusal:
        return _sentence(subject, labels, verb, name, place, shape)

    for name, place in constant_indices(kernel):
        shape = shapes.get(name, ())
        if len(place) > len(shape) > 0 or any(
            part is not None and _outside(part, size) for part, size in zip(place, shape, strict=False)
        ):
            raise about("uses", name, tuple(":" if part is None else part for part in place), shape)
    writes = _WRITTEN if kind in ("step", "exchange") else {"out", "factor"}
    size = sum(array.size for array in arrays.values())
    if size <= _LONGEST:
        with np.errstate(all="ignore"):
            for t in STEPS if size <= _LONG else STEPS[:1]:
                _try(kind, kernel, subject, arrays, writes, about, messages, t)
    _TRIED[key] = Snapshot(kernel)


def _try(
    kind: str,
    kernel: Rule,
    subject: str,
    arrays: Mapping[str, Array],
    writes: set[str],
    about: Callable[..., Refusal],
    messages: Sequence[Message],
    t: int,
) -> None:
    """Run a kernel at one step, twice with different numbers where its output will be, if it returns something."""
    failure: Exception | None = None
    returned = writes & {"out", "factor"} & arrays.keys()
    for moved in POINTS:
        outputs = []
        try:
            for fill in _FILLS if returned else _FILLS[:1]:
                given = {
                    name: _watched(array, name, moved, fill, writes, about) for name, array in arrays.items()
                }
                sends = dict(zip(("up", "down"), messages, strict=False))
                known = {"t": t, **given, **sends}
                kernel(*(known[name] for name in ARGUMENTS[kind]))
                outputs.append({name: np.asarray(given[name]) for name in returned})
        except Refusal:
            raise
        except (ArithmeticError, ValueError) as error:  # outside the domain of a function: try other numbers
            failure = error
            continue
        except Exception as error:
            raise Refusal(f"{subject} cannot be run: {_one_line(error)}.") from error
        for name, first in outputs[0].items():
            second = outputs[1][name]
            left = np.isnan(first) & (second == _FILLS[1])
            if left.any():
                place = np.argwhere(left)[0][:-1].tolist() or [0]
                raise Refusal(
                    f"{subject} does not write {name}[{', '.join(map(str, place))}] at t = {t}; write every row, in every lane."
                )
            if not np.array_equal(first, second, equal_nan=True):
                raise Refusal(f"{subject} reads {name} before it writes it, at t = {t}; start from a number.")
        return
    raise Refusal(f"{subject} fails for every point tried at t = {t}: {_one_line(failure)}.")


def _watched(array: Array, name: str, moved: float, fill: float, writes: set[str], about: Any) -> Any:
    copy = np.array(array)
    if name == "x":
        copy += moved
    if name in ("out", "factor"):
        copy[...] = fill
    made = copy.view(_Watched)
    made.name, made.about = name, about
    made.flags.writeable = name in writes
    return made


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


@lru_cache(1024)
def constant_indices(kernel: Rule) -> tuple[tuple[str, tuple[int | None, ...]], ...]:
    """Return the arguments that a kernel indexes by constants: names and places, None for a computed one.

    It reads the bytecode, which is what will run; an argument that is assigned a new value is left out.
    """
    found: list[tuple[str, tuple[int | None, ...]]] = []
    code = kernel.__code__
    instructions = list(dis.get_instructions(code))
    assigned = {
        one.argval for one in instructions if one.opname in ("STORE_FAST", "STORE_DEREF", "DELETE_FAST")
    }
    arguments = set(code.co_varnames[: code.co_argcount]) - assigned
    stack: list[Any] = []

    def pop() -> Any:
        return stack.pop() if stack else None

    for one in instructions:
        if one.is_jump_target:
            stack.clear()  # what lies on the stack depends on the way here
        if one.opname.startswith("LOAD_FAST") and isinstance(one.argval, str):
            stack.append(("array", one.argval) if one.argval in arguments else None)
        elif one.opname.startswith("LOAD_FAST"):  # two at once, in newer bytecode
            stack.extend(("array", name) if name in arguments else None for name in one.argval)
        elif one.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
            stack.append(("index", one.argval))
        elif one.opname == "BUILD_TUPLE":
            parts = [pop() for _ in range(one.arg or 0)][::-1]
            stack.append(("index", tuple(part[1] if _is_index(part) else None for part in parts)))
        elif one.opname == "COPY":
            stack.append(stack[-(one.arg or 1)] if len(stack) >= (one.arg or 1) else None)
        elif one.opname == "SWAP" and len(stack) >= (one.arg or 2):
            stack[-1], stack[-(one.arg or 2)] = stack[-(one.arg or 2)], stack[-1]
        elif one.opname in ("BINARY_SUBSCR", "STORE_SUBSCR") or (one.opname, one.argrepr) == (
            "BINARY_OP",
            "[]",
        ):
            index, array = pop(), pop()
            if (
                isinstance(array, tuple)
                and array[0] == "array"
                and isinstance(index, tuple)
                and index[0] == "index"
            ):
                place = index[1] if isinstance(index[1], tuple) else index[1:]
                found.append((array[1], tuple(part if isinstance(part, int) else None for part in place)))
            if one.opname == "STORE_SUBSCR":
                pop()
            else:
                stack.append(None)
        elif one.opname not in ("NOP", "RESUME", "CACHE", "PRECALL", "KW_NAMES", "EXTENDED_ARG"):
            _apply(stack, dis.stack_effect(one.opcode, one.arg, jump=False))
    return tuple(found)


def _is_index(part: Any) -> bool:
    return isinstance(part, tuple) and part[0] == "index" and isinstance(part[1], int)


def _apply(stack: list[Any], effect: int) -> None:
    """Let an instruction of which only the effect on the height is known act on a stack."""
    if effect > 0:
        stack.extend([None] * effect)
        return
    del stack[max(len(stack) + effect, 0) :]
    if stack:
        stack[-1] = None


@contextmanager
def bounded(owners: str, step: Array | None = None) -> Iterator[None]:
    """Turn the IndexError of a compiled kernel, whose index is computed from data, into a sentence."""
    try:
        yield
    except IndexError as error:
        when = "" if step is None else f" at step {int(step[1])}"
        raise ValueError(
            f"A kernel of {owners} computes an index outside its arrays{when}; keep it below the number of rows."
        ) from error
