"""What a theorem is held against: formulas typed from the papers, and points on either side of a condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Point = Mapping[str, Any]
Formula = Callable[..., float]

# Values that satisfy the conditions on symbols of which a bound is free.
USUAL: Point = {
    **dict.fromkeys(("s", "stochastic", "bias_correction", "domain", "at_zero", "eps_adam", "q_down"), 0),
    **dict.fromkeys(("m0", "v0", "eps_inside", "eps_outside", "beta1", "momentum", "asymmetry", "D0"), 0),
    **dict.fromkeys(("unbiased", "amsgrad", "error_feedback", "workers"), 1),
    "order": "cyclic",
}


@dataclass(frozen=True)
class Row:
    """A condition: its margin, and points at which it holds or fails, those at equality among them.

    Parameters
    ----------
    holds, fails : tuple of mapping
        Points with exactly the symbols of the condition.
    margin : callable, optional
        The slack as a formula of symbols; without one the points say all.
    strict : bool, optional
        Whether equality fails, where no rational values are known that give equality.
    """

    holds: tuple[Point, ...]
    fails: tuple[Point, ...]
    margin: Formula | None = None
    strict: bool | None = None


@dataclass(frozen=True)
class Golden:
    """A theorem: generic points, its bound there, and the conditions that no other theorem has.

    Parameters
    ----------
    points : tuple of mapping
        The first fits all conditions; the others, written as what changes, show the other branch of a
        maximum.  Symbols that are left out have their value of `USUAL`.
    bound : callable, optional
        The bound as a formula of symbols.
    rows : mapping of str to Row
        By the words of the condition, or its relation where it has none.
    """

    points: tuple[Point, ...] = ()
    bound: Formula | None = None
    rows: Mapping[str, Row] = field(default_factory=dict)

    @property
    def full(self) -> list[dict[str, Any]]:
        """The points with every symbol that they give."""
        return [{**USUAL, **self.points[0], **change} for change in ({}, *self.points[1:]) if self.points]


def _row(symbol: str, holds: tuple[Any, ...], fails: tuple[Any, ...]) -> Row:
    return Row(tuple({symbol: value} for value in holds), tuple({symbol: value} for value in fails))


_TINY = 1e-9


def above(symbol: str, limit: float) -> Row:
    """The symbol is above a limit."""
    return _row(symbol, (limit + _TINY, limit + 1e9), (limit, limit - _TINY, limit - 1e9))


def at_least(symbol: str, limit: float) -> Row:
    """The symbol is at least a limit."""
    return _row(symbol, (limit, limit + _TINY, limit + 1e9), (limit - _TINY, limit - 1e9))


def below(symbol: str, limit: float) -> Row:
    """The symbol is below a limit."""
    return _row(symbol, (limit - _TINY, limit - 1e9), (limit, limit + _TINY, limit + 1e9))


def at_most(symbol: str, limit: float) -> Row:
    """The symbol is at most a limit."""
    return _row(symbol, (limit, limit - _TINY, limit - 1e9), (limit + _TINY, limit + 1e9))


def equal(symbol: str, value: float) -> Row:
    """The symbol has a value."""
    return _row(symbol, (value,), (value - _TINY, value + _TINY, value - 1e9, value + 1e9))


def word(symbol: str, value: str, *others: str) -> Row:
    """The symbol is a word."""
    return _row(symbol, (value,), others)
