"""Limits and monotonicity of sequences, and how they were decided."""

import math

import pytest
import sympy

from theory_sim.asymptotics import (
    almost_nonincreasing,
    limit,
    monotone,
    positive,
    sequence,
    vanishing_average,
)
from theory_sim.theorem import Answer

T = sympy.Symbol("t", positive=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1/t", 0.0),
        ("log(t)/t^(1/100)", 0.0),
        ("(2*t + 1)/(3*t)", 2 / 3),
        ("t/log(t)", math.inf),
        ("-sqrt(t)", -math.inf),
    ],
)
def test_limits_that_sympy_finds(text: str, value: float) -> None:
    found = limit(sequence(text))
    assert (found.value, found.how) == (value, "symbolic")


def test_a_limit_from_values_says_so() -> None:
    # sympy has no limit for either: a remainder over t is below 7/t, and 2 + sin(t) stays in [1, 3].
    settled = limit(sympy.Mod(T, 7) / T + sympy.Rational(1, 2))
    assert (settled.value, settled.how) == (pytest.approx(0.5, rel=1e-12), "numeric")
    grown = limit(T * (2 + sympy.sin(T)))
    assert (grown.value, grown.how) == (math.inf, "numeric")
    shrunk = limit(-sympy.Mod(T, 7) / T)
    assert shrunk.value == pytest.approx(0.0, abs=1e-12)


def test_no_limit_is_nan_with_a_reason() -> None:
    found = limit(sympy.sin(T))
    assert math.isnan(found.value)
    assert "show no limit" in found.reason
    # 1/100 + 1/log(t) falls too slowly for values to show where to; the remainder keeps sympy out.
    slow = limit((sympy.Rational(1, 100) + 1 / sympy.log(T)) * (1 + sympy.Mod(T, 7) / T))
    assert math.isnan(slow.value) or slow.value == pytest.approx(0.01)
    assert "not a real number" in limit(sympy.sqrt(-T) + sympy.Mod(T, 7)).reason


def test_sign_and_monotonicity() -> None:
    assert positive(sequence("1 - 1/(2*t)")).how == "symbolic"
    assert positive(sequence("1 - 3/t")).answer is Answer.FAILS
    assert positive(sequence("1 - 3/t"), start=4).answer is Answer.HOLDS
    assert "t = 1" in positive(sequence("log(t)")).reason
    up = monotone(sequence("1 - 1/t"), rising=True, name="up")
    assert (up.answer, up.how) == (Answer.HOLDS, "symbolic")
    down = monotone(sequence("1 - 1/t"), rising=False, name="down")
    assert (down.answer, down.how) == (Answer.FAILS, "value")
    # (t - 5)^2 falls to t = 5 and rises from there.
    assert "at t = 5" in monotone(sequence("(t - 5)^2"), rising=False, name="x").reason
    assert monotone(sequence("(t - 5)^2"), 5, rising=True, name="x").answer is Answer.HOLDS


def test_almost_nonincreasing() -> None:
    def decide(text: str, start: int = 1) -> Answer:
        return almost_nonincreasing(sequence(text), start, name="chi").answer

    assert decide("1/t") is Answer.HOLDS
    # Rises at first, falls in the end.
    assert decide("t/(t^2 + 100)") is Answer.HOLDS
    # Rises for ever, but is within a factor 2 of a constant.
    assert decide("2 - 1/t") is Answer.HOLDS
    assert decide("log(t + 1)") is Answer.FAILS
    assert decide("(1 + 1/t)/log(t + 1)") is Answer.HOLDS
    assert decide("1 - 2/t") is Answer.FAILS  # not positive


@pytest.mark.parametrize(
    ("weight", "share", "answer"),
    [
        # sum t^-1/2 t^-1/2 / (T T^-1/2) = log T/sqrt(T)
        ("1/sqrt(t)", "1/sqrt(t)", Answer.HOLDS),
        # constant share: 1/(1-s) = 2
        ("1/sqrt(t)", "1", Answer.FAILS),
        ("1/t^2", "1/t", Answer.FAILS),
        ("1", "1/log(t + 1)", Answer.HOLDS),
        # log T grows and the sum of log(t)/t^2 converges
        ("log(t + 1)/t", "1/t", Answer.HOLDS),
    ],
)
def test_vanishing_average(weight: str, share: str, answer: Answer) -> None:
    assert vanishing_average(sequence(weight), sequence(share), name="average").answer is answer


def test_vanishing_average_agrees_with_sums() -> None:
    """Against plain sums at T = 1e3 and 1e6: they shrink by ten or more iff the average vanishes."""
    for s, p in ((0.5, 1.0), (0.5, 0.0), (0.25, 0.5), (0.9, 0.9)):
        decision = vanishing_average(sequence("1/t^s", s=s), sequence("1/t^p", p=p), name="average")
        small, large = (
            math.fsum(t ** -(s + p) for t in range(1, N + 1)) / N ** (1.0 - s) for N in (10**3, 10**5)
        )
        assert (large < 0.7 * small) == (decision.answer is Answer.HOLDS)


def test_a_symbol_without_a_value_is_named() -> None:
    with pytest.raises(ValueError, match="symbol c without a value; give c="):
        sequence("c/t")
    assert sequence("c/t", c=0.1) == sympy.Rational(1, 10) / T
