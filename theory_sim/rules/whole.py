"""Whole numbers in rules: compiled code keeps them in 64 bits, where Python and exact arithmetic know no end.

So ``2 ** -t`` would be 0 and ``t ** 20`` would wrap when compiled, and nowhere else.  Both are refused before
that, from the expressions of a rule (`theory_sim.rules.trace`); what is no expression, such as a loop whose
length depends on an argument, is not looked into.
"""

from __future__ import annotations

import inspect

from theory_sim.rules.language import Rule, names, opcodes
from theory_sim.rules.trace import Expression, expressions

# What a whole number is at most: steps as `theory_sim.Sweep` takes them, and what numbers the
# entries of an array.
MOST = {"t": 2**53, **dict.fromkeys(("index", "i", "j", "d", "workers"), 2**31)}
_END = 2**63
_TRUTHS = ("<", "<=", ">", ">=", "==", "!=", "isfinite", "isnan")
_POWERS = {("BINARY_OP", 8), ("BINARY_OP", 21)}  # ** and **=
_SHIFTS = {("BINARY_OP", 3), ("BINARY_OP", 16)}  # << and <<=


def require_bounded(rule: Rule, owner: str) -> None:
    """Raise ValueError if a power or product of whole numbers in a rule could leave 64 bits.

    The names are taken for what they mean in a rule; whole numbers are also literals without a point,
    defaults of arguments, and sums, products and choices of such numbers.
    """
    most = dict(MOST)
    for name, one in inspect.signature(rule).parameters.items():
        if type(one.default) is int:
            most[name] = abs(one.default)
    found = {one for one in opcodes(rule) if one[0] == "BINARY_OP"}
    if found & _SHIFTS:
        raise ValueError(
            f"Rule {rule.__name__} of {owner} shifts a whole number; multiply by a power of 2.0."
        )
    if most.keys().isdisjoint(names(rule)) and not found & _POWERS:
        return
    try:
        waiting = list(expressions(rule))
    except (ValueError, RecursionError):  # no arithmetic of its names, or a rule that calls itself
        return
    bounds: dict[int, int | None] = {}
    while waiting:
        node = waiting[-1]
        missing = [part for part in node.parts if isinstance(part, Expression) and id(part) not in bounds]
        if missing:
            waiting += missing
            continue
        bounds[id(waiting.pop())] = bound = _bound(node, most, bounds)
        if bound is not None and bound >= _END:
            first, *_ = node.parts
            real = f"{first.parts[0]}.0" if first.operation == "number" else f"float({_text(first)})"
            raise ValueError(
                f"Rule {rule.__name__} of {owner} has {_text(node)}, which can leave the 64 bits of compiled whole "
                f"numbers; begin with a real number, {real}."
            )


def _bound(node: Expression, most: dict[str, int], bounds: dict[int, int | None]) -> int | None:
    """Return the largest absolute value of a whole number, `_END` or more beyond 64 bits; None if real."""
    operation, parts = node.operation, node.parts
    if operation == "name":
        return most.get(parts[0])
    if operation == "number":
        return abs(parts[0]) if isinstance(parts[0], int) else None
    if operation in _TRUTHS:
        return 1
    of_parts = [bounds[id(part)] for part in (parts[1:] if operation == "where" else parts)]
    whole = [bound for bound in of_parts if bound is not None]
    if len(whole) < len(of_parts) or operation not in ("neg", "abs", "where", "+", "-", "*", "//", "%", "**"):
        return None
    if operation == "**":
        power = parts[1].parts[0] if parts[1].operation == "number" else -1
        return whole[0] ** power if 0 <= power < 64 else _END
    if operation == "*":
        return whole[0] * whole[1]
    if operation in ("+", "-"):
        return whole[0] + whole[1]
    return {"//": whole[0], "%": whole[-1]}.get(operation, max(whole))


def _text(node: Expression) -> str:
    """Return an expression as Python writes it, or dots for a long one."""
    parts = [
        (f"({_text(part)})" if len(part.parts) > 1 else _text(part))
        if isinstance(part, Expression)
        else str(part)
        for part in node.parts
    ]
    if node.operation in ("name", "number"):
        text = parts[0]
    elif len(parts) == 2:
        text = f"{parts[0]} {node.operation} {parts[1]}"
    else:
        text = f"-{parts[0]}" if node.operation == "neg" else f"{node.operation}({', '.join(parts)})"
    return text if len(text) < 40 else "..."
