"""The Theorem noun: conditions with margins, a conclusion, and where each constant comes from.

Expressions are text, ``"lr <= eps*(1 - beta1)/(4*L*C0)"``, whose syntax is checked at once and which becomes
a sympy expression on first use; it is never evaluated as Python.  Every name in it is a real symbol whose
value comes, in this order, from what the caller gives, the optimizer, the run, and the problem's facts and
parameters.  A name without a value makes its condition UNDECIDED and is named; nothing is assumed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.nouns import html, papers
from theory_sim.nouns.expression import check, parse
from theory_sim.nouns.glossary import MEANING, WORDS
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules import checks

if TYPE_CHECKING:
    from theory_sim.nouns.optimizer import Optimizer
    from theory_sim.nouns.problem import Problem

PROVENANCE = ("read", "derived", "recalled")
SIDES = ("upper", "lower")
_RELATION = re.compile(r"<=|>=|==|<|>")
_LATEX = {"sigma2": r"\sigma^{2}"}
_DIGITS = 60


class Answer(StrEnum):
    """Whether a condition holds."""

    HOLDS = "HOLDS"
    FAILS = "FAILS"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True)
class Condition:
    """A relation that a theorem assumes.

    Parameters
    ----------
    relation : str
        ``"left < right"`` with one of < <= == >= >, or a word as in ``"order == cyclic"``; see
        `theory_sim.nouns.glossary.WORDS`.
    name : str
        What it says, in words; default: the relation.
    """

    relation: str
    name: str = ""

    def __post_init__(self) -> None:
        if len(_RELATION.findall(self.relation)) != 1:
            raise ValueError(f"relation = {self.relation!r} must have exactly one of < <= == >= >.")
        left, sign, right = self.sides
        if not self.worded:
            for side in (left, right):
                check(side)
        elif sign != "==":
            raise ValueError(
                f"relation = {self.relation!r} compares words, which are equal or not; write ==."
            )
        else:
            checks.known(left, right, WORDS[left])

    @property
    def sides(self) -> tuple[str, str, str]:
        """What is left of the sign, the sign, and what is right of it."""
        left, right = _RELATION.split(self.relation)
        return left.strip(), _RELATION.findall(self.relation)[0], right.strip()

    @property
    def worded(self) -> bool:
        """Whether the left side is a symbol whose value is a word."""
        return self.sides[0] in WORDS

    @property
    def strict(self) -> bool:
        """Whether equality fails."""
        return "=" not in self.sides[1]

    @property
    def margin(self) -> str:
        """The slack as an expression: the condition holds iff it is > 0, or >= 0 if not strict.

        That of an equality is -|left - right|; a word is a symbol of its own.
        """
        left, sign, right = self.sides
        if self.worded:
            return left
        if sign == "==":
            return f"-Abs(({left}) - ({right}))"
        return f"({right}) - ({left})" if "<" in sign else f"({left}) - ({right})"

    def __str__(self) -> str:
        return self.name or self.relation


@dataclass(frozen=True)
class Judged:
    """A condition at given values: the answer, the margin (NaN if unknown), and why it is UNDECIDED."""

    condition: Condition
    answer: Answer
    margin: float
    reason: str = ""


@dataclass(frozen=True)
class Assessment:
    """What a theorem says at given values.

    Parameters
    ----------
    conditions : tuple of Judged
    bound : float
        The bound that follows; NaN if a condition fails or is undecided, or the theorem states no bound.
    reason : str
        Why there is no bound.
    """

    conditions: tuple[Judged, ...]
    bound: float
    reason: str = ""

    @property
    def applies(self) -> Answer:
        """FAILS if one condition fails, else UNDECIDED if one is undecided, else HOLDS."""
        answers = {row.answer for row in self.conditions}
        for answer in (Answer.FAILS, Answer.UNDECIDED):
            if answer in answers:
                return answer
        return Answer.HOLDS

    @property
    def failed(self) -> tuple[Judged, ...]:
        """The conditions that do not hold."""
        return tuple(row for row in self.conditions if row.answer is Answer.FAILS)


@dataclass(frozen=True, eq=False)
class Theorem:
    """A statement with conditions that can be evaluated and a conclusion that a run can be compared with.

    Parameters
    ----------
    id : str
        Paper key, dot, label: ``"reddi2018.thm2"``.
    where : str
        Number in the paper.
    statement : str
        In our words.
    conditions : tuple of Condition
    bound : str
        Expression of the bound, empty if the conclusion is a verdict only.
    side : {"upper", "lower"}
        Whether `quantity` is at most or at least the bound.
    quantity : str
        What is bounded: a variable of the Dataset of a run with running=True, averaged over seeds, or
        ``"verdict"``.
    verdict : Verdict, optional
        How a long run must end.
    where_symbols : mapping of str to str
        Abbreviations used in `bound` and `conditions`, in order of definition.
    meaning : mapping of str to str
        What a symbol means, with its unit, where it is not what `theory_sim.nouns.glossary` says.
    assumes : tuple of str
        Assumptions that no number decides, in words.
    constants : {"read", "derived", "recalled"}
        Whether the constants were read in the paper, derived here, or are recalled; recalled ones are never
        asserted.
    problem, optimizer : callable, optional
        Constructors of the default instance, for a run beside the bound.
    own_problem : bool
        Whether the statement is about the family of the default problem only, as a counterexample is.
    families : tuple of callable
        Further constructors of the theorem's own problem, beside that of `problem`.
    covers : tuple of str
        Variants of the optimizer that the statement covers although no condition names them.
    run : mapping
        Fields of the `Sweep` of that run: steps, order, seeds, workers.
    values : callable, optional
        ``values(problem, optimizer)``: further symbols that neither of them names.
    """

    id: str
    where: str
    statement: str
    conditions: tuple[Condition, ...]
    bound: str = ""
    side: str = "upper"
    quantity: str = ""
    verdict: Verdict | None = None
    where_symbols: Mapping[str, str] = field(default_factory=dict)
    meaning: Mapping[str, str] = field(default_factory=dict)
    assumes: tuple[str, ...] = ()
    constants: str = "derived"
    problem: Callable[[], Problem] | None = None
    optimizer: Callable[[], Optimizer] | None = None
    own_problem: bool = False
    families: tuple[Callable[..., Problem], ...] = ()
    covers: tuple[str, ...] = ()
    run: Mapping[str, Any] = field(default_factory=dict)
    values: Callable[[Problem, Optimizer], Mapping[str, float | Fraction]] | None = None

    def __post_init__(self) -> None:
        papers.check_id("theorem", self.id)
        checks.known("side", self.side, SIDES)
        checks.known("provenance", self.constants, PROVENANCE)
        if not self.bound and self.verdict is None:
            raise ValueError(f"Theorem {self.id} concludes nothing; give it a bound or a verdict.")
        if self.own_problem and self.problem is None:
            raise ValueError(f"Theorem {self.id} is about its own problem; give its constructor as problem.")
        for text in filter(None, (self.bound, *self.where_symbols.values())):
            check(text)
        object.__setattr__(self, "meaning", {**MEANING, **self.meaning})

    def __repr__(self) -> str:
        return f"Theorem({self.id}: {self.statement})"

    def _repr_html_(self) -> str:
        return html.table(
            self.id,
            {
                "where": self.where,
                "statement": self.statement,
                "conditions": "\n".join(map(str, self.conditions)),
                "assumes": "\n".join(self.assumes),
                "conclusion": f"$${self.latex()}$$",
                "constants": self.constants,
            },
        )

    @property
    def paper(self) -> str:
        """Key of a paper: of `theory_sim.nouns.papers`, or of a module's own."""
        return self.id.split(".")[0]

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """The names whose values the theorem needs, without its abbreviations, sorted."""
        texts = [
            *(condition.margin for condition in self.conditions),
            self.bound or "0",
            *self.where_symbols.values(),
        ]
        used = {str(symbol) for text in texts for symbol in parse(text).free_symbols}
        return tuple(sorted(used - set(self.where_symbols)))

    def latex(self) -> str:
        """Return the conclusion as LaTeX, with the abbreviations after it."""
        import sympy

        sign = r"\le" if self.side == "upper" else r"\ge"
        quantity = self.quantity.replace("_", r"\_")
        names = {sympy.Symbol(name, real=True): shown for name, shown in _LATEX.items()}

        def shown(text: str) -> str:
            return str(sympy.latex(parse(text), symbol_names=names))

        parts = [rf"\text{{{quantity}}} {sign} {shown(self.bound)}" if self.bound else ""]
        parts += [rf"\text{{verdict}} = \text{{{self.verdict}}}" if self.verdict is not None else ""]
        parts += [f"{shown(name)} = {shown(text)}" for name, text in self.where_symbols.items()]
        return r",\quad ".join(filter(None, parts))

    def gather(
        self,
        problem: Problem | None = None,
        optimizer: Optimizer | None = None,
        **given: float | Fraction | str,
    ) -> dict[str, float | Fraction | str]:
        """Return the value of every symbol that can be resolved.

        Given values win over the optimizer's (lr, hyperparameters, and the compressors' q_up, delta_up,
        q_down, delta_down), those over the problem's facts, parameters and dimension ``d``.
        """
        found: dict[str, Any] = {}
        if problem is not None:
            found |= {"d": problem.dim, **problem.arguments, **problem.facts}
        if optimizer is not None:
            found |= {"lr": optimizer.lr, **optimizer.hyper}
            found |= {
                name: value for name, value in optimizer.arguments.items() if name not in optimizer.hyper
            }
            if problem is not None:
                found |= _contractions(optimizer, problem.dim)
        if self.values is not None and problem is not None and optimizer is not None:
            found |= self.values(problem, optimizer)
        found |= given
        return {
            name: float(value) if isinstance(value, np.number | bool) else value
            for name, value in found.items()
            if name in self.symbols
            and isinstance(value, str if name in WORDS else int | float | Fraction | np.number)
        }

    def assess(self, values: Mapping[str, float | Fraction | str]) -> Assessment:
        """Decide every condition at `values` and evaluate the bound that follows.

        Decimals are taken as they are written (0.81 is 81/100), so that a boundary case is decided exactly.

        Raises
        ------
        ValueError
            If a value is neither a real number nor, for a symbol of `WORDS`, one of its words.
        """
        numbers = {name: _exact(name, value) for name, value in values.items() if name not in WORDS}
        words = {name: value for name, value in values.items() if name in WORDS}
        for name, word in words.items():
            checks.known(name, str(word), WORDS[name])
        rows = tuple(
            self._compare(condition, words) if condition.worded else self._judge(condition, numbers)
            for condition in self.conditions
        )
        assessment = Assessment(rows, math.nan)
        if assessment.applies is not Answer.HOLDS:
            return Assessment(rows, math.nan, f"its conditions are {assessment.applies}")
        if not self.bound:
            return Assessment(rows, math.nan, "it states no bound")
        bound = _evaluate(self._expanded(self.bound), numbers)
        if bound is None:
            return Assessment(rows, math.nan, self._missing(self.bound, numbers))
        return Assessment(rows, float(bound))

    def _compare(self, condition: Condition, words: Mapping[str, Any]) -> Judged:
        """Decide a condition on a word: its margin is 0, or -1 where the run has another word."""
        name, _, word = condition.sides
        if name not in words:
            return Judged(condition, Answer.UNDECIDED, math.nan, self._missing(name, words))
        if words[name] == word:
            return Judged(condition, Answer.HOLDS, 0.0)
        return Judged(condition, Answer.FAILS, -1.0, f"{name} is {words[name]}")

    def _judge(self, condition: Condition, numbers: Mapping[str, Any]) -> Judged:
        margin = _evaluate(self._expanded(condition.margin), numbers)
        if margin is None:
            return Judged(condition, Answer.UNDECIDED, math.nan, self._missing(condition.margin, numbers))
        sign = _sign(margin)
        if sign is None:
            return Judged(
                condition,
                Answer.UNDECIDED,
                0.0,
                f"its margin is below 1e-{_DIGITS // 2} in size and could not be decided",
            )
        holds = sign > 0 or (sign == 0 and not condition.strict)
        return Judged(condition, Answer.HOLDS if holds else Answer.FAILS, float(margin))

    def _expanded(self, text: str) -> Any:
        """Return an expression with every abbreviation written out."""
        return _expand(text, tuple(self.where_symbols.items()))

    def _missing(self, text: str, numbers: Mapping[str, Any]) -> str:
        """Say in one clause which symbols lack a value, or which abbreviation is no number."""
        absent = sorted({str(symbol) for symbol in self._expanded(text).free_symbols} - numbers.keys())
        if absent:
            shown = (f"{name} ({self.meaning[name]})" if name in self.meaning else name for name in absent)
            needed = ", ".join(shown)
            return f"it needs {needed}, which neither the problem nor the optimizer states; give a value"
        used = {str(symbol) for symbol in parse(text).free_symbols} & self.where_symbols.keys()
        broken = sorted(name for name in used if _evaluate(self._expanded(name), numbers) is None)
        return f"{' and '.join(broken) or 'it'} is not a finite real number at these values"

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the bound over arrays of values, in float64, without deciding the conditions.

        Raises
        ------
        ValueError
            If a symbol has no value.
        """
        import sympy

        expression = self._expanded(self.bound)
        symbols = sorted(expression.free_symbols, key=str)
        missing = [str(symbol) for symbol in symbols if str(symbol) not in values]
        if missing:
            raise ValueError(f"The bound of {self.id} needs {', '.join(missing)}; give a value.")
        return sympy.lambdify(symbols, expression, "numpy")(
            *(np.asarray(values[str(symbol)], float) for symbol in symbols)
        )


@cache
def _expand(text: str, abbreviations: tuple[tuple[str, str], ...]) -> Any:
    """Write out every abbreviation in `text`; each is defined in terms of those before it."""
    import sympy

    expression = parse(text)
    for name, meant in reversed(abbreviations):
        expression = expression.subs(sympy.Symbol(name, real=True), parse(meant))
    return expression


def _contractions(optimizer: Optimizer, d: int) -> dict[str, float]:
    """Return q and delta of the compressors that are contractions; q = sqrt(1 - delta)."""
    found: dict[str, float] = {}
    for side, compressor in (("up", optimizer.up), ("down", optimizer.down)):
        if compressor is not None:
            try:
                delta = compressor.delta(d // (optimizer.nodes or 1))
            except ValueError:  # its error is absolute
                continue
            if delta > 0.0:
                found |= {f"delta_{side}": delta, f"q_{side}": math.sqrt(1.0 - delta)}
    return found


def _exact(name: str, value: Any) -> Any:
    """Return a sympy number: a float is read as its shortest decimal."""
    import sympy

    real = isinstance(value, int | float | Fraction | np.integer | np.floating | sympy.Rational)
    if not real or isinstance(value, bool):
        raise ValueError(f"{name} = {value!r} is not a real number; give an int, a float or a Fraction.")
    if isinstance(value, float | np.floating) and not math.isfinite(value):
        return sympy.Float(float(value))
    return (
        sympy.Rational(str(value)) if not isinstance(value, np.number) else sympy.Rational(repr(value.item()))
    )


@lru_cache(maxsize=1024)
def _function(expression: Any) -> Any:
    """Return mpmath code for an expression, of its symbols in the order of their names."""
    import sympy

    return sympy.lambdify(sorted(expression.free_symbols, key=str), expression, "mpmath")


def _digits(expression: Any, given: Mapping[Any, Any], digits: int) -> Any:
    """Evaluate to `digits` working digits; None if the result is not a finite real number."""
    import mpmath
    import sympy

    with mpmath.workdps(digits):
        try:
            arguments = [
                mpmath.mpf(given[one].p) / given[one].q for one in sorted(expression.free_symbols, key=str)
            ]
            value = _function(expression)(*arguments)
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError, NameError):
            return None
        found = isinstance(value, int | mpmath.mpf) and mpmath.isfinite(value)
        return sympy.Float(value, digits) if found else None


def _evaluate(expression: Any, numbers: Mapping[str, Any]) -> Any:
    """Return the value of an expression with every symbol replaced; None if one is missing or it is not real.

    A value with 60 working digits is accepted if 120 working digits give the same 30.  Only a value that is 0
    to 30 digits, or that cancellation spoils, is computed exactly, which can take long: beta2^n has thousands
    of digits.
    """
    import sympy

    names = {str(symbol): symbol for symbol in expression.free_symbols}
    if not names.keys() <= numbers.keys():
        return None
    given = {symbol: numbers[name] for name, symbol in names.items()}
    # Rounding could take a floor at a whole number to the wrong side, so its argument is exact.
    jumps = expression.atoms(sympy.floor, sympy.ceiling)
    try:
        expression = expression.subs({jump: jump.subs(given) for jump in jumps})
        value, check = (_digits(expression, given, digits) for digits in (_DIGITS, 2 * _DIGITS))
        least = 10 ** (-_DIGITS // 2)
        sure = value is not None and check is not None and min(abs(value), abs(check)) > least
        if not (sure and abs(value - check) <= least * abs(check)):
            value = expression.subs(given)
    except (TypeError, ValueError):  # sympy compares no infinity or NaN, as in Max(1/0, 1)
        return None
    return value if value.is_extended_real and value.is_finite is not False else None


def _sign(value: Any) -> int | None:
    """Return the sign of an exact sympy number; None if 60 digits and simplification do not decide it."""
    if value.is_Rational:
        return int(bool(value > 0)) - int(bool(value < 0))
    number = value.evalf(_DIGITS)
    if number.is_number and abs(number) > 10 ** (-_DIGITS // 2):
        return 1 if number > 0 else -1
    if value.is_zero or (value.is_zero is None and value.equals(0)):
        return 0
    return None
