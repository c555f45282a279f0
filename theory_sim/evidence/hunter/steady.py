"""What an optimizer does to periodic gradients once it has forgotten its start: rows, their formulas, identities.

For t -> infinity a rule of one coordinate becomes a *limit system*: state rows s' = a s + b or s' = max(a s, b),
where a and b name the gradient, hyperparameters and earlier rows, and the update u of x' = x - lr u.  If the
product of a over a period is below 1 in size, every row tends to its periodic orbit geometrically, from any start.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from theory_sim.evidence.hunter.formula import (
    ONE,
    ZERO,
    Formula,
    affine,
    comparisons,
    exchanged,
    larger,
    make,
    number,
    replaced,
    traced,
)
from theory_sim.evidence.hunter.formula import name as named
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.rules import language
from theory_sim.rules.language import Round, Rule
from theory_sim.rules.trace import expressions


class NoFormula(ValueError):
    """Why an optimizer has no limit system; it can still be run."""


@dataclass(frozen=True)
class Row:
    """A state row: s' = a s + b, or max(a s, b) for the kind "maximum"."""

    name: str
    kind: str
    a: Formula
    b: Formula

    @property
    def frozen(self) -> bool:
        """Whether it forgets nothing, so that a period changes it by a vanishing share at most."""
        return self.a is ONE

    @property
    def after(self) -> Formula:
        """Its value after a step."""
        kept = make("*", self.a, named(self.name))
        if self.kind == "maximum":
            return make("where", make(">", self.b, kept), self.b, kept)
        return make("+", kept, self.b)


@dataclass(frozen=True)
class Steady:
    """A limit system.

    Parameters
    ----------
    name : str
        Of the optimizer.
    values : mapping of str to float
        The hyperparameters.
    rows : tuple of Row
        In an order in which each names only earlier ones; values *before* the step.
    update : Formula
        u of x' = x - lr u.
    """

    name: str
    values: Mapping[str, float]
    rows: tuple[Row, ...]
    update: Formula

    @cached_property
    def hyper(self) -> tuple[str, ...]:
        """The hyperparameters that the formulas name, in the optimizer's order."""
        named = frozenset().union(self.update.names, *(row.a.names | row.b.names for row in self.rows))
        return tuple(one for one in self.values if one in named)

    @cached_property
    def formulas(self) -> dict[str, str]:
        """The rows and the update as text, in order."""
        return {row.name: str(row.after) for row in self.rows} | {"update": str(self.update)}

    @cached_property
    def jumps(self) -> tuple[Formula, ...]:
        """The conditions of signs and masks, which have to be strict at the steady state."""
        every = [self.update, *(row.b for row in self.rows), *(row.a for row in self.rows)]
        return tuple(dict.fromkeys(one for formula in every for one in comparisons(formula)))

    @cached_property
    def stepwise(self) -> bool:
        """Whether the update has finitely many values, as a sign: then a drift of 0 is 0, not nearly 0."""
        waiting = [self.update]
        while waiting:
            node = waiting.pop()
            if node.operation == "where":
                waiting += node.parts[1:]
            elif not node.names <= self.values.keys():
                return False
        return True

    @cached_property
    def identity(self) -> str | None:
        """A proof that D has the sign of S for every sequence: D is S times a positive factor; or None."""
        gains: dict[str, Formula] = {"g": ONE}
        constant = {*self.values}
        signs: dict[str, bool] = {}  # rows known to be >= 0, True where > 0
        for row in self.rows:
            fed = self._sign(row.b, signs)
            if row.frozen:
                if row.b is not ZERO and fed is None:
                    return None
                constant.add(row.name)
                signs[row.name] = True  # once a gradient was not 0
                continue
            if fed is not None and self._sign(row.a, signs) is not None:
                signs[row.name] = False
            gain = self._gain(row.b, gains, constant) if row.kind == "average" else None
            if gain is not None and row.a.names <= constant:
                gains[row.name] = make("/", gain, make("-", ONE, row.a))
        # over a period, a row has the same sum before the steps as after them
        after = {row.after: named(row.name) for row in self.rows if row.name in gains}
        total = self._gain(exchanged(self.update, after), gains, constant)
        if total is None or not self._sign(total, signs):
            return None
        return f"D = {_product(total)}" + "".join(f"; {one}" for one in self._reasons(total))

    def _reasons(self, total: Formula) -> list[str]:
        found, frozen = [], [row for row in self.rows if row.frozen]
        for row in frozen:
            if row.kind == "maximum" and row.name in total.names:
                found.append(f"{row.name} never falls, so it is constant at the steady state")
            elif row.name in total.names:
                found.append(f"a period changes {row.name} by a vanishing share of it")
        if any(row.kind == "average" and not row.frozen for row in self.rows):
            found.append("a moving average has the mean of what it averages")
        return found

    def _gain(self, formula: Formula, gains: Mapping[str, Formula], constant: set[str]) -> Formula | None:
        """Return the mean of a formula per mean of g if it is linear in g and the rows of `gains`."""
        if formula.operation == "/" and formula.parts[1].names <= constant:
            above = self._gain(formula.parts[0], gains, constant)
            return None if above is None else make("/", above, formula.parts[1])
        total, rest = ZERO, formula
        for name, gain in gains.items():
            parts = affine(rest, name)
            if parts is None or not parts[0].names <= constant:
                return None
            total, rest = make("+", total, make("*", parts[0], gain)), parts[1]
        return total if rest is ZERO else None

    def _sign(self, formula: Formula, signs: Mapping[str, bool]) -> bool | None:
        """Whether a formula is > 0 (True) or >= 0 (False) by its form; None if neither is seen."""
        if formula.names <= self.values.keys():
            value = evaluated(formula, self.values)
            return value > 0.0 if value >= 0.0 else None
        parts = formula.parts
        if formula.operation == "name":
            return signs.get(parts[0])
        if formula.operation == "*":
            factors = _factors(formula)
            odd = [self._sign(one, signs) for one in dict.fromkeys(factors) if factors.count(one) % 2]
            return None if None in odd else all(odd) and len(odd) == len(factors)
        found = [self._sign(one, signs) for one in parts]
        match formula.operation:
            case "sqrt":
                return found[0]
            case "abs":
                return False
            case "+":
                return None if None in found else any(found)
            case "/":
                return found[0] if found[1] else None
            case "where" if larger(formula) is not None:
                return True if True in found[1:] else False if False in found[1:] else None
        return None


def _factors(formula: Formula) -> list[Formula]:
    if formula.operation != "*":
        return [formula]
    return [one for part in formula.parts for one in _factors(part)]


def _product(gain: Formula) -> str:
    """Return S times a gain, as text."""
    if gain.operation == "/":
        return str(make("/", make("*", gain.parts[0], named("S")), gain.parts[1]))
    return str(make("*", gain, named("S")))


def evaluated(formula: Formula, values: Mapping[str, float]) -> float:
    """Return the value of a formula of numbers, NaN where it has none."""
    try:
        found = replaced(formula, {name: number(value) for name, value in values.items()}).value
    except ValueError:
        return math.nan
    return math.nan if found is None else found


def _replacements(optimizer: Optimizer, rule: Rule, values: Mapping[str, Formula]) -> dict[str, Formula]:
    """Return what the names of one coordinate, one worker and late steps stand for."""
    given = {"t": number(math.inf), "i": ZERO, "d": ONE, "workers": ONE, "j": ZERO}
    for key, reduction in optimizer.reductions.items():
        terms = traced(expressions(reduction.term), given, values)
        of_one = [make("abs", one) if reduction.fold == "norm" else one for one in terms]
        given |= dict(zip((key,) if isinstance(key, str) else key, of_one, strict=True))
    own = {*given, *optimizer.hyper, *optimizer.rows, "g", "x", "lr"}
    defaults = inspect.signature(rule).parameters.items()
    return given | {one: number(p.default) for one, p in defaults if one not in own}


def steady(optimizer: Optimizer) -> Steady:
    """Return the limit system of an optimizer in one dimension.

    Raises
    ------
    NoFormula
        If it sends messages, draws random numbers, moves x by itself, scales with lr in another way, or has a
        state that is no moving average or maximum; the message says which.
    """
    name, rule = optimizer.name, optimizer.step
    if isinstance(rule, Round) or not optimizer.is_rule or optimizer.up is not None:
        raise NoFormula(
            f"{name} sends messages or is a kernel, and formulas come from rules of one coordinate."
        )
    if optimizer.draws or optimizer.boxless:
        why = "draws random numbers" if optimizer.draws else "keeps its iterate in its state"
        raise NoFormula(f"{name} {why}, and the formulas are of rules that do not.")
    zeros = [one for one, value in optimizer.hyper.items() if value == 0.0 and one in language.names(rule)]
    try:
        for zero in [(), *((one,) for one in zeros), tuple(zeros)]:
            found = _steady(optimizer, rule, zero)
            if found is not None:
                return found
    except NoFormula:
        raise
    except ValueError as error:
        raise NoFormula(f"{name} has no limit system: {str(error).rstrip('.')}.") from None
    way = "; set weight_decay=0" if optimizer.hyper.get("weight_decay") else ""
    raise NoFormula(f"{name} moves x by more than lr times a function of gradients{way}.")


def _steady(optimizer: Optimizer, rule: Rule, zero: tuple[str, ...]) -> Steady | None:
    """Return the limit system with some hyperparameters taken for 0, None if the step depends on x."""
    values = {one: number(value) for one, value in optimizer.hyper.items()}
    given = {**_replacements(optimizer, rule, values), **dict.fromkeys(zero, ZERO)}
    constants: dict[str, Formula] = {}
    while True:  # until no more rows turn out to be constant
        known, new = {**given, **constants}, {}
        if optimizer.once is not None:
            made = traced(expressions(optimizer.once), known, values)
            new = dict(zip(optimizer.shared, made, strict=True))
        moved, *results = traced(expressions(rule), {**known, **new}, values)
        new |= dict(zip([row for row in optimizer.rows if row not in optimizer.shared], results, strict=True))
        found = _constant({row: formula for row, formula in new.items() if row not in constants}, optimizer)
        if not found:
            break
        constants |= found
    at_x = affine(moved, "x")
    if at_x is None or at_x[0] is not ONE:
        return None
    at_lr = affine(at_x[1], "lr")
    if at_lr is None or at_lr[1] is not ZERO or "lr" in at_lr[0].names:
        raise NoFormula(f"{optimizer.name} has steps that are not proportional to lr.")
    new = {row: formula for row, formula in new.items() if row not in constants}
    rows, update = _ordered(optimizer, new, make("neg", at_lr[0]))
    return Steady(optimizer.name, dict(optimizer.hyper), rows, update)


def _constant(new: Mapping[str, Formula], optimizer: Optimizer) -> dict[str, Formula]:
    """Return the rows that tend to a number whatever the gradients are."""
    found = {}
    for row, formula in new.items():
        if formula.names <= {row, *optimizer.hyper}:
            parts = affine(formula, row)
            if parts is not None and abs(evaluated(parts[0], optimizer.hyper)) < 1.0:
                found[row] = make("/", parts[1], make("-", ONE, parts[0]))
    return found


def _ordered(
    optimizer: Optimizer, new: Mapping[str, Formula], update: Formula
) -> tuple[tuple[Row, ...], Formula]:
    """Return the rows that matter in an order of dependence, and the update."""
    needed: set[str] = set()
    waiting = [update]
    while waiting:
        for one in (waiting.pop().names & new.keys()) - needed:
            needed.add(one)
            waiting.append(new[one])
    left = {one: new[one] for one in new if one in needed}
    rows: list[Row] = []
    while left:
        free = [one for one in left if not (left[one].names & left.keys()) - {one}]
        if not free:
            raise NoFormula(
                f"{optimizer.name} has rows that depend on each other in a circle: {', '.join(left)}."
            )
        formula = left.pop(free[0])
        row = _row(optimizer, free[0], formula)
        if {"x", "lr"} & (row.a.names | row.b.names):
            raise NoFormula(f"{optimizer.name} keeps a row, {row.name}, that depends on x or lr.")
        if row.frozen:  # what a period changes by a vanishing share is the same before and after a step
            same = {formula: named(row.name)}
            update = exchanged(update, same)
            left = {one: exchanged(other, same) for one, other in left.items()}
        rows.append(row)
    return tuple(rows), update


def _row(optimizer: Optimizer, row: str, formula: Formula) -> Row:
    """Return a row as an average or a maximum."""
    parts = affine(formula, row)
    if parts is not None and row not in parts[0].names | parts[1].names:
        return _of_kind(optimizer, row, "average", *parts)
    sides = larger(formula)
    if sides is not None:
        for inner, other in (sides, sides[::-1]):
            scaled = affine(inner, row)
            if scaled is not None and scaled[1] is ZERO and row not in other.names:
                return _of_kind(optimizer, row, "maximum", scaled[0], other)
    raise NoFormula(f"{optimizer.name} keeps a row, {row}, that is no moving average and no maximum.")


def _of_kind(optimizer: Optimizer, row: str, kind: str, a: Formula, b: Formula) -> Row:
    return Row(row, kind, ONE if evaluated(a, optimizer.hyper) == 1.0 else a, b)
