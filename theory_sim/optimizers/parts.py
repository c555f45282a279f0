"""Parts that many rules share."""

from __future__ import annotations

import math

from theory_sim.rules import checks


def nonzero(scale: float) -> float:
    """Return a denominator, infinity for 0: no gradient seen yet, or v underflowed, gives no move."""
    return scale if scale != 0.0 else math.inf


def sign(value: float, at_zero: float) -> float:
    """Return the sign of a value, `at_zero` for 0, NaN for what is not finite: its product with 0 is NaN."""
    one = 1.0 if value > 0.0 else (-1.0 if value < 0.0 else at_zero)
    return one + 0.0 * value


def largest(top: float, value: float) -> float:
    """Return the maximum of two numbers, NaN if the second is; the maximum of compiled code loses it."""
    return max(top, value) + 0.0 * value


def clip(value: float, low: float, high: float) -> float:
    """Return the nearest number in [low, high], NaN for what is not finite: compiled code would lose it."""
    return min(max(value, low), high) + 0.0 * value


def zero_or_one(at_zero: float) -> float:
    """Return a value of sign(0), or raise ValueError if it is neither numpy's 0 nor 1."""
    if at_zero not in (0.0, 1.0):
        raise ValueError(f"at_zero = {at_zero!r} must be 0 (numpy's sign) or 1 (ties count as positive).")
    return float(at_zero)


def of_beta(**betas: float) -> dict[str, float]:
    """Return weights of moving averages, each checked to be in [0, 1)."""
    return {name: checks.beta(name, value) for name, value in betas.items()}


def of_decay(weight_decay: float) -> dict[str, float]:
    """Return a weight decay, checked to be >= 0."""
    return {"weight_decay": checks.number("weight_decay", weight_decay, 0.0)}
