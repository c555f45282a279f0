"""Checks of user input: one sentence that names the value, the rule and the way out."""

from __future__ import annotations

import difflib
import math
import re
import reprlib
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np

# float() takes them, but whoever gives one meant something else.
_NOT_NUMBERS = (bool, np.bool_, str, bytes, bytearray)
LARGEST = 2**53  # above, steps are not exact as float64
# What the command line lists; of other names all are shown.
_LISTED = (
    "name",
    "optimizer",
    "compressor",
    "problem",
    "paper",
    "paper or claim",
    "theorem",
    "sweep",
    "figure",
)
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 80


class Missing(ImportError):
    """An extra of this package is not installed; the message is one sentence that names it."""


def shown(value: Any) -> str:
    """Return a value as Python writes it, shortened in the middle where that is long."""
    return " ".join(_SHORT.repr(value).split())


def written(value: Any) -> str:
    """Return a value as records show it: a float with the digits that give it back, a function by its name."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(float(value))
    return str(getattr(value, "__name__", value))


def sentence(error: BaseException) -> str:
    """Return the first line of what an exception of somebody else's code says, shortened, with a full stop."""
    line = next(iter(str(error).strip().splitlines()), "") or "nothing more"
    return f"{line if len(line) <= 200 else line[:200] + ' ...'}".rstrip(".") + "."


def instance(name: str, value: Any, kind: type | tuple[type, ...], described: str) -> None:
    """Raise TypeError unless a value is of a kind, which the message describes."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} = {shown(value)} must be {described}.")


def article(noun: str) -> str:
    """Return a noun with its indefinite article."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def suggestion(name: str, known: Iterable[str], listed: bool = False) -> str:
    """Return "did you mean ...?" or the known names, only twelve of those that the command line lists."""
    names = sorted(known)
    shown = ", ".join(names)
    if listed and len(names) > 12:
        shown = f"{', '.join(names[:12])}, ... (theory-sim list shows all, -m MODULE adds yours)"
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    likeness = [difflib.SequenceMatcher(None, one, name).ratio() for one in close]
    close = [one for one, ratio in zip(close, likeness, strict=True) if ratio > likeness[0] - 0.05]
    return f"did you mean {' or '.join(close)}?" if close else f"choose from {shown}."


def known(what: str, name: str, names: Iterable[str]) -> None:
    """Raise ValueError unless `name` is one of `names`."""
    names = list(names)
    if name not in names:
        raise ValueError(f"Unknown {what} {shown(name)}: {suggestion(str(name), names, what in _LISTED)}")


def number(
    name: str,
    value: float,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """Return `value` as a float, or raise ValueError if it is not a finite number in the interval."""
    try:
        if isinstance(value, _NOT_NUMBERS):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} = {shown(value)} is not a number; give a finite float.") from None
    inside = (low < number if open_low else low <= number) and (
        number < high if open_high else number <= high
    )
    if not (math.isfinite(number) and inside):
        left, right = (
            "(" if open_low or low == -math.inf else "[",
            ")" if open_high or high == math.inf else "]",
        )
        raise ValueError(
            f"{name} = {shown(value)} must be a finite number in {left}{low:g}, {high:g}{right}."
        )
    return number


def flag(name: str, value: bool) -> bool:
    """Return `value` as a bool, or raise ValueError if it is not one."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} = {shown(value)} must be True or False.")
    return bool(value)


def beta(name: str, value: float) -> float:
    """Return a moving-average weight, a number in [0, 1)."""
    return number(name, value, 0.0, 1.0, open_high=True)


def count(name: str, value: int, low: int = 1, high: int | None = None) -> int:
    """Return `value` as an int, or raise ValueError unless it is an integer in [`low`, `high`]."""
    try:
        whole = not isinstance(value, _NOT_NUMBERS) and bool(value == int(value))
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or int(value) < low:
        raise ValueError(f"{name} = {shown(value)} must be an integer >= {low}.")
    if high is not None and int(value) > high:
        raise ValueError(f"{name} = {shown(value)} is too large; give at most {high}.")
    return int(value)


def rational(name: str, value: Any) -> Fraction:
    """Return an int, Fraction, decimal string, ratio string or float (its binary64 value) as a Fraction.

    Raises
    ------
    ValueError
        If `value` is none of these.
    """
    exponent = re.search(r"[eE]([+-]?\d+)\s*$", value) if isinstance(value, str) else None
    if exponent is not None and abs(int(exponent[1])) > 10_000:  # Fraction would write it out
        raise ValueError(f"{name} = {shown(value)} has an exponent beyond 10000; write a smaller number.")
    try:
        return Fraction(value)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise ValueError(f"{name} = {shown(value)} is no exact number; write 0.99, 99/100 or 1e-3.") from None
