"""Rules as expressions: a rule is called on symbols, once for every outcome of its comparisons.

So no source text is needed, and helper functions, ``if`` statements and conditional expressions are all one
thing: a choice between two expressions.  From the expressions comes code for arrays (`elementwise`), of numpy
or of any library with the same functions.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from theory_sim.rules.build import rebound
from theory_sim.rules.digest import remembered
from theory_sim.rules.language import Rule, names

_MOST_PATHS = 512
# Operators that Python refuses for some numbers, and what numpy makes of these: infinity or NaN.
_PARTIAL: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "/": (operator.truediv, np.true_divide),
    "//": (operator.floordiv, np.floor_divide),
    "%": (operator.mod, np.mod),
    "**": (operator.pow, np.power),
}
FUNCTIONS = (
    *("sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh"),
    *("hypot", "copysign", "floor", "rint", "isfinite", "isnan"),
)
# What libraries call otherwise than math and numpy do.
_ALIASES = {"rint": "round"}


@dataclass(frozen=True, eq=False)
class Expression:
    """An operation on other expressions, a name, or a number.

    Parameters
    ----------
    operation : str
        An operator of Python, a name of `FUNCTIONS`, ``float``, ``single`` (rounded to 32 bits), ``where``,
        ``name`` or ``number``.
    parts : tuple
        Its operands; the name or the number itself.
    path : _Path
        Where comparisons are decided.
    """

    operation: str
    parts: tuple[Any, ...]
    path: _Path

    def _join(self, operation: str, *parts: Any) -> Expression:
        return self.path.make(operation, *parts)

    def __bool__(self) -> bool:
        return self.path.decide(self)

    def __add__(self, other: Any) -> Expression:
        return self._join("+", self, other)

    def __radd__(self, other: Any) -> Expression:
        return self._join("+", other, self)

    def __sub__(self, other: Any) -> Expression:
        return self._join("-", self, other)

    def __rsub__(self, other: Any) -> Expression:
        return self._join("-", other, self)

    def __mul__(self, other: Any) -> Expression:
        return self._join("*", self, other)

    def __rmul__(self, other: Any) -> Expression:
        return self._join("*", other, self)

    def __truediv__(self, other: Any) -> Expression:
        return self._join("/", self, other)

    def __rtruediv__(self, other: Any) -> Expression:
        return self._join("/", other, self)

    def __floordiv__(self, other: Any) -> Expression:
        return self._join("//", self, other)

    def __rfloordiv__(self, other: Any) -> Expression:
        return self._join("//", other, self)

    def __mod__(self, other: Any) -> Expression:
        return self._join("%", self, other)

    def __rmod__(self, other: Any) -> Expression:
        return self._join("%", other, self)

    def __pow__(self, other: Any) -> Expression:
        return self._join("**", self, other)

    def __rpow__(self, other: Any) -> Expression:
        return self._join("**", other, self)

    def __lt__(self, other: Any) -> Expression:
        return self._join("<", self, other)

    def __le__(self, other: Any) -> Expression:
        return self._join("<=", self, other)

    def __gt__(self, other: Any) -> Expression:
        return self._join(">", self, other)

    def __ge__(self, other: Any) -> Expression:
        return self._join(">=", self, other)

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]  # a comparison is an expression here
        return self._join("==", self, other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return self._join("!=", self, other)

    def __and__(self, other: Any) -> Expression:
        return self._join("&", self, other)

    def __or__(self, other: Any) -> Expression:
        return self._join("|", self, other)

    def __neg__(self) -> Expression:
        return self._join("neg", self)

    def __pos__(self) -> Expression:
        return self

    def __abs__(self) -> Expression:
        return self._join("abs", self)

    __hash__ = object.__hash__


@dataclass
class _Path:
    """The comparisons of one call and their outcomes; equal expressions are one object on all paths."""

    outcomes: list[bool] = field(default_factory=list)
    known: dict[tuple[Any, ...], Expression] = field(default_factory=dict)
    met: list[Expression] = field(default_factory=list)

    def make(self, operation: str, *parts: Any) -> Expression:
        """Return the expression of an operation."""
        nodes = tuple(one if isinstance(one, Expression) else self.number(one) for one in parts)
        return self._of(operation, nodes, tuple(id(one) for one in nodes))

    def number(self, value: Any) -> Expression:
        """Return a number as an expression."""
        if not isinstance(value, int | float | np.integer | np.floating | bool | np.bool_):
            raise ValueError(f"{value!r} is no number, and a rule knows numbers only.")
        plain = value.item() if isinstance(value, np.generic) else value
        return self._of("number", (plain,), (type(plain), repr(plain)))

    def name(self, name: str) -> Expression:
        """Return a name as an expression."""
        return self._of("name", (name,), (name,))

    def _of(self, operation: str, parts: tuple[Any, ...], key: tuple[Any, ...]) -> Expression:
        found = self.known.get((operation, *key))
        if found is None:
            found = self.known[operation, *key] = Expression(operation, parts, self)
        return found

    def decide(self, condition: Expression) -> bool:
        """Return the outcome of a comparison on this path, True the first time it is met."""
        for seen, outcome in zip(self.met, self.outcomes, strict=False):
            if seen is condition:
                return outcome
        if len(self.met) == len(self.outcomes):
            self.outcomes.append(True)
        self.met.append(condition)
        return self.outcomes[len(self.met) - 1]


class _Functions:
    """Stands for ``math`` and ``numpy``."""

    pi, e, inf, nan = math.pi, math.e, math.inf, math.nan

    def __getattr__(self, name: str) -> Callable[..., Any]:
        own = {"fabs": "abs", "absolute": "abs", "pow": "**"}.get(name, name)
        if own in ("float64", "float32"):
            return _real if own == "float64" else _single
        if own not in (*FUNCTIONS, "abs", "**"):
            raise ValueError(f"{name} is not known on arrays; a rule may use {', '.join(FUNCTIONS)}.")

        def call(*values: Any) -> Any:
            node = next((one for one in values if isinstance(one, Expression)), None)
            if node is None:
                return getattr(math if hasattr(math, name) else np, name)(*values)
            return node.path.make(own, *(map(_real, values) if own == "**" else values))

        return call


def _real(value: Any) -> Any:
    return value.path.make("float", value) if isinstance(value, Expression) else float(value)


def _single(value: Any) -> Any:
    return value.path.make("single", value) if isinstance(value, Expression) else float(np.float32(value))


def _least(*values: Any) -> Any:
    out = values[0]
    for value in values[1:]:
        out = _chosen(value < out, value, out)
    return out


def _greatest(*values: Any) -> Any:
    out = values[0]
    for value in values[1:]:
        out = _chosen(value > out, value, out)
    return out


def _chosen(condition: Any, yes: Any, no: Any) -> Any:
    if isinstance(condition, Expression):
        return condition.path.make("where", condition, yes, no)
    return yes if condition else no


_NAMESPACE = {
    "math": _Functions(),
    "np": _Functions(),
    "float": _real,
    "min": _least,
    "max": _greatest,
}


def _merged(path: _Path, condition: Expression, yes: Expression, no: Expression) -> Expression:
    """Return the choice between two expressions, made at the one operand in which they differ.

    So what they have in common is computed once.  A power stays whole, as its exponent may be a number.
    """
    if yes is no:
        return yes
    if yes.operation == no.operation and yes.operation not in ("name", "number", "**"):
        places = [k for k, (a, b) in enumerate(zip(yes.parts, no.parts, strict=True)) if a is not b]
        if len(places) == 1:
            (k,) = places
            inner = _merged(path, condition, yes.parts[k], no.parts[k])
            return path.make(yes.operation, *yes.parts[:k], inner, *yes.parts[k + 1 :])
    return path.make("where", condition, yes, no)


@remembered
def expressions(rule: Rule) -> tuple[Expression, ...]:
    """Return what a rule returns, as expressions of its names.

    Raises
    ------
    ValueError
        If it uses something that is no arithmetic, or branches too often.
    """
    known: dict[tuple[Any, ...], Expression] = {}
    called, paths = rebound(rule, _NAMESPACE), 0

    def results(outcomes: list[bool]) -> tuple[Expression, ...]:
        nonlocal paths
        paths += 1
        if paths > _MOST_PATHS:
            raise ValueError(f"Rule {rule.__name__} branches more than {_MOST_PATHS} ways; simplify it.")
        path = _Path(list(outcomes), known)
        for node in known.values():
            object.__setattr__(node, "path", path)
        try:
            value = called(*(path.name(name) for name in names(rule)))
        except (TypeError, AttributeError, LookupError, ArithmeticError) as error:
            raise ValueError(f"Rule {rule.__name__} is no arithmetic of its names: {error}.") from error
        if len(path.met) > len(outcomes):
            yes, no = results([*outcomes, True]), results([*outcomes, False])
            condition = path.met[len(outcomes)]
            return tuple(_merged(path, condition, a, b) for a, b in zip(yes, no, strict=True))
        many = value if isinstance(value, tuple) else (value,)
        return tuple(one if isinstance(one, Expression) else path.number(one) for one in many)

    return results([])


@remembered
def _text(rule: Rule) -> str:
    """Return the source of a function of arrays with the arguments of a rule."""
    lines: list[str] = []
    places: dict[int, str] = {}

    def place(node: Expression) -> str:
        if id(node) in places:
            return places[id(node)]
        operation, parts = node.operation, node.parts
        if operation == "name":
            text = str(parts[0])
        elif operation == "float":
            text = place(parts[0])
        elif operation == "number":
            text = f"({parts[0]!r})" if math.isfinite(parts[0]) else f"float({str(parts[0])!r})"
        else:
            operands = [place(part) for part in parts]
            if operation == "neg":
                made = f"-{operands[0]}"
            elif operation in ("abs", "single", "where") or operation in FUNCTIONS:
                made = f"{operation}_({', '.join(operands)})"
            elif operation in _PARTIAL:
                made = f"{_PARTIAL[operation][0].__name__}_({', '.join(operands)})"
            else:
                made = f"{operands[0]} {operation} {operands[1]}"
            text = f"_{len(lines)}"
            lines.append(f"    {text} = {made}\n")
        places[id(node)] = text
        return text

    outputs = ", ".join(place(node) for node in expressions(rule))
    return f"def kernel({', '.join(names(rule))}):\n{''.join(lines)}    return ({outputs},)\n"


def _plain(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, np.generic)


def _device(value: Any) -> Any:
    return getattr(value, "device", None)  # an array that jax traces has none


def _total(
    of_numbers: Callable[..., Any], of_numpy: Callable[..., Any], of_arrays: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a function of arrays and numbers that numbers outside its domain do not stop."""

    def call(*values: Any) -> Any:
        if not all(_plain(value) for value in values):
            return of_arrays(*values)
        with suppress(ArithmeticError, ValueError):
            found = of_numbers(*values)
            if not isinstance(found, complex):
                return found
        with np.errstate(all="ignore"):
            return float(of_numpy(*(np.float64(value) for value in values)))

    return call


def elementwise(rule: Rule, library: Any = np, real: Any = None) -> Callable[..., tuple[Any, ...]]:
    """Return a rule as a function of arrays that returns a tuple of arrays.

    Parameters
    ----------
    rule : callable
    library : module
        numpy, torch or jax.numpy: what has ``where``, ``sqrt``, ... for its arrays.
    real : dtype of the library, optional
        Of the arrays that numbers of a rule become; default: 64 bits.

    Returns
    -------
    callable
        With the arguments of the rule; numbers are arrays of no dimension.  Both sides of a choice are
        computed, so numpy may warn of a division that is not used: call it under ``np.errstate``.  Plain
        numbers never raise: what Python refuses is infinite or NaN, as on arrays.
    """
    # The text comes before the library is asked, so that a rule that is no arithmetic is refused first.
    # Without a type torch would take 32 bits for numbers.
    return _on_arrays(_text(rule), rule.__name__, rule.__defaults__, library, real or library.float64)


@cache
def _on_arrays(
    text: str, name: str, defaults: Any, library: Any, real: Any
) -> Callable[..., tuple[Any, ...]]:
    def arrays(device: Any, *values: Any) -> tuple[Any, ...]:
        return tuple(
            library.asarray(one, dtype=real, device=device) if _plain(one) else one for one in values
        )

    def where(condition: Any, yes: Any, no: Any) -> Any:
        if isinstance(condition, bool | np.bool_):
            return yes if condition else no
        sides = arrays(_device(condition), yes, no) if _plain(yes) and _plain(no) else (yes, no)
        return library.where(condition, *sides)

    def function(name: str) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            device = next(_device(value) for value in values if not _plain(value))
            return getattr(library, _ALIASES.get(name, name))(*arrays(device, *values))

        return call

    def single(value: Any) -> Any:
        if _plain(value):
            return float(np.float32(value))
        return library.asarray(library.asarray(value, dtype=library.float32), dtype=value.dtype)

    made = {
        f"{name}_": _total(getattr(math, name, getattr(np, name)), getattr(np, name), function(name))
        for name in FUNCTIONS
    }
    made |= {f"{one.__name__}_": _total(one, of_numpy, one) for one, of_numpy in _PARTIAL.values()}
    space: dict[str, Any] = {**made, "where_": where, "abs_": abs, "single_": single}
    exec(compile(text, f"<{name} of arrays>", "exec"), space)  # noqa: S102
    kernel: Callable[..., tuple[Any, ...]] = space["kernel"]
    kernel.__defaults__ = defaults
    return kernel
