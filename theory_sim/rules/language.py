"""Rules, and what a rule may ask for: names, reductions, stages, rounds of messages.

A *rule* is a plain function of named scalars, as a paper writes it::

    def adam(g, lr, beta1, beta2, eps, x, m, v):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        return x - lr * m / (math.sqrt(v) + eps), m, v

Names bind to what a noun declares; positions in arrays are generated, never written.  A rule calls built-ins,
``math`` and other plain functions; it is a deterministic function of its arguments in every arithmetic.

All numbers are real, but for the names t, i, j, d, index and workers and literals without a point: these
count, and are whole numbers of 64 bits in compiled code.  A power or product of them that could leave these
bits, as ``2 ** -t`` or ``t ** 20``, is refused (`theory_sim.rules.whole`); ``2.0 ** -t`` and
``float(t) ** 20`` are real.
"""

from __future__ import annotations

import dis
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType
from typing import Any

from theory_sim.rules import checks
from theory_sim.rules.digest import Snapshot, captured, digest

Rule = Callable[..., Any]

OVER = ("coordinates", "workers", "columns")
FOLDS = {
    "sum": ("0.0", "{total} + {term}"),
    "norm": ("0.0", "math.hypot({total}, {term})"),
    # 0 * term keeps a NaN, which max of compiled code loses
    "max": ("-math.inf", "max({total}, {term}) + 0.0 * {term}"),
}


@dataclass(frozen=True)
class Reduction:
    """A number that a rule needs from all coordinates, or from all workers.

    Parameters
    ----------
    fold : {"sum", "norm", "max"}
        How terms are joined, in the order of the coordinates or workers; norm is the Euclidean one, by hypot.
    term : callable
        Rule for one term; several results at once reduce to as many names.
    over : {"coordinates", "workers", "columns"}
        Over workers there is one result for each coordinate, over the columns of a matrix one for each of its
        rows; a rule at the coordinate i sees the one of i.
    matrix : str
        The matrix of the problem whose entries weigh the terms of a sum over columns.
    transposed : bool
        Whether rows and columns of that matrix change places.
    """

    fold: str
    term: Rule
    over: str = "coordinates"
    matrix: str = ""
    transposed: bool = False

    def __post_init__(self) -> None:
        checks.known("fold", self.fold, FOLDS)
        checks.known("range of a reduction", self.over, OVER)
        names(self.term)


def total(term: Rule, over: str = "coordinates") -> Reduction:
    """Return the sum of a term over the coordinates or the workers."""
    return Reduction("sum", term, over)


def norm(term: Rule) -> Reduction:
    """Return the Euclidean norm of a term over the coordinates."""
    return Reduction("norm", term)


def largest(term: Rule, over: str = "coordinates") -> Reduction:
    """Return the maximum of a term over the coordinates or the workers."""
    return Reduction("max", term, over)


def product(matrix: str, term: Rule, *, transposed: bool = False) -> Reduction:
    """Return a matrix of the problem times the vector of a term.

    Parameters
    ----------
    matrix : str
        Its name in `theory_sim.Problem.matrices`, of shape (m, n).
    term : callable
        Rule for entry i of the vector: of n coordinates, or of the m entries of an earlier product with the same
        matrix, which the term names, if transposed.
    transposed : bool
        Whether the transpose is meant, which has m columns.
    """
    return Reduction("sum", term, "columns", matrix, transposed)


Reductions = Mapping[Any, Reduction]  # by a name, or a tuple of names


@dataclass(frozen=True)
class Stage:
    """A rule and the names that its results are written to, in order.

    Parameters
    ----------
    rule : callable
    writes : tuple of str
        Names of rows, ``x``, or ``p``, the message.
    """

    rule: Rule
    writes: tuple[str, ...]

    def __post_init__(self) -> None:
        names(self.rule)


@dataclass(frozen=True)
class Round:
    """What the workers and the server of a distributed method do in one step.

    The engine sends, averages and counts.

    Parameters
    ----------
    send : Stage
        At each worker and coordinate, from its gradient ``g``; writes its message ``p`` and
        rows of the worker.
    apply : Stage
        At each coordinate of the server; sees ``mean``, the mean of the decoded messages, and ``p`` and
        ``reply`` where the server replies; writes ``x`` and rows.
    keep : Stage, optional
        At each worker after its message left; sees ``p`` and ``sent``, what the receiver decodes.
    reply : Stage, optional
        At each coordinate of the server; sees ``mean`` and writes the reply ``p`` and rows.
    start : Stage, optional
        In place of `reply`, once before the first gradient, where the first query point is itself a message.
    """

    send: Stage
    apply: Stage
    keep: Stage | None = None
    reply: Stage | None = None
    start: Stage | None = None


def names(rule: Rule) -> tuple[str, ...]:
    """Return the names of the arguments of a rule.

    Raises
    ------
    TypeError
        If it is no plain Python function of named arguments.
    """
    if not inspect.isfunction(rule):
        raise TypeError(f"{rule!r} is no rule: give a plain Python function, not compiled and not a method.")
    code = rule.__code__
    named = code.co_argcount + code.co_kwonlyargcount
    if code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        raise TypeError(
            f"{rule.__name__} takes *{code.co_varnames[named]}; a rule names each of its arguments."
        )
    return code.co_varnames[:named]


def required(rule: Rule) -> tuple[str, ...]:
    """Return the names of a rule that have no default value."""
    found, positions = names(rule), rule.__code__.co_argcount
    by_position = found[: positions - len(rule.__defaults__ or ())]
    return (*by_position, *(name for name in found[positions:] if name not in (rule.__kwdefaults__ or {})))


def bind(rule: Rule, scope: Mapping[str, str], owner: str) -> list[str]:
    """Return the expressions for the arguments of a rule, in its order.

    Parameters
    ----------
    rule : callable
    scope : mapping of str to str
        What each known name stands for.
    owner : str
        Whose rule it is, for the message.

    Raises
    ------
    ValueError
        For a name that is not in scope and has no default value.
    """
    out, left = [], False
    for name in names(rule):
        if name in scope:
            out.append(f"{name}={scope[name]}" if left else scope[name])
        elif name in required(rule):
            raise ValueError(
                f"Rule {rule.__name__} of {owner} names {name!r}, which is not declared: "
                f"{checks.suggestion(name, scope)}"
            )
        else:
            left = True  # it has its default value, so what follows is given by name
    return out


def called(function: Rule) -> Iterator[Rule]:
    """Yield a function and the plain functions that it calls."""
    seen, waiting = set(), [function]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        yield one
        waiting += [value for value in captured(one).values() if inspect.isfunction(value)]


def opcodes(function: Rule) -> Iterator[tuple[str, Any]]:
    """Yield what instructions do, and with which values, of a function and the plain ones that it calls."""
    for one in called(function):
        yield from _instructions(one.__code__)


@lru_cache(4096)
def _instructions(code: CodeType) -> tuple[tuple[str, Any], ...]:
    return tuple((one.opname, one.argval) for one in dis.get_instructions(code))


def require_calls(function: Rule, subject: str) -> None:
    """Raise ValueError for a call that compiled code has not: by keyword only, or of a function by itself.

    Parameters
    ----------
    function : callable
    subject : str
        What it is, for the message.
    """
    for one in called(function):
        code = one.__code__
        own = "" if one is function else f"calls {one.__name__}, which "
        if code.co_kwonlyargcount:
            name = code.co_varnames[code.co_argcount]
            raise ValueError(
                f"{subject} {own}takes {name!r} by keyword only, which compiled code cannot do; drop the * before it."
            )
        if code.co_flags & inspect.CO_VARKEYWORDS:
            raise ValueError(f"{subject} {own}takes any keyword, which compiled code cannot do; drop the **.")
        if any(value is one for value in captured(one).values()):
            raise ValueError(f"{subject} {own}calls itself; write a loop.")


def indexes(function: Rule) -> bool:
    """Return whether a function, or one that it calls, takes an element of something."""
    found = list(opcodes(function))  # all of them, so that names that do not exist are refused
    return any(name == "BINARY_SUBSCR" or (name, value) == ("BINARY_OP", 26) for name, value in found)


def require_names(what: str, given: Iterable[str], taken: Iterable[str], owner: str) -> None:
    """Raise ValueError for a name that is no identifier, appears twice, or means something else in a rule."""
    seen = set(taken)
    for name in given:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"{what} {name!r} of {owner} is no name; use letters, digits and underscores.")
        if name in seen:
            raise ValueError(f"{what} {name!r} of {owner} is taken; give it another name.")
        seen.add(name)


def text(rule: Rule) -> str:
    """Return a rule as it is written; what its name and arguments are where no file has it."""
    try:
        return textwrap.dedent(inspect.getsource(rule)).rstrip()
    except OSError:
        return f"def {rule.__name__}{inspect.signature(rule)}: ...  # typed at a prompt"


@dataclass(frozen=True)
class Source:
    """The text of a generated kernel and the functions that it calls.

    Parameters
    ----------
    kind : str
        Key of the table in `theory_sim.rules.build`.
    text : str
        A Python function called ``kernel``.
    functions : mapping of str to callable
        Plain functions by the names that the text uses.
    own : frozenset of str
        Those of them that are the engine's, which never change and whose indices are right.
    """

    kind: str
    text: str
    functions: Mapping[str, Rule] = field(default_factory=dict)
    own: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._now()  # a name that does not exist is refused here

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_known"}

    @property
    def bounded(self) -> bool:
        """Whether every index is checked when the kernel runs; where that fails, it raises IndexError."""
        return self._now()[1]

    @property
    def digest(self) -> str:
        """16 hex digits that identify all that the kernel consists of at this moment."""
        return self._now()[2]

    def _now(self) -> tuple[Snapshot, bool, str]:
        known: tuple[Snapshot, bool, str] | None = self.__dict__.get("_known")
        if known is None or not known[0].holds():
            rules = [function for name, function in self.functions.items() if name not in self.own]
            bounded = any(indexes(function) for function in rules)
            own = digest(self.kind, self.text, dict(self.functions), bounded)
            known = self.__dict__["_known"] = Snapshot(*rules), bounded, own
        return known
