"""Number types that decide comparisons rigorously: balls, digits and symbols behind Python's operators.

Balls are those of Arb (Johansson 2017, arXiv:1611.02831) through python-flint, digits those of mpmath.  Both
are optional: ``pip install "theory-sim[exact]"``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np

from theory_sim.rules import checks


class Undecidable(ArithmeticError):
    """A comparison that an arithmetic cannot decide, or precision that ran out; the message says which."""


def module(name: str) -> Any:
    """Import an optional module of the extra "exact".

    Raises
    ------
    ImportError
        If it is missing, with the command that installs it.
    """
    try:
        return import_module(name)
    except ImportError:
        raise ImportError(
            f'Exact arithmetic needs {name}: run pip install "theory-sim[exact]".', name=name
        ) from None


@dataclass(frozen=True, eq=False)
class Arithmetic:
    """How raw numbers of one kind are made, compared and passed to functions.

    Parameters
    ----------
    name : str
    convert : callable
        From int, float, Fraction or a raw number to a raw number, exactly or as an enclosure.
    signs : callable
        Least and greatest sign (-1, 0, 1) that a raw number may have; (-1, 1) if nothing is known.
    functions : mapping of str to callable
        sqrt, exp, ... of raw numbers, by their names in ``math``; also pi (of no argument), truncate (to
        int), and least, greatest and sign where these need no comparison.
    finite : callable
        Whether a raw number is finite.
    precision : callable
        A context in which the raw numbers have the precision of this arithmetic.
    """

    name: str
    convert: Callable[[Any], Any]
    signs: Callable[[Any], tuple[int, int]]
    functions: Mapping[str, Callable[..., Any]]
    finite: Callable[[Any], bool]
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext
    namespace: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        proxies = {"math": _Functions(self), "np": _Functions(self), "float": self.number}
        object.__setattr__(self, "namespace", {**proxies, "min": self.least, "max": self.greatest})

    def number(self, value: Any) -> Number:
        """Return `value` as a Number of this arithmetic."""
        return value if isinstance(value, Number) else Number(self.convert(value), self)

    def least(self, *values: Any) -> Any:
        """Return the minimum; balls that overlap give the enclosure of it."""
        return self._extreme("least", min, values)

    def greatest(self, *values: Any) -> Any:
        """Return the maximum; balls that overlap give the enclosure of it."""
        # A maximum over coordinates starts from -inf, which no arithmetic need compare.
        finite = tuple(value for value in values if isinstance(value, Number) or value != -math.inf)
        return self._extreme("greatest", max, finite or values)

    def _extreme(self, name: str, builtin: Callable[..., Any], values: tuple[Any, ...]) -> Any:
        if name not in self.functions or not any(isinstance(value, Number) for value in values):
            return builtin(values)
        first, *rest = (self.number(value).raw for value in values)
        for value in rest:
            first = self.functions[name](first, value)
        return Number(first, self)

    def decide(self, raw: Any, what: str) -> tuple[int, int]:
        """Return `signs`, or raise Undecidable for a number that is not finite."""
        if not self.finite(raw):
            raise Undecidable(f"{what} is {raw} in {self.name}, which has no sign: precision ran out.")
        return self.signs(raw)


class Number:
    """A raw number with Python's operators; a comparison decides rigorously or raises Undecidable."""

    __slots__ = ("arithmetic", "raw")
    __hash__ = None  # type: ignore[assignment]  # equality may be undecidable

    def __init__(self, raw: Any, arithmetic: Arithmetic) -> None:
        self.raw = raw
        self.arithmetic = arithmetic

    def _other(self, other: Any) -> Any:
        return other.raw if isinstance(other, Number) else self.arithmetic.convert(other)

    def __add__(self, other: Any) -> Number:
        return Number(self.raw + self._other(other), self.arithmetic)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Number:
        return Number(self.raw - self._other(other), self.arithmetic)

    def __rsub__(self, other: Any) -> Number:
        return Number(self._other(other) - self.raw, self.arithmetic)

    def __mul__(self, other: Any) -> Number:
        return Number(self.raw * self._other(other), self.arithmetic)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Number:
        return Number(self.raw / self._other(other), self.arithmetic)

    def __rtruediv__(self, other: Any) -> Number:
        return Number(self._other(other) / self.raw, self.arithmetic)

    def __pow__(self, other: Any) -> Number:
        return Number(self.raw ** self._other(other), self.arithmetic)

    def __rpow__(self, other: Any) -> Number:
        return Number(self._other(other) ** self.raw, self.arithmetic)

    def __mod__(self, other: Any) -> Number:
        divisor = self.arithmetic.number(other)
        rest = self - divisor * int(self / divisor)
        return rest + divisor if rest != 0 and (rest < 0) != (divisor < 0) else rest

    def __rmod__(self, other: Any) -> Number:
        return self.arithmetic.number(other) % self

    def __neg__(self) -> Number:
        return Number(-self.raw, self.arithmetic)

    def __abs__(self) -> Number:
        return Number(abs(self.raw), self.arithmetic)

    @property
    def view(self) -> Any:
        """Refuse what a rule does with the bits of a float."""
        raise Undecidable(f"{self.raw} has no bits in {self.arithmetic.name}; use a rule of arithmetic.")

    def __int__(self) -> int:
        return int(self.arithmetic.functions["truncate"](self.raw))

    def _signs(self, other: Any) -> tuple[int, int]:
        return self.arithmetic.decide(self.raw - self._other(other), "a difference")

    def _undecided(self, relation: str, other: Any) -> Undecidable:
        shown = other.raw if isinstance(other, Number) else other
        return Undecidable(f"{self.raw} {relation} {shown} cannot be decided in {self.arithmetic.name}.")

    def __lt__(self, other: Any) -> bool:
        low, high = self._signs(other)
        if low < 0 <= high:
            raise self._undecided("<", other)
        return high < 0

    def __le__(self, other: Any) -> bool:
        low, high = self._signs(other)
        if low <= 0 < high:
            raise self._undecided("<=", other)
        return high <= 0

    def __gt__(self, other: Any) -> bool:
        return not self <= other

    def __ge__(self, other: Any) -> bool:
        return not self < other

    def __eq__(self, other: object) -> bool:
        low, high = self._signs(other)
        if low <= 0 <= high and low != high:
            raise self._undecided("==", other)
        return low == high == 0

    def __repr__(self) -> str:
        return f"{self.raw}"


class _Functions:
    """Stands for ``math`` and ``np`` in a rebound kernel."""

    inf, nan = math.inf, math.nan

    def __init__(self, arithmetic: Arithmetic) -> None:
        self._arithmetic = arithmetic

    @property
    def pi(self) -> Number:
        return Number(self._arithmetic.functions["pi"](), self._arithmetic)

    def empty(self, shape: Any) -> Any:
        return np.empty(shape, object)

    def float64(self, value: Any) -> Number:
        return self._arithmetic.number(value)

    def sign(self, value: Any) -> Number:
        number = self._arithmetic.number(value)
        if "sign" in self._arithmetic.functions:
            return Number(self._arithmetic.functions["sign"](number.raw), self._arithmetic)
        return self._arithmetic.number((number > 0) - (number < 0))

    def copysign(self, size: Any, side: Any) -> Number:
        number = abs(self._arithmetic.number(size))
        return -number if self._arithmetic.number(side) < 0 else number

    def hypot(self, *values: Any) -> Number:
        squares = self._arithmetic.number(0)
        for value in values:
            squares = squares + value * value
        root: Number = self.sqrt(squares)
        return root

    def __getattr__(self, name: str) -> Callable[[Any], Number]:
        arithmetic = self._arithmetic
        if name not in arithmetic.functions:
            raise Undecidable(f"{name} is not available in {arithmetic.name}; use another arithmetic.")
        return lambda value: Number(arithmetic.functions[name](arithmetic.number(value).raw), arithmetic)


_ELEMENTARY = ("sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh")


def balls(bits: int = 128) -> Arithmetic:
    """Ball arithmetic with `bits` bits: every result encloses the exact one.  Raw numbers are ``flint.arb``.

    A comparison is decided only if it holds, or fails, for all numbers of the balls.
    """
    flint = module("flint")
    arb = flint.arb
    checks.count("bits", bits, 2)

    def convert(value: Any) -> Any:
        if isinstance(value, float | arb):
            return arb(value)
        exact = Fraction(value)
        return arb(flint.fmpq(exact.numerator, exact.denominator))

    def signs(raw: Any) -> tuple[int, int]:
        low = 1 if raw > 0 else 0 if raw >= 0 else -1
        return low, -1 if raw < 0 else 0 if raw <= 0 else 1

    def truncate(raw: Any) -> int:
        whole = raw.floor().unique_fmpz() if raw >= 0 else (-raw).floor().unique_fmpz()
        if whole is None:
            raise Undecidable(f"the integer part of {raw} cannot be decided in balls({bits}).")
        return int(whole) if raw >= 0 else -int(whole)

    extra = {"least": arb.min, "greatest": arb.max, "sign": arb.sgn, "pi": arb.pi, "truncate": truncate}
    return Arithmetic(
        name=f"balls({bits})",
        convert=convert,
        signs=signs,
        functions={name: getattr(arb, name) for name in _ELEMENTARY} | extra,
        finite=arb.is_finite,
        precision=lambda: flint.ctx.workprec(bits),
    )


def digits(n: int = 60) -> Arithmetic:
    """Floating point with `n` decimal digits.  Raw numbers are mpf of an mpmath context of their own."""
    context = module("mpmath").MPContext()
    context.dps = checks.count("n", n, 2)

    def convert(value: Any) -> Any:
        if isinstance(value, Fraction | str):
            exact = Fraction(value)
            return context.mpf(exact.numerator) / exact.denominator
        return context.mpf(value)

    def signs(raw: Any) -> tuple[int, int]:
        sign = int(context.sign(raw))
        return sign, sign

    return Arithmetic(
        name=f"digits({n})",
        convert=convert,
        signs=signs,
        functions={name: getattr(context, name) for name in _ELEMENTARY}
        | {"pi": lambda: +context.pi, "truncate": int},
        finite=context.isfinite,
    )


def symbols() -> Arithmetic:
    """Expressions of sympy, exact rationals for floats; a comparison that assumptions do not settle raises.

    Ranges are best built in: beta = q/(1 + q) with q = sympy.Symbol("q", positive=True) is in (0, 1).
    """
    sympy = module("sympy")

    def convert(value: Any) -> Any:
        if isinstance(value, Fraction | str):
            exact = Fraction(value)
            return sympy.Rational(exact.numerator, exact.denominator)
        if isinstance(value, float):
            return sympy.Rational(value) if math.isfinite(value) else sympy.sympify(value)
        return sympy.sympify(value)

    def signs(raw: Any) -> tuple[int, int]:
        for form in (raw, sympy.factor(sympy.together(raw))):
            low = 1 if form.is_positive else 0 if form.is_nonnegative else -1
            high = -1 if form.is_negative else 0 if form.is_nonpositive else 1
            if (low, high) != (-1, 1):
                return low, high
        return -1, 1

    def truncate(raw: Any) -> int:
        if not raw.is_number:
            raise Undecidable(f"the integer part of {raw} cannot be decided in symbols().")
        return int(raw)

    functions = {name: getattr(sympy, name) for name in _ELEMENTARY if name not in ("log1p", "expm1")}
    extra = {"log1p": lambda x: sympy.log(1 + x), "expm1": lambda x: sympy.exp(x) - 1, "truncate": truncate}
    return Arithmetic(
        name="symbols()",
        convert=convert,
        signs=signs,
        functions=functions | extra | {"pi": lambda: sympy.pi, "sign": sympy.sign},
        finite=lambda raw: not raw.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo),
    )
