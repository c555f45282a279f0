"""Wrong theorems: every way to alter one number, term, factor, function or sign of an expression or relation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from theory_sim.nouns.glossary import WORDS

FUNCTIONS = {"sqrt", "log", "exp", "Max", "Min", "Abs", "floor", "ceiling"}
_FLIPPED = {"<": (">", "<="), "<=": (">=", "<"), ">": ("<", ">="), ">=": ("<=", ">"), "==": ("<=", ">=")}
_SIGN = re.compile(r"<=|>=|==|<|>")


def expressions(text: str) -> Iterator[str]:
    """Yield the expression with one number doubled, halved or, in an exponent, raised by 1 (0 becomes 1 and
    -1), one summand, factor, divisor or argument of a maximum dropped, one function left out, or one name
    replaced by the next in the alphabet.

    A factor or divisor 1 is not dropped, which would change nothing.
    """
    tree = ast.parse(text.replace("^", "**"), mode="eval").body
    names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - FUNCTIONS)
    swaps = dict(zip(names, [*names[1:], *names[:1]], strict=True)) if len(names) > 1 else {}
    found = dict.fromkeys(ast.unparse(ast.fix_missing_locations(one)) for one in _variants(tree, swaps))
    yield from (one for one in found if one != ast.unparse(tree))


def relations(text: str) -> Iterator[str]:
    """Yield the relation with one side altered, its direction turned, equality let in or shut out, or another
    word.
    """
    (sign,) = _SIGN.findall(text)
    left, right = (side.strip() for side in _SIGN.split(text))
    if left in WORDS:
        yield from (f"{left} == {word}" for word in WORDS[left] if word != right)
    else:
        yield from (f"{one} {sign} {right}" for one in expressions(left))
        yield from (f"{left} {sign} {one}" for one in expressions(right))
        yield from (f"{left} {one} {right}" for one in _FLIPPED[sign])


def _variants(node: ast.expr, swaps: Mapping[str, str], exponent: bool = False) -> Iterator[ast.expr]:
    match node:
        case ast.Constant(value=0):
            yield from (ast.Constant(1), ast.UnaryOp(ast.USub(), ast.Constant(1)))
        case ast.Constant(value=int(number)):
            yield ast.Constant(2 * number)
            yield ast.BinOp(node, ast.Div(), ast.Constant(2))
            if exponent:
                yield ast.Constant(number + 1)
        case ast.Name(id=name):
            yield from (ast.Name(swaps[name]),) if name in swaps else ()
        case ast.BinOp(left=left, op=op, right=right):
            match op:
                case ast.Add():
                    yield from (left, right)
                case ast.Sub():
                    yield from (left, ast.UnaryOp(ast.USub(), right))
                case ast.Mult():
                    yield from (left, right) if not (_one(left) or _one(right)) else ()
                case ast.Div():
                    yield from (left, ast.BinOp(ast.Constant(1), op, right)) if not _one(right) else ()
            inside = exponent or isinstance(op, ast.Pow)
            yield from (ast.BinOp(one, op, right) for one in _variants(left, swaps, exponent))
            yield from (ast.BinOp(left, op, one) for one in _variants(right, swaps, inside))
        case ast.UnaryOp(op=op, operand=operand):
            yield operand
            yield from (ast.UnaryOp(op, one) for one in _variants(operand, swaps, exponent))
        case ast.Call(func=function, args=parts):
            yield from parts
            for k, part in enumerate(parts):
                for one in _variants(part, swaps, exponent):
                    yield ast.Call(function, [*parts[:k], one, *parts[k + 1 :]], [])
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is a piece without a mutant; add it to _variants.")


def _one(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1
