"""Rules as functions of JavaScript, so that a page of the report computes a path by the rule itself."""

from __future__ import annotations

import math

from theory_sim.rules.digest import remembered
from theory_sim.rules.language import Rule, names
from theory_sim.rules.trace import FUNCTIONS, Expression, expressions

_OPERATORS = {"==": "===", "!=": "!==", "&": "&&", "|": "||"}
# What JavaScript calls otherwise, or what it lacks; a page defines those that begin with an underscore.
_CALLS = {name: f"Math.{name}" for name in FUNCTIONS} | {
    "abs": "Math.abs",
    "single": "Math.fround",
    "**": "Math.pow",
    "rint": "_rint",
    "copysign": "_copysign",
    "%": "_mod",
    "isfinite": "Number.isFinite",
    "isnan": "Number.isNaN",
}
HELPERS = """\
const _rint = (a) => { const b = Math.round(a); return Math.abs(a % 1) === 0.5 && b % 2 !== 0 ? b - 1 : b; };
const _copysign = (a, b) => (b < 0 || Object.is(b, -0) ? -Math.abs(a) : Math.abs(a));
const _mod = (a, b) => { const c = a % b; return c !== 0 && c < 0 !== b < 0 ? c + b : c; };
"""


def _number(value: float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if math.isfinite(value):
        return f"({value!r})"
    return "NaN" if math.isnan(value) else f"({'-' if value < 0 else ''}Infinity)"


@remembered
def javascript(rule: Rule) -> str:
    """Return an arrow function with the arguments of a rule, which returns an array of what the rule returns.

    Whole numbers are doubles there, exact up to 2^53; powers and elementary functions may differ from ours in
    the last place.  `HELPERS` must be defined where it runs.

    Raises
    ------
    ValueError
        If the rule is no arithmetic, as `theory_sim.rules.trace.expressions` says.
    """
    lines: list[str] = []
    places: dict[int, str] = {}

    def place(node: Expression) -> str:
        if id(node) in places:
            return places[id(node)]
        operation, parts = node.operation, node.parts
        if operation == "name":
            text = f"${parts[0]}"  # a name may be a word of JavaScript
        elif operation == "number":
            text = _number(parts[0])
        elif operation == "float":
            text = place(parts[0])
        else:
            operands = [place(part) for part in parts]
            if operation == "where":
                made = "{} ? {} : {}".format(*operands)
            elif operation == "neg":
                made = f"-{operands[0]}"
            elif operation == "//":
                made = f"Math.floor({operands[0]} / {operands[1]})"
            elif operation in _CALLS:
                made = f"{_CALLS[operation]}({', '.join(operands)})"
            else:
                made = f" {_OPERATORS.get(operation, operation)} ".join(operands)
            text = f"_{len(lines)}"
            lines.append(f"const {text} = {made};")
        places[id(node)] = text
        return text

    outputs = ", ".join(place(node) for node in expressions(rule))
    given = ", ".join(f"${name}" for name in names(rule))
    return f"({given}) => {{ {' '.join(lines)} return [{outputs}]; }}"
