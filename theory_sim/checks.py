"""Checks of user input: one sentence that names the value, the rule and the way out."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable

import numpy as np


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return "did you mean ...?" or the list of known names."""
    names = sorted(known)
    shown = ", ".join(names[:12]) + (", ... (theory-sim list shows all)" if len(names) > 12 else "")
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"choose from {shown}."


def known(what: str, name: str, names: Iterable[str]) -> None:
    """Raise ValueError unless `name` is one of `names`."""
    names = list(names)
    if name not in names:
        raise ValueError(f"Unknown {what} {name!r}: {suggestion(str(name), names)}")


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
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} = {value!r} is not a number; give a finite float.") from None
    inside = (low < number if open_low else low <= number) and (
        number < high if open_high else number <= high
    )
    if not (math.isfinite(number) and inside):
        left, right = (
            "(" if open_low or low == -math.inf else "[",
            ")" if open_high or high == math.inf else "]",
        )
        raise ValueError(f"{name} = {value!r} must be a finite number in {left}{low:g}, {high:g}{right}.")
    return number


def flag(name: str, value: bool) -> bool:
    """Return `value` as a bool, or raise ValueError if it is not one."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} = {value!r} must be True or False.")  # noqa: TRY004  as for every other value
    return bool(value)


def beta(name: str, value: float) -> float:
    """Return a moving-average weight, a number in [0, 1)."""
    return number(name, value, 0.0, 1.0, open_high=True)


def count(name: str, value: int, low: int = 1) -> int:
    """Return `value` as an int, or raise ValueError if it is not an integer >= `low`."""
    try:
        whole = float(value) == int(value)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or isinstance(value, bool) or int(value) < low:
        raise ValueError(f"{name} = {value!r} must be an integer >= {low}.")
    return int(value)
