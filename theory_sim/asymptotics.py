"""Limits and monotonicity of sequences given as expressions in t, for conditions that speak about all t or t -> infinity.

Every answer says how it was found: "symbolic" (sympy proved it), "value" (one t, evaluated to 50 digits, refutes it) or
"numeric" (values up to t = 7e60 show it plainly, which is evidence and no proof).  What none of these decides is UNDECIDED,
with the reason.  Sequences are taken to be smooth functions
of t that are in the end monotone, as compositions of powers, exponentials and logarithms are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from theory_sim import checks
from theory_sim.theorem import Answer, parse

_DECADES = (10, 20, 30, 40, 50, 60)
_POWER = 1e-3  # least exponent of t that counts as growth or decay in values
_SETTLED = 1e-8  # largest relative change over the last ten decades of a sequence that counts as settled


@dataclass(frozen=True)
class Limit:
    """lim_{t -> infinity} of an expression.

    Parameters
    ----------
    value : float
        May be infinite; NaN if it was not found.
    how : {"symbolic", "numeric", ""}
    reason : str
        Why it was not found.
    """

    value: float
    how: str
    reason: str = ""


@dataclass(frozen=True)
class Decision:
    """Whether a sequence has a property.

    Parameters
    ----------
    name : str
        The property, in words.
    answer : Answer
    how : {"symbolic", "value", "numeric", ""}
    reason : str
        What was found, or why it is UNDECIDED.
    """

    name: str
    answer: Answer
    how: str
    reason: str


def sequence(text: Any, **values: float) -> Any:
    """Return the sympy expression of `text` in the positive symbol t, with every other name replaced by its value.

    Parameters
    ----------
    text : str or sympy.Expr
        For instance ``"lr/t^s"``.
    **values : float
        Decimals are taken as they are written.

    Raises
    ------
    ValueError
        For a name without a value.
    """
    import sympy

    expression = parse(text) if isinstance(text, str) else sympy.sympify(text)
    names = {str(symbol): symbol for symbol in expression.free_symbols}
    for name in names.keys() - {"t"} - values.keys():
        raise ValueError(f"{text!r} has the symbol {name} without a value; give {name}=..., t is the step.")
    given = {names[name]: sympy.Rational(str(values[name])) for name in names.keys() & values.keys()}
    return expression.subs(given).subs(names.get("t", time()), time())


def time() -> Any:
    """Return the symbol t > 0 that every expression here is a function of."""
    import sympy

    return sympy.Symbol("t", positive=True)


def limit(expression: Any) -> Limit:
    """Return the limit as t -> infinity, by sympy, else from values at t = 10^10 ... 10^60."""
    import sympy

    try:
        found = sympy.limit(sympy.simplify(expression), time(), sympy.oo)
    except Exception as error:  # noqa: BLE001  sympy raises whatever its algorithms meet
        found, why = None, f"sympy gives up ({type(error).__name__})"
    else:
        if found.is_number and found.is_extended_real and not found.has(sympy.AccumBounds):
            return Limit(float(found), "symbolic")
        why = f"sympy answers {found}"
    return _numeric_limit(expression, why)


def _numeric_limit(expression: Any, why: str) -> Limit:
    """Read a limit from values: a power of t, or a settled value."""
    import sympy

    logs, values = [], []
    for decade in _DECADES:
        value = _at(expression, 7 * 10**decade + 3)
        if value is None:
            return Limit(math.nan, "", f"{why}, and it is not a real number at t = 7e{decade}")
        values.append(value)
        logs.append(float(sympy.log(abs(value), 10)) if value else -math.inf)
    slopes = [(b - a) / 10.0 for a, b in itertools.pairwise(logs)]
    # An exponent that shrinks along the way, as that of a logarithm, may go on to 0.
    steady = abs(slopes[-1]) >= 0.9 * abs(slopes[0])
    if steady and all(slope < -_POWER for slope in slopes):
        return Limit(0.0, "numeric")
    if steady and all(slope > _POWER for slope in slopes) and len({value > 0 for value in values}) == 1:
        return Limit(math.inf if values[-1] > 0 else -math.inf, "numeric")
    changes = [abs(b - a) for a, b in itertools.pairwise(values[-3:])]
    if all(change <= _SETTLED * abs(values[-1]) for change in changes):
        return Limit(float(values[-1]), "numeric")
    return Limit(math.nan, "", f"{why}, and values up to t = 7e60 show no limit")


def _points(start: int) -> list[int]:
    """Return the t that are looked at: the first fifty, then decades; 7e_ + 3 is no multiple of a period."""
    return [*range(start, start + 50), *(start + 7 * 10**k + 3 for k in (2, 3, 4, 5, 6, 9, *_DECADES))]


def _at(expression: Any, t: int) -> Any:
    """Return the value at t to 50 digits, or None if it is not a finite real number."""
    value = expression.subs(time(), t).evalf(50)
    return value if value.is_number and value.is_real and value.is_finite else None


def _sign(expression: Any, start: int) -> int | None:
    """Return the sign that an expression provably keeps for t >= start (0: it is zero), or None."""
    import sympy

    moved = sympy.simplify(expression).subs(time(), start + sympy.Symbol("u", nonnegative=True))
    for form in (moved, sympy.factor(moved)):
        if form.is_zero:
            return 0
        if form.is_nonnegative:
            return 1
        if form.is_nonpositive:
            return -1
    return None


def positive(expression: Any, start: int = 1, *, name: str = "positive") -> Decision:
    """Decide whether a sequence is > 0 for every t >= start."""
    import sympy

    checks.count("start", start)
    for t in _points(start):
        value = _at(expression, t)
        if value is None or value <= 0:
            shown = "no real number" if value is None else f"{float(value):.6g}"
            return Decision(name, Answer.FAILS, "value", f"it is {shown} at t = {t}")
    moved = sympy.simplify(expression).subs(time(), start + sympy.Symbol("u", nonnegative=True))
    if moved.is_positive or sympy.factor(moved).is_positive:
        return Decision(name, Answer.HOLDS, "symbolic", "sympy proves it")
    return Decision(name, Answer.HOLDS, "numeric", "at every t that was looked at, up to 7e60")


def monotone(expression: Any, start: int = 1, *, rising: bool, name: str) -> Decision:
    """Decide whether a sequence never falls (rising) or never rises, for t >= start."""
    import sympy

    checks.count("start", start)
    wanted = 1 if rising else -1
    slope = sympy.diff(expression, time())
    sign = _sign(slope, start)
    if sign in (0, wanted):
        return Decision(name, Answer.HOLDS, "symbolic", "its derivative keeps its sign")
    points = _points(start)
    values = [_at(expression, t) for t in points]
    for (t, a), (u, b) in itertools.pairwise(zip(points, values, strict=True)):
        if a is None or b is None:
            return Decision(
                name, Answer.UNDECIDED, "", f"it is no real number at t = {t if a is None else u}"
            )
        if wanted * (b - a) < 0:
            return Decision(
                name,
                Answer.FAILS,
                "value",
                f"it goes from {float(a):.6g} at t = {t} to {float(b):.6g} at {u}",
            )
    if sign is not None:
        return Decision(name, Answer.FAILS, "symbolic", "its derivative has the other sign")
    return Decision(name, Answer.HOLDS, "numeric", "at every t that was looked at, up to 7e60")


def almost_nonincreasing(expression: Any, start: int = 1, *, name: str) -> Decision:
    """Decide whether chi_t > 0 stays within a constant factor of a nonincreasing sequence.

    Equivalent: sup of chi_u/chi_t over u >= t is finite.  It is if chi never rises, tends to a positive number, or falls to 0
    with an eventually negative derivative; it is not if chi tends to infinity.
    """
    import sympy

    above = positive(expression, start)
    if above.answer is not Answer.HOLDS:
        return Decision(name, above.answer, above.how, f"chi_t > 0: {above.reason}")
    steepness = sympy.simplify(sympy.diff(sympy.log(expression), time()) * time())
    if _sign(steepness, start) in (0, -1):
        return Decision(name, Answer.HOLDS, above.how, "chi_t never rises")
    end = limit(expression)
    how = "numeric" if "numeric" in (end.how, above.how) else end.how
    if math.isnan(end.value):
        return Decision(name, Answer.UNDECIDED, "", f"lim chi_t: {end.reason}")
    if end.value == math.inf:
        return Decision(name, Answer.FAILS, how, "chi_t tends to infinity")
    if end.value > 0.0:
        return Decision(name, Answer.HOLDS, how, f"chi_t tends to {end.value:.6g} > 0")
    for scale, words in ((1, "t chi'/chi"), (sympy.log(time()), "t log(t) chi'/chi")):
        index = limit(steepness * scale)
        if index.value < 0.0:
            how = "numeric" if "numeric" in (how, index.how) else how
            return Decision(
                name,
                Answer.HOLDS,
                how,
                f"chi_t tends to 0 and {words} to {index.value:.6g}, so it falls in the end",
            )
    return Decision(name, Answer.UNDECIDED, "", "chi_t tends to 0, but not shown to fall in the end")


def vanishing_average(weight: Any, share: Any, start: int = 1, *, name: str) -> Decision:
    """Decide whether sum_{t<=T} weight_t share_t / (T weight_T) -> 0, for weight > 0 and share >= 0.

    Stolz and Cesaro: if T weight_T increases to infinity, the ratio has the limit of weight_t share_t over the increase of
    t weight_t, for which its derivative stands; if T weight_T stays bounded, a positive sum over it cannot vanish.
    """
    import sympy

    total = limit(time() * weight)
    if math.isnan(total.value):
        return Decision(name, Answer.UNDECIDED, "", f"lim of t alpha_t: {total.reason}")
    if total.value < math.inf:
        first = _at(weight * share, start)
        if first is not None and first > 0:
            return Decision(
                name, Answer.FAILS, total.how, f"T alpha_T tends to {total.value:.6g} while the sum grows"
            )
        return Decision(
            name, Answer.UNDECIDED, "", "T alpha_T stays bounded and the first term is not positive"
        )
    increase = sympy.diff(time() * weight, time())
    steepness = limit(increase / weight)
    if not steepness.value >= 0.0:
        why = steepness.reason or f"its increase over alpha_T tends to {steepness.value:.6g}"
        return Decision(name, Answer.UNDECIDED, "", f"T alpha_T is not shown to increase in the end: {why}")
    ratio = limit(weight * share / increase)
    how = "numeric" if "numeric" in (total.how, steepness.how, ratio.how) else ratio.how
    if math.isnan(ratio.value):
        return Decision(name, Answer.UNDECIDED, "", f"lim of the ratio of increases: {ratio.reason}")
    answer = Answer.HOLDS if ratio.value == 0.0 else Answer.FAILS
    return Decision(name, answer, how, f"it tends to {ratio.value:.6g}")


def together(decisions: Iterable[Decision]) -> Answer:
    """FAILS if one fails, else UNDECIDED if one is undecided, else HOLDS."""
    answers = {row.answer for row in decisions}
    for answer in (Answer.FAILS, Answer.UNDECIDED):
        if answer in answers:
            return answer
    return Answer.HOLDS
