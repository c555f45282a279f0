"""Every theorem against formulas typed from the papers, and every single error in a theorem against these.

Bounds have slack, so that runs notice few wrong constants.  Here a wrong one is another number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.paper_checks.theorems.golden import (
    adam,
    blocks,
    clipping,
    compression,
    layers,
    momentum,
    recursions,
    results,
    schedules,
    sign,
)
from tests.paper_checks.theorems.golden.mutants import expressions, relations
from tests.paper_checks.theorems.golden.rows import Golden, Point, Row
from tests.paper_checks.theorems.golden.shared import SHARED
from theory_sim.app import catalogue
from theory_sim.nouns.expression import parse
from theory_sim.nouns.theorem import Answer, Condition, Theorem
from theory_sim.nouns.verdict import Verdict

GOLDEN: Mapping[str, Golden] = (
    adam.GOLDEN
    | momentum.GOLDEN
    | clipping.GOLDEN
    | sign.GOLDEN
    | compression.GOLDEN
    | schedules.GOLDEN
    | blocks.GOLDEN
    | results.GOLDEN
    | layers.GOLDEN
    | recursions.GOLDEN
)
THEOREMS = [pytest.param(theorem, id=id) for id, theorem in catalogue.theorems().items()]
BOUNDS = [pytest.param(theorem, id=id) for id, theorem in catalogue.theorems().items() if theorem.bound]


def names(text: str) -> set[str]:
    return {str(symbol) for symbol in parse(text).free_symbols}


def symbols(theorem: Theorem, text: str) -> set[str]:
    """The symbols of an expression, its abbreviations written out."""
    used = names(text)
    for name, meant in reversed(theorem.where_symbols.items()):
        used |= names(meant) if name in used else set()
    return used - theorem.where_symbols.keys()


def row_of(theorem: Theorem, condition: Condition) -> Row:
    """What the condition is held against: the theorem's own row, or else the shared one."""
    key = str(condition), frozenset(symbols(theorem, condition.margin))
    row = GOLDEN[theorem.id].rows.get(str(condition)) or SHARED.get(key)
    assert row is not None, f"{theorem.id} has a condition without a golden row, {key}; add one."
    return row


def points(theorem: Theorem) -> list[dict[str, Any]]:
    """The golden points of a theorem."""
    return GOLDEN[theorem.id].full


def answer(theorem: Theorem, condition: Condition, point: Point) -> Answer:
    """The answer of one condition, decided exactly."""
    alone = replace(theorem, conditions=(condition,), bound="", verdict=Verdict.CONVERGED)
    return alone.assess(point).applies


def test_every_theorem_has_a_row_and_every_row_a_theorem() -> None:
    theorems = catalogue.theorems()
    assert GOLDEN.keys() == theorems.keys()
    words = {id: {str(one) for one in theorem.conditions} for id, theorem in theorems.items()}
    assert [(id, name) for id in words for name in GOLDEN[id].rows if name not in words[id]] == []
    used = {id(row_of(theorem, one)) for theorem in theorems.values() for one in theorem.conditions}
    assert [key for key, row in SHARED.items() if id(row) not in used] == []


@pytest.mark.parametrize("theorem", BOUNDS)
def test_points_are_generic(theorem: Theorem) -> None:
    # Equal values, 0 and 1 hide that symbols are exchanged, factors lost or exponents wrong.
    for point in points(theorem):
        values = [float(point[name]) for name in symbols(theorem, theorem.bound)]
        assert len(set(values)) == len(values)
        assert not {0.0, 1.0} & set(values)


@pytest.mark.parametrize("theorem", BOUNDS)
def test_bounds(theorem: Theorem) -> None:
    formula = GOLDEN[theorem.id].bound
    assert formula is not None
    for k, point in enumerate(points(theorem)):
        wanted = formula(**point)
        assert float(theorem.evaluate(point)) == pytest.approx(wanted, rel=1e-12, abs=0.0)
        assessment = theorem.assess(point)
        assert k > 0 or assessment.applies is Answer.HOLDS, [str(row.condition) for row in assessment.failed]
        if assessment.applies is Answer.HOLDS:
            assert assessment.bound == pytest.approx(wanted, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("theorem", THEOREMS)
def test_conditions(theorem: Theorem) -> None:
    for condition in theorem.conditions:
        row = row_of(theorem, condition)
        assert row.holds
        assert row.fails
        for point, wanted in _answers(row):
            assert answer(theorem, condition, point) is wanted, (str(condition), point)
        if row.strict is not None:
            assert condition.strict is row.strict
        if row.margin is not None:
            for point in (*row.holds, *row.fails):
                assert point.keys() == symbols(theorem, condition.margin)
    for point in points(theorem):
        for judged in theorem.assess(point).conditions:
            formula = row_of(theorem, judged.condition).margin
            if formula is not None:
                wanted = pytest.approx(formula(**point), rel=1e-12, abs=1e-14)
                assert judged.margin == wanted, str(judged.condition)


def _answers(row: Row) -> Iterator[tuple[Point, Answer]]:
    yield from ((point, Answer.HOLDS) for point in row.holds)
    yield from ((point, Answer.FAILS) for point in row.fails)


# Mutants.  Floats screen them, which is fast; only what they leave is decided exactly.

_FUNCTIONS = {"Max": max, "Min": min, "Abs": abs, "floor": math.floor, "ceiling": math.ceil}
_NAMES = {**_FUNCTIONS, "sqrt": math.sqrt, "log": math.log, "exp": math.exp, "__builtins__": {}}


@cache
def _code(text: str) -> Any:
    return compile(text.replace("^", "**"), text, "eval")


def _float(theorem: Theorem, text: str, point: Point) -> float:
    """The value of an expression in floats, NaN where it has none."""
    found: dict[str, Any] = {**_NAMES, **point}
    for name, meant in (*theorem.where_symbols.items(), ("", text)):
        try:
            found[name] = eval(_code(meant), found)
        except NameError:  # an abbreviation that this expression does not use
            continue
        except (ArithmeticError, ValueError, TypeError):
            found[name] = math.nan
    return math.nan if isinstance(found[""], complex) else float(found[""])


def _differ(value: float, wanted: float) -> bool:
    return not abs(value - wanted) <= 1e-9 * abs(wanted)


def bound_noticed(theorem: Theorem) -> bool:
    """Whether the golden bound is another one."""
    formula = GOLDEN[theorem.id].bound
    return formula is not None and any(
        _differ(_float(theorem, theorem.bound, point), formula(**point)) for point in points(theorem)
    )


def condition_noticed(theorem: Theorem, condition: Condition, row: Row) -> bool:
    """Whether the golden row is that of another condition."""
    if row.strict not in (None, condition.strict):
        return True
    if row.margin is not None:
        for point in points(theorem):
            if _differ(_float(theorem, condition.margin, point), row.margin(**point)):
                return True
    return any(answer(theorem, condition, point) is not wanted for point, wanted in _answers(row))


def mutants(theorem: Theorem) -> Iterator[tuple[str, bool]]:
    """Yield what is altered in a theorem, and whether that is noticed; altered conditions of several theorems once."""
    for text in expressions(theorem.bound) if theorem.bound else ():
        yield f"bound: {text}", bound_noticed(replace(theorem, bound=text))
    for name, meant in theorem.where_symbols.items():
        for text in expressions(meant):
            wrong = replace(theorem, where_symbols={**theorem.where_symbols, name: text})
            noticed = bound_noticed(wrong) or any(
                condition_noticed(wrong, one, row_of(theorem, one))
                for one in theorem.conditions
                if names(one.margin) & theorem.where_symbols.keys()
            )
            yield f"{name} = {text}", noticed
    for k, condition in enumerate(theorem.conditions):
        row = row_of(theorem, condition)
        if _first()[id(row)] != theorem.id:
            continue
        for text in relations(condition.relation):
            wrong = Condition(text, str(condition))
            conditions = (*theorem.conditions[:k], wrong, *theorem.conditions[k + 1 :])
            yield text, condition_noticed(replace(theorem, conditions=conditions), wrong, row)


@cache
def _first() -> Mapping[int, str]:
    """The first theorem with each row."""
    found: dict[int, str] = {}
    for theorem in catalogue.theorems().values():
        for condition in theorem.conditions:
            found.setdefault(id(row_of(theorem, condition)), theorem.id)
    return found


@pytest.mark.parametrize("theorem", THEOREMS)
def test_every_single_error_is_noticed(theorem: Theorem) -> None:
    assert not bound_noticed(theorem)
    assert not any(condition_noticed(theorem, one, row_of(theorem, one)) for one in theorem.conditions)
    found = dict(mutants(theorem))
    survivors = [text for text, noticed in found.items() if not noticed]
    print(f"{theorem.id}: {len(found) - len(survivors)} of {len(found)} mutants noticed")
    assert survivors == []


def test_no_condition_is_lost() -> None:
    """The conditions of every theorem, written down a second time: a dropped one makes a theorem false, and no value tells."""
    kept = (Path(__file__).parent / "golden" / "conditions.txt").read_text().splitlines()
    assert [
        f"{theorem.id}: {' | '.join(condition.relation for condition in theorem.conditions)}"
        for theorem in catalogue.theorems().values()
    ] == kept
