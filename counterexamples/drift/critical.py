"""Every critical beta2 of the drift, enclosed to any width, with a proof that none is missed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from counterexamples.drift.certificate import MAX_BITS, drift_at_zero, powers, setting, weight
from theory_sim import exact
from theory_sim.rules.checks import rational


@dataclass(frozen=True)
class CriticalValues:
    """Every zero of D(beta1, ., n, C) in [0, 1], D at 1 being its limit.

    Parameters
    ----------
    roots : tuple of (Fraction, Fraction)
        Disjoint closed intervals with exactly one zero each, a simple one or beta2 = 0, increasing.
    open : tuple of (Fraction, Fraction)
        Intervals where nothing was proved; empty if all roots are counted.  D has no zero elsewhere.
    """

    roots: tuple[tuple[Fraction, Fraction], ...]
    open: tuple[tuple[Fraction, Fraction], ...]


def enclose_critical_beta2(
    beta1: Any, n: int, C: Any, *, width: Any = "1e-30", max_bits: int = MAX_BITS
) -> CriticalValues:
    """Enclose every critical beta2 in [0, 1], none missed.

    [0, 1] is bisected until each piece has a mean value enclosure without 0 (no zero), or a derivative
    without 0 and ends of proved sign (one zero or none).  At beta2 = 0 and 1 the signs are those of rational
    numbers.

    Parameters
    ----------
    beta1 : exact number
        In [0, 1).
    n : int
    C : exact number
    width : exact number
        Largest width of a root's interval.
    max_bits : int
        Largest precision for the sign of D at one point.

    Returns
    -------
    CriticalValues
    """
    b1, goal = weight("beta1", beta1), rational("width", width)
    n, C = setting(n, C)
    if goal <= 0:
        raise ValueError(f"width = {width} must be positive.")
    line = _Line(b1, n, C, max_bits)
    roots, undecided = [], []
    if line.sign(Fraction(0)) == 0:
        roots.append((Fraction(0), Fraction(0)))
    pieces = [(Fraction(0), Fraction(1))]
    while pieces:
        low, high = pieces.pop()
        value, slope = line.enclosures(low, high)
        if value > 0 or value < 0:
            continue
        signs = (line.sign(low), line.sign(high))
        if (slope > 0 or slope < 0) and None not in signs:
            if signs[0] and signs[1] and signs[0] != signs[1]:
                roots.append(line.refine(low, high, goal))
            continue
        if high - low < 2.0**-64 or None in signs:
            undecided.append((low, high))
            continue
        # Not the midpoint: a root at a simple fraction would have no sign there.
        middle = low + (high - low) * Fraction(33, 64)
        pieces += [(low, middle), (middle, high)]
    return CriticalValues(tuple(sorted(roots)), tuple(sorted(undecided)))


class _Line:
    """The sum (1) of `counterexamples.drift.certificate` as a function of beta2."""

    def __init__(self, beta1: Fraction, n: int, C: Fraction, max_bits: int) -> None:
        whole = sum(powers(beta1, n))
        self.masses = [(C + 1) * power - whole for power in powers(beta1, n)]
        self.beta1, self.n, self.C, self.max_bits = beta1, n, C, max_bits

    def terms(self, b: Any, balls: exact.Arithmetic) -> list[Any]:
        """The summands without their derivative."""
        b_powers = powers(b, self.n)
        whole, excess = sum(b_powers, b * 0), balls.convert(self.C * self.C - 1)
        return [
            balls.convert(mass) * (whole + excess * power).rsqrt()
            for mass, power in zip(self.masses, b_powers, strict=True)
        ]

    def sign(self, beta2: Fraction) -> int | None:
        """Proved sign, None if max_bits bits do not tell."""
        if beta2 in (0, 1):
            exact_value = drift_at_zero(self.beta1, self.n, self.C) if beta2 == 0 else self.C - (self.n - 1)
            return (exact_value > 0) - (exact_value < 0)
        bits = 64
        while bits <= self.max_bits:
            balls = exact.balls(bits)
            with balls.precision():
                b = balls.convert(beta2)
                total = sum(self.terms(b, balls), b * 0)
                if total > 0 or total < 0:
                    return 1 if total > 0 else -1
            bits *= 2
        return None

    def enclosures(self, low: Fraction, high: Fraction) -> tuple[Any, Any]:
        """Balls with all values (mean value form) and all derivatives on [low, high]."""
        balls = exact.balls(256)
        with balls.precision():
            middle, interval = balls.convert((low + high) / 2), balls.convert(low).union(balls.convert(high))
            value = sum(self.terms(middle, balls), middle * 0)
            b_powers = powers(interval, self.n)
            slopes = [k * b_powers[k - 1] if k else interval * 0 for k in range(self.n)]
            whole, change = sum(b_powers, interval * 0), sum(slopes, interval * 0)
            excess = balls.convert(self.C * self.C - 1)
            slope = interval * 0
            for mass, power, own in zip(self.masses, b_powers, slopes, strict=True):
                root = (whole + excess * power).rsqrt()
                slope -= balls.convert(mass) * (change + excess * own) * root * root * root / 2
            return value + slope * (interval - middle), slope

    def refine(self, low: Fraction, high: Fraction, goal: Fraction) -> tuple[Fraction, Fraction]:
        """Shrink an interval whose ends have opposite signs."""
        start = self.sign(low)
        while high - low > goal:
            for share in (Fraction(1, 2), Fraction(33, 64)):
                middle = low + (high - low) * share
                sign = self.sign(middle)
                if sign is not None:
                    break
            else:
                return low, high
            low, high = (middle, high) if sign == start else (low, middle)
        return low, high
