"""Text that stands for a number, such as ``"lr <= eps*(1 - beta1)/(4*L*C0)"`` has on either side: parsed,
never evaluated.

The text is read into the syntax tree of Python, every node of which must be on a short list, and sympy builds
the expression from the tree.
"""

from __future__ import annotations

import ast
import keyword
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

from theory_sim.rules.checks import rational

_FUNCTIONS = ("sqrt", "log", "exp", "Max", "Min", "Abs", "floor", "ceiling")
_CONSTANTS = ("pi", "oo")
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_NAME = re.compile(r"[A-Za-z_]\w*")
_LARGEST = 10_000  # exponent of a power of numbers, which is written out


@cache
def _tree(text: str) -> tuple[ast.expr, str]:
    """Return the syntax tree of an expression that has only known pieces, and the source that it was read
    from.

    Raises
    ------
    ValueError
        Naming the first piece that is none of numbers, names, + - * / ^ and calls of the known functions.
    """
    # Lambda is a symbol of many papers and a keyword of Python.
    source = _NAME.sub(
        lambda found: found[0] + "_" * keyword.iskeyword(found[0]), text.strip().replace("^", "**")
    )
    try:
        if "#" in source:
            raise SyntaxError("a comment would be dropped in silence")
        if "\0" in source:
            raise SyntaxError("Python 3.11.2 raises something else")
        tree = ast.parse(source, mode="eval").body
        _refuse(tree, source, text)
    except (SyntaxError, MemoryError, RecursionError):
        raise ValueError(f"{text!r} is no expression; write one such as 'lr*(1 - beta1)/(4*L)'.") from None
    return tree, source


def _refuse(node: ast.expr, source: str, text: str) -> None:
    """Raise ValueError for a piece of the tree that is none of those that `_build` knows."""
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            parts = [left, right]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            parts = [operand]
        case ast.Call(func=ast.Name(id="Sum"), args=[term, ast.Tuple(elts=[ast.Name() as index, low, high])]):
            parts = [term, index, low, high]
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]) if name in _FUNCTIONS:
            pass
        case ast.Name(id=name) if name not in (*_FUNCTIONS, "Sum"):
            parts = []
        case ast.Constant(value=int() | float()):
            _rational(node, source)
            parts = []
        case _:
            raise ValueError(
                f"{text!r} contains {ast.get_source_segment(source, node)!r}, but only numbers, names, "
                f"+ - * / ^, Sum(term, (k, low, high)) and calls of {', '.join(_FUNCTIONS)} are known; "
                "write it with those."
            )
    for part in parts:
        _refuse(part, source, text)


def _rational(node: ast.Constant, source: str) -> Fraction:
    """Return a number exactly as it is written: 0.81 is 81/100."""
    written = ast.get_source_segment(source, node) or ""
    return rational("the number", written if isinstance(node.value, float) else node.value)


def check(text: str) -> None:
    """Raise ValueError unless `parse` can read `text`, without importing sympy."""
    _tree(text)


@cache
def parse(text: str) -> Any:
    """Return the sympy expression of `text`; every name that is no function is a real symbol.

    Raises
    ------
    ValueError
        For anything but numbers, names, + - * / ^ and calls of the known functions with their arguments.
    """
    try:
        return _build(*_tree(text))
    except (
        TypeError,
        RecursionError,
    ) as error:  # a function with too many arguments, or what sympy cannot compare
        raise ValueError(f"{text!r} is no expression of sympy: {error}.") from None


def as_written(text: str) -> Any:
    """Return the sympy expression of `text` with its terms in the order in which they are written, to be shown."""
    import sympy

    with sympy.evaluate(False):
        return _flat(_build(*_tree(text)))


def _flat(expression: Any) -> Any:
    """Return an expression with products of products as one product, which is shown without brackets."""
    parts = [_flat(part) for part in expression.args]
    if expression.is_Mul:
        parts = [factor for part in parts for factor in (part.args if part.is_Mul else (part,))]
    return expression.func(*parts) if parts else expression


def _build(node: ast.expr, source: str) -> Any:
    """Return the sympy expression of a tree that `_refuse` has passed."""
    import sympy

    match node:
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _build(left, source), _build(right, source)
            if isinstance(op, ast.Pow) and a.is_Rational and b.is_Rational and abs(b) > _LARGEST:
                written = ast.get_source_segment(source, node)
                raise ValueError(f"{written} has an exponent beyond {_LARGEST}; write a smaller number.")
            return _OPERATORS[type(op)](a, b)
        case ast.UnaryOp(op=op, operand=operand):
            return _OPERATORS[type(op)](_build(operand, source))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return getattr(sympy, name)(*(_build(argument, source) for argument in arguments))
        case ast.Tuple(elts=parts):
            return tuple(_build(part, source) for part in parts)
        case ast.Name(id=name) if name in _CONSTANTS:
            return getattr(sympy, name)
        case ast.Name(id=name):
            return sympy.Symbol(name[:-1] if keyword.iskeyword(name[:-1]) else name, real=True)
        case ast.Constant():
            return sympy.Rational(_rational(node, source))
    raise AssertionError(node)
