"""Formulas of names and numbers: what a rule becomes in the limit t -> infinity, simplified, and as text.

The text is a Python expression of + - * / **, sqrt, abs and conditional expressions, which compiled code, balls
and the stand-alone checker read alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from theory_sim.rules.trace import Expression

_ARITHMETIC = ("+", "-", "*", "/", "**")
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_FUNCTIONS = ("sqrt", "abs", "exp", "log", "tanh")


@dataclass(frozen=True, eq=False)
class Formula:
    """An operation on formulas, a name, or a number; equal formulas are one object.

    Parameters
    ----------
    operation : str
        An operator of Python, ``neg``, ``where``, ``sqrt``, ``abs``, ``name`` or ``number``.
    parts : tuple
        Its operands; the name or the number itself.
    names : frozenset of str
        The names in it.
    """

    operation: str
    parts: tuple[Any, ...]
    names: frozenset[str]

    def __str__(self) -> str:
        return _text(self)[0]

    @property
    def value(self) -> float | None:
        """The number that it is, or None."""
        return float(self.parts[0]) if self.operation == "number" else None


_KNOWN: dict[tuple[Any, ...], Formula] = {}


def _node(operation: str, parts: tuple[Any, ...], key: tuple[Any, ...], names: frozenset[str]) -> Formula:
    return _KNOWN.setdefault((operation, *key), Formula(operation, parts, names))


def name(text: str) -> Formula:
    """Return a name."""
    return _node("name", (text,), (text,), frozenset((text,)))


def number(value: float) -> Formula:
    """Return a number; -0.0 is 0."""
    plain = float(value) + 0.0
    return _node("number", (plain,), (repr(plain),), frozenset())


ZERO, ONE = number(0.0), number(1.0)


def make(operation: str, *parts: Formula) -> Formula:
    """Return an operation on formulas, simplified by the laws of real numbers.

    x * 0 is 0, since what a formula describes is finite; a number with itself cancels.

    Raises
    ------
    ValueError
        If numbers give no number, as 0 * infinity.
    """
    found = _simple(operation, parts)
    if found is not None:
        return found
    values = [one.value for one in parts]
    if operation != "where" and None not in values:
        return number(_computed(operation, [float(one) for one in values if one is not None]))
    return _node(
        operation, parts, tuple(id(one) for one in parts), frozenset().union(*(p.names for p in parts))
    )


def _simple(operation: str, parts: tuple[Formula, ...]) -> Formula | None:
    """Return what an operation is by a law, or None."""
    a, b = parts[0], parts[-1]
    match operation:
        case "+":
            if b.operation == "-" and b.parts[1] is a:
                return _first(b)  # beta + (1 - beta)
            return b if a is ZERO else a if b is ZERO else None
        case "-":
            return (
                ZERO if a is b and _finite(a) else a if b is ZERO else make("neg", b) if a is ZERO else None
            )
        case "*":
            if ZERO in parts and all(_finite(one) for one in parts):
                return ZERO
            if b.operation == "/" and b.parts[0] is ONE:
                return make("/", a, b.parts[1])
            return b if a is ONE else a if b is ONE else None
        case "/":
            return (
                a
                if b is ONE
                else ONE
                if a is b and _finite(a)
                else ZERO
                if a is ZERO and _finite(b)
                else None
            )
        case "**":
            if b.value == 0.5:
                return make("sqrt", a)
            if b.value in (1.0, 2.0, 3.0, 4.0):  # so that squares are seen as such
                return reduce(lambda one, other: make("*", one, other), [a] * int(b.value))
        case "neg":
            if a.operation == "where":
                return make("where", a.parts[0], make("neg", a.parts[1]), make("neg", a.parts[2]))
            return _first(a) if a.operation == "neg" else None
        case "where":
            if a.value is not None:
                return parts[1] if a.value else b
            if a.operation == "!=" and a.parts[1] is ZERO and _contains(b, number(math.inf)):
                return parts[1]  # the guard of a denominator: where that is 0, nothing is claimed
            return b if parts[1] is b else None
    return None


def _first(formula: Formula) -> Formula:
    part: Formula = formula.parts[0]
    return part


def _contains(formula: Formula, inner: Formula) -> bool:
    waiting = [formula]
    while waiting:
        node = waiting.pop()
        if node is inner:
            return True
        if node.operation not in ("name", "number"):
            waiting += node.parts
    return False


def _finite(formula: Formula) -> bool:
    return formula.value is None or math.isfinite(formula.value)


def _computed(operation: str, values: list[float]) -> float:
    import operator

    of: dict[str, Callable[..., Any]] = {
        "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow,
        "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
        "!=": operator.ne, "neg": operator.neg, "abs": abs,
    }  # fmt: skip
    try:
        found = of[operation](*values) if operation in of else getattr(math, operation)(*values)
    except (ArithmeticError, ValueError, TypeError, AttributeError):
        found = math.nan
    alternates = (
        operation == "**" and values[0] <= -1.0 and math.isinf(values[1])
    )  # pow(-1, inf) is 1 to Python
    if isinstance(found, complex) or math.isnan(found) or alternates:
        raise ValueError(f"{operation} of {', '.join(f'{one:g}' for one in values)} has no limit")
    return float(found)


def traced(
    expressions: tuple[Expression, ...], given: Mapping[str, Formula], values: Mapping[str, Formula]
) -> tuple[Formula, ...]:
    """Return expressions of a rule as formulas, with some names replaced.

    The names of `values` stay, but where they meet infinity.

    The step ``t`` may be replaced by infinity: then 0 * infinity is 0 if the 0 names no t, for all that a
    state forgets vanishes geometrically, and t and its powers do not grow so fast.
    """
    done: dict[int, tuple[Formula, bool]] = {}

    def visit(node: Expression) -> tuple[Formula, bool]:
        found = done.get(id(node))
        if found is None:
            found = done[id(node)] = fresh(node)
        return found

    def fresh(node: Expression) -> tuple[Formula, bool]:
        if node.operation == "name":
            text = str(node.parts[0])
            return given.get(text, name(text)), text == "t"
        if node.operation == "number":
            return number(node.parts[0]), False
        operands = [visit(part) for part in node.parts]
        parts, timed = tuple(one for one, _ in operands), any(t for _, t in operands)
        operation = node.operation
        if operation == "float":
            return parts[0], timed
        if operation == "hypot":
            squares = [make("*", one, one) for one in parts]
            return (make("abs", parts[-1]) if parts[0] is ZERO else make("sqrt", make("+", *squares))), timed
        if operation == "copysign":
            side = make("<", parts[1], ZERO)
            size = make("abs", parts[0])
            return make("where", side, make("neg", size), size), timed
        if any(not _finite(one) for one in parts) and operation != "where":
            parts = tuple(replaced(one, values) if one.names <= values.keys() else one for one in parts)
        late = [t for _, t in operands]
        if operation == "*" and any(one is ZERO and not t for one, t in zip(parts, late, strict=True)):
            return ZERO, timed
        if operation not in (*_ARITHMETIC, *_COMPARISONS, *_FUNCTIONS, "neg", "where"):
            raise ValueError(f"{operation} has no formula")
        return make(operation, *parts), timed

    return tuple(visit(node)[0] for node in expressions)


def replaced(formula: Formula, given: Mapping[str, Formula]) -> Formula:
    """Return a formula with some names replaced."""
    return exchanged(formula, {name(text): one for text, one in given.items()})


def exchanged(formula: Formula, given: Mapping[Formula, Formula]) -> Formula:
    """Return a formula with some of its parts replaced."""
    done = dict(given)

    def visit(node: Formula) -> Formula:
        if node.operation not in ("name", "number") and node not in done:
            done[node] = make(node.operation, *(visit(part) for part in node.parts))
        return done.get(node, node)

    return visit(formula)


def affine(formula: Formula, own: str) -> tuple[Formula, Formula] | None:
    """Return (a, b) with formula = a own + b and neither naming `own`; None if it is not of this form."""
    if own not in formula.names:
        return ZERO, formula
    parts = formula.parts
    match formula.operation:
        case "name":
            return ONE, ZERO
        case "+" | "-" | "neg":
            found = [affine(part, own) for part in parts]
            if any(one is None for one in found):
                return None
            a, b = zip(*(one for one in found if one is not None), strict=True)
            return make(formula.operation, *a), make(formula.operation, *b)
        case "*":
            at = 0 if own in parts[0].names else 1
            inner, factor = affine(parts[at], own), parts[1 - at]
            if inner is None or own in factor.names:
                return None
            return make("*", factor, inner[0]), make("*", factor, inner[1])
        case "/":
            inner = affine(parts[0], own)
            if inner is None or own in parts[1].names:
                return None
            return make("/", inner[0], parts[1]), make("/", inner[1], parts[1])
        case "where":
            one, other = affine(parts[1], own), affine(parts[2], own)
            if own in parts[0].names or one is None or other is None:
                return None
            return make("where", parts[0], one[0], other[0]), make("where", parts[0], one[1], other[1])
    return None


def larger(formula: Formula) -> tuple[Formula, Formula] | None:
    """Return (p, q) of a formula that is the maximum of p and q, else None."""
    if formula.operation != "where":
        return None
    condition, yes, no = formula.parts
    if condition.operation in (">", ">=") and condition.parts == (yes, no):
        return yes, no
    if condition.operation in ("<", "<=") and condition.parts == (no, yes):
        return yes, no
    return None


def comparisons(formula: Formula) -> Iterator[Formula]:
    """Yield the conditions in a formula that are no maximum or minimum of what they choose between."""
    seen, waiting = set(), [formula]
    while waiting:
        node = waiting.pop()
        if node in seen or node.operation in ("name", "number"):
            continue
        seen.add(node)
        if node.operation == "where" and {*node.parts[0].parts} != {*node.parts[1:]}:
            yield node.parts[0]
        waiting += node.parts


_BINDS = {"where": 0, **dict.fromkeys(_COMPARISONS, 1), "+": 2, "-": 2, "*": 3, "/": 3, "neg": 4, "**": 5}


def _text(formula: Formula) -> tuple[str, int]:
    """Return a formula as Python writes it, and how tightly its last operation binds."""
    operation, parts = formula.operation, formula.parts
    if operation == "name":
        return parts[0], 9
    if operation == "number":
        value = parts[0]
        if not math.isfinite(value):
            return ("inf", 9) if value > 0.0 else ("-inf", 4)
        shown = repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
        return shown, 9 if value >= 0.0 else 4
    if operation in _FUNCTIONS:
        return f"{operation}({_text(parts[0])[0]})", 9

    def inside(part: Formula, least: int) -> str:
        text, binds = _text(part)
        return text if binds >= least else f"({text})"

    own = _BINDS[operation]
    if operation == "where":
        top = larger(formula)
        if top is not None:
            return f"max({_text(top[1])[0]}, {_text(top[0])[0]})", 9
        return f"{inside(parts[1], 1)} if {inside(parts[0], 1)} else {inside(parts[2], 0)}", own
    if operation == "neg":
        return f"-{inside(parts[0], 4)}", own
    right = own if operation in "+*" else own + 1
    return f"{inside(parts[0], own + (operation == '**'))} {operation} {inside(parts[1], right)}", own
