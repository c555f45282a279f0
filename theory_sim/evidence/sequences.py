"""Limits and monotonicity of sequences given as expressions in t, for conditions that speak about all t or t
-> infinity.

Every answer says how it was found: "symbolic" (proved), "value" (one t, evaluated to 50 digits, refutes it)
or "numeric" (a limit that values up to t = 7e60 show plainly, which is evidence and no proof).  What is
claimed of every t is proved, refuted or UNDECIDED, never read from values.

A sign on [start, infinity) is proved for functions that are analytic there: sums, products, powers,
exponentials and logarithms of t with no pole and no branch point.  It follows from the signs of the parts,
from Sturm's theorem if the function is rational in a root of t, or from the sign of the derivative with the
first value and the limit.
"""

from __future__ import annotations

import gc
import itertools
import math
import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from theory_sim.nouns.expression import parse
from theory_sim.nouns.theorem import Answer
from theory_sim.rules import checks
from theory_sim.rules.checks import rational

_DECADES = (10, 20, 30, 40, 50, 60)
_POWER = 1e-3  # least exponent of t that counts as growth or decay in values
_SETTLED = 1e-8  # largest relative change over the last ten decades of a sequence that counts as settled
_SECONDS = 3.0  # of processor time for one question to sympy
_DEGREE = 60  # of the polynomials given to Sturm's theorem
_DEPTH = 2  # derivatives taken for one sign
_OPEN = "no counterexample up to t = 7e60, and no proof"


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
    """Return the sympy expression of `text` in the positive symbol t, with every other name replaced by its
    value.

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

    expression = parse(text) if isinstance(text, str) else sympy.sympify(text, strict=True)
    names = {str(symbol): symbol for symbol in expression.free_symbols}
    for name in names.keys() - {"t"} - values.keys():
        raise ValueError(f"{text!r} has the symbol {name} without a value; give {name}=..., t is the step.")
    given = {
        names[name]: sympy.Rational(rational(name, str(values[name])))
        for name in names.keys() & values.keys()
    }
    return expression.subs(given).subs(names.get("t", time()), time())


def time() -> Any:
    """Return the symbol t > 0 that every expression here is a function of."""
    import sympy

    return sympy.Symbol("t", positive=True)


def limit(expression: Any) -> Limit:
    """Return the limit as t -> infinity, by sympy, else from values at t = 10^10 ... 10^60."""
    import sympy

    try:
        found = _within(lambda: sympy.limit(sympy.simplify(expression), time(), sympy.oo))
    except (Exception, _Late) as error:  # noqa: BLE001  sympy raises whatever its algorithms meet
        why = str(error) if isinstance(error, _Late) else f"sympy gives up ({type(error).__name__})"
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
        if value is None or value is sympy.nan:
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
    """Return the value at t to 50 digits, None if it is not finite and real, NaN if computing it fails."""
    import sympy

    # A large t with digits to spare, as an integer would be raised to the power of t exactly.
    place = t if t < 10**4 else sympy.Float(t, 80)
    try:
        value = _within(lambda: expression.subs(time(), place).evalf(50))
    except (ArithmeticError, MemoryError, ValueError, _Late):
        return sympy.nan
    return value if value.is_number and value.is_real and value.is_finite else None


class _Late(BaseException):
    """Time is up; no Exception, so that sympy does not catch it."""


def _within(work: Callable[[], Any]) -> Any:
    """Return work(), or raise _Late after `_SECONDS` of processor time.

    The limit is a timer signal: without one, as outside the main thread, there is no limit.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        return work()

    def ring(*_: object) -> None:
        raise _Late(f"sympy needs more than {_SECONDS:g} s")

    before, collecting = signal.signal(signal.SIGVTALRM, ring), gc.isenabled()
    # Python drops what is raised while it collects garbage; again every second, for the other places where it
    # does.
    gc.disable()
    signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS, 1.0)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
        if collecting:
            gc.enable()


def _prove(
    expression: Any, start: int, *, strict: bool = False, slope: bool = False
) -> tuple[int | None, str]:
    """Prove the sign of an expression, or of its slope, for t >= start; else return None and why."""
    import sympy

    def work() -> int | None:
        if not _analytic(expression, start):
            return None
        return _sign(sympy.diff(expression, time()) if slope else expression, start, strict=strict)

    try:
        sign = _within(work)
    except _Late as late:
        return None, f"{_OPEN}: {late}"
    except Exception as error:  # noqa: BLE001  sympy raises whatever its algorithms meet
        return None, f"{_OPEN}: sympy gives up ({type(error).__name__})"
    return sign, "" if sign is not None else _OPEN


def _analytic(expression: Any, start: int) -> bool:
    """Whether an expression is proved to be a real analytic function of t on [start, infinity)."""
    import sympy

    if expression == time():
        return True
    if not expression.free_symbols:
        return bool(expression.is_real and expression.is_finite)
    if not all(_analytic(part, start) for part in expression.args):
        return False
    if isinstance(expression, sympy.log):
        return _sign(expression.args[0], start, strict=True) == 1
    if isinstance(expression, sympy.Pow):
        base, exponent = expression.args
        if exponent.is_integer:
            return bool(exponent.is_nonnegative) or _sign(base, start, strict=True) is not None
        return _sign(base, start, strict=True) == 1
    return isinstance(expression, sympy.Add | sympy.Mul | sympy.exp | sympy.sin | sympy.cos)


def _sign(expression: Any, start: int, *, strict: bool, depth: int = _DEPTH) -> int | None:
    """Return the sign that an analytic expression provably keeps for t >= start (0: it is zero), or None.

    Unless `strict`, it may touch zero.
    """
    import sympy

    found = _plain_sign(expression, start, strict)
    if found is None:
        found = _sturm(expression, start, strict)
    if found is not None:
        return found
    factored = sympy.factor(sympy.together(expression))
    parts = sympy.Mul.make_args(factored)
    if len(parts) > 1:
        signs = [_part_sign(part, start, strict, depth) for part in parts]
        return None if None in signs else math.prod(sign for sign in signs if sign is not None)
    return _sign_by_slope(factored, start, strict, depth) if depth else None


def _part_sign(part: Any, start: int, strict: bool, depth: int) -> int | None:
    """Return the sign of one factor: that of the base for an odd power."""
    import sympy

    base, exponent = part.as_base_exp() if isinstance(part, sympy.Pow) else (part, sympy.S.One)
    odd = exponent.is_integer and exponent.is_odd
    found = _plain_sign(part, start, strict)
    if found is None and odd:
        found = _sturm(base, start, strict)
    if found is None and odd and depth:
        found = _sign_by_slope(base, start, strict, depth)
    return found


def _plain_sign(expression: Any, start: int, strict: bool) -> int | None:
    """Return the sign that follows from those of the parts, with t = start + u."""
    import sympy

    moved = expression.subs(time(), start + sympy.Symbol("u", nonnegative=True))
    for form in (moved, sympy.factor(moved)):
        if form.is_zero:
            return None if strict else 0
        if form.is_positive or (not strict and form.is_nonnegative):
            return 1
        if form.is_negative or (not strict and form.is_nonpositive):
            return -1
    return None


def _sturm(expression: Any, start: int, strict: bool) -> int | None:
    """Return the sign of a rational function of z = t^(1/q), by Sturm's count of its zeros and poles."""
    import sympy

    powers = [node for node in expression.atoms(sympy.Pow) if node.base == time()]
    if not all(node.exp.is_Rational for node in powers):
        return None
    q = math.lcm(*(int(node.exp.q) for node in powers))
    z = sympy.Symbol("z", positive=True)
    top, bottom = sympy.fraction(sympy.cancel(sympy.together(expression.subs(time(), z**q))))
    if not (top.is_polynomial(z) and bottom.is_polynomial(z)):
        return None
    over, under = sympy.Poly(top, z), sympy.Poly(bottom, z)
    if over.is_zero:
        return None if strict else 0
    rational = all(poly.domain.is_ZZ or poly.domain.is_QQ for poly in (over, under))
    if not rational or max(over.degree(), under.degree()) > _DEGREE:
        return None
    # The largest integer z with z^q <= start: from there on nothing is left out.
    first = sympy.Integer(int(sympy.integer_nthroot(start, q)[0]))
    if under.count_roots(inf=first):
        return None
    for factor, order in over.sqf_list()[1]:
        crossings = factor.count_roots(inf=first)
        if strict and crossings:
            return None
        # A zero of even order, or at the first t itself, leaves one sign.
        if order % 2 and crossings > int(bool(factor.eval(first) == 0)):
            return None
    beyond = first + 1
    while not (value := over.eval(beyond) * under.eval(beyond)):
        beyond += 1
    return 1 if value > 0 else -1


def _sign_by_slope(expression: Any, start: int, strict: bool, depth: int) -> int | None:
    """Return the sign of a monotone function, from its first value or its limit.

    One that falls to a limit >= 0 without being constant stays above it, and one that rises to a limit <= 0
    below.
    """
    import sympy

    slope = _sign(sympy.diff(expression, time()), start, strict=False, depth=depth - 1)
    if slope in (None, 0):
        return None
    first = expression.subs(time(), start) * slope
    if first.is_positive or (not strict and first.is_nonnegative):
        return slope
    last = sympy.limit(expression, time(), sympy.oo) * slope
    return -slope if first.is_negative and last.is_extended_nonpositive else None


def positive(expression: Any, start: int = 1, *, name: str = "positive") -> Decision:
    """Decide whether a sequence is > 0 for every t >= start."""
    import sympy

    checks.count("start", start)
    for t in _points(start):
        value = _at(expression, t)
        if value is sympy.nan:
            break
        if value is None or value <= 0:
            shown = "no real number" if value is None else f"{float(value):.6g}"
            return Decision(name, Answer.FAILS, "value", f"it is {shown} at t = {t}")
    sign, why = _prove(expression, start, strict=True)
    if sign == 1:
        return Decision(name, Answer.HOLDS, "symbolic", "it is proved")
    return Decision(name, Answer.UNDECIDED, "", why)


def monotone(expression: Any, start: int = 1, *, rising: bool, name: str) -> Decision:
    """Decide whether a sequence never falls (rising) or never rises, for t >= start."""
    import sympy

    checks.count("start", start)
    wanted = 1 if rising else -1
    values = ((t, _at(expression, t)) for t in _points(start))
    for (t, a), (u, b) in itertools.pairwise(values):
        if sympy.nan in (a, b):
            break
        if a is None or b is None:
            return Decision(
                name, Answer.UNDECIDED, "", f"it is no real number at t = {t if a is None else u}"
            )
        # Both have 50 digits.
        if wanted * (b - a) < -1e-48 * max(abs(a), abs(b)):
            return Decision(
                name,
                Answer.FAILS,
                "value",
                f"it goes from {float(a):.6g} at t = {t} to {float(b):.6g} at {u}",
            )
    sign, why = _prove(expression, start, slope=True)
    if sign in (0, wanted):
        return Decision(name, Answer.HOLDS, "symbolic", "its derivative keeps its sign")
    return Decision(name, Answer.UNDECIDED, "", why or "its derivative has the other sign")


def almost_nonincreasing(expression: Any, start: int = 1, *, name: str) -> Decision:
    """Decide whether chi_t > 0 stays within a constant factor of a nonincreasing sequence.

    Equivalent: sup of chi_u/chi_t over u >= t is finite.  It is if chi never rises, tends to a positive
    number, or falls to 0 with an eventually negative derivative; it is not if chi tends to infinity.
    """
    import sympy

    above = positive(expression, start)
    if above.answer is not Answer.HOLDS:
        return Decision(name, above.answer, above.how, f"chi_t > 0: {above.reason}")
    if _prove(sympy.log(expression), start, slope=True)[0] in (0, -1):
        return Decision(name, Answer.HOLDS, "symbolic", "chi_t never rises")
    end = limit(expression)
    how = end.how
    if math.isnan(end.value):
        return Decision(name, Answer.UNDECIDED, "", f"lim chi_t: {end.reason}")
    if end.value == math.inf:
        return Decision(name, Answer.FAILS, how, "chi_t tends to infinity")
    if end.value > 0.0:
        return Decision(name, Answer.HOLDS, how, f"chi_t tends to {end.value:.6g} > 0")
    steepness = sympy.diff(sympy.log(expression), time()) * time()
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

    Stolz and Cesaro: if T weight_T increases to infinity, the ratio has the limit of weight_t share_t over
    the increase of t weight_t, for which its derivative stands; if T weight_T stays bounded, a positive sum
    over it cannot vanish.
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


def together(decisions: Iterable[Decision], *, name: str = "all of them") -> Decision:
    """Join decisions: FAILS if one fails, else UNDECIDED if one is, else HOLDS, numeric if one of them is."""
    rows = tuple(decisions)
    for answer in (Answer.FAILS, Answer.UNDECIDED):
        for row in rows:
            if row.answer is answer:
                return Decision(name, answer, row.how, f"{row.name}: {row.reason}")
    numeric = [row.name for row in rows if row.how == "numeric"]
    if numeric:
        return Decision(name, Answer.HOLDS, "numeric", f"from values only: {', '.join(numeric)}")
    return Decision(name, Answer.HOLDS, "symbolic", "each of them is proved")
