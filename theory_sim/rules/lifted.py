"""Generated kernels on arrays: one lane, whose entries are arrays with one number for each run.

So a kernel means the same as in compiled code: it is the same text, with rules called by
`theory_sim.rules.trace.elementwise`.  Rows are numpy arrays of objects, (..., 1), with an array, or a number that
all runs share, in each place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from theory_sim.rules.language import Rule, Source
from theory_sim.rules.trace import elementwise

Rows = np.ndarray[Any, Any]


class Step:
    """The number of a step: one array for rules, and what a kernel itself asks of it.

    Parameters
    ----------
    value : array of no dimension
        Real, so that no product of it wraps.
    begins : bool
        Whether it is step 0, in which a method with messages makes its first query point.
    warm : bool
        Whether messages still arrive as they are.
    """

    __hash__ = None  # type: ignore[assignment]  # it is no number

    def __init__(self, value: Any, *, begins: bool = False, warm: bool = False) -> None:
        self.value, self.begins, self.warm = value, begins, warm

    def __eq__(self, other: object) -> bool:
        return self.begins

    def __le__(self, other: Any) -> bool:
        return self.warm


class _Empty:
    """Stands for numpy in a kernel, which asks it for scratch."""

    @staticmethod
    def empty(shape: tuple[int, int]) -> Rows:
        return blank(*shape[:-1])


def blank(*shape: int) -> Rows:
    """Return rows of this shape, zero in every run."""
    return np.full((*shape, 1), 0.0, object)


def rows(values: Sequence[Any], *shape: int) -> Rows:
    """Return rows of this shape with these arrays, in C order."""
    out = np.empty(len(values), object)
    for place, value in enumerate(values):
        out[place] = value  # at once, numpy would take them apart
    return out.reshape(*shape, 1)


def _hypot(a: float, b: float) -> float:
    return math.hypot(a, b)


def _larger(a: float, b: float) -> float:
    return max(a, b)


def lifted(source: Source, library: Any, real: Any) -> Callable[..., None]:
    """Return a generated kernel as a function of rows of arrays.

    Parameters
    ----------
    source : Source
        Of rules, not one that hands its arrays on to a kernel written by hand.
    library : module
        numpy, torch or jax.numpy.
    real : dtype of the library

    Raises
    ------
    ValueError
        If a rule is no arithmetic.
    """

    def of(rule: Rule) -> Callable[..., Any]:
        arrays = elementwise(rule, library, real)

        def call(*given: Any, **named: Any) -> Any:
            plain = [one.value if isinstance(one, Step) else one for one in given]
            found = arrays(*plain, **{k: v.value if isinstance(v, Step) else v for k, v in named.items()})
            return found if len(found) > 1 else found[0]

        return call

    class Functions:
        """Stands for math in a kernel, which folds norms and maxima with it."""

        inf = math.inf
        hypot = staticmethod(of(_hypot))

    space: dict[str, Any] = {"math": Functions, "np": _Empty, "max": of(_larger)}
    space |= {name: of(rule) for name, rule in source.functions.items()}
    exec(compile(source.text, f"<{source.kind} of arrays>", "exec"), space)  # noqa: S102
    kernel: Callable[..., None] = space["kernel"]
    return kernel
