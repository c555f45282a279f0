"""What reductions declare, checked: their results, that none needs itself, and that lengths fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from theory_sim.rules import checks
from theory_sim.rules.language import Reduction, Reductions, Rule, names
from theory_sim.rules.results import require_results

Shapes = tuple[tuple[str, tuple[int, int]], ...]  # of matrices, by name


def reached(rule: Rule, reductions: Reductions) -> set[str]:
    """Return the names that a rule reads, directly or through reductions."""
    seen = set(names(rule))
    for key, one in reductions.items():
        if seen & set((key,) if isinstance(key, str) else key):
            seen |= reached(one.term, {name: other for name, other in reductions.items() if name != key})
    return seen


def require_reductions(reductions: Sequence[tuple[Any, Reduction]], owner: str) -> None:
    """Raise ValueError unless every reduction has a term for each of its names, and needs itself nowhere."""
    for key, one in reductions:
        own = (key,) if isinstance(key, str) else key
        require_results(one.term, own, owner)
        if set(own) & reached(one.term, dict(reductions)):
            raise ValueError(f"Reduction {key!r} of {owner} names itself; give its term another argument.")


def require_lengths(
    rule: Rule, dim: int, constants: Mapping[str, Any], reductions: Reductions, matrices: Shapes, owner: str
) -> None:
    """Raise ValueError unless what rules name at entry i has as many entries as they are asked for.

    Parameters
    ----------
    rule : callable
        At each coordinate; the terms of reductions are looked at besides.
    dim, constants, reductions, matrices, owner
        What a problem declares.
    """
    shapes, lengths = dict(matrices), dict.fromkeys(("x", "noise"), dim)
    lengths |= {name: dim for name, value in constants.items() if isinstance(value, tuple)}
    asked = [(rule, dim)]
    for key, one in reductions.items():
        if one.over != "columns":
            asked.append((one.term, dim))
            continue
        if one.matrix not in shapes:
            raise ValueError(
                f"Product {key!r} of {owner} is of the matrix {one.matrix!r}; declare it: {checks.suggestion(one.matrix, shapes)}"
            )
        if not isinstance(key, str):
            raise ValueError(
                f"Product {key!r} of {owner} has several names; give each of them its own product."
            )
        m, n = shapes[one.matrix]
        lengths[key] = n if one.transposed else m
        asked.append((one.term, m if one.transposed else n))
    for one_rule, many in asked:
        for name in names(one_rule):
            if lengths.get(name, many) != many:
                raise ValueError(
                    f"Rule {one_rule.__name__} of {owner} is asked for {many} entries and names {name!r}, which has "
                    f"{lengths[name]}; a product with an m by n matrix takes n and gives m, transposed the reverse."
                )
