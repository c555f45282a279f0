"""Limits and monotonicity of sequences, and how they were decided."""

import math
from fractions import Fraction
from time import process_time

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from theory_sim.evidence import sequences as asymptotics
from theory_sim.evidence.sequences import (
    Decision,
    almost_nonincreasing,
    limit,
    monotone,
    positive,
    sequence,
    together,
    vanishing_average,
)
from theory_sim.nouns.theorem import Answer

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
    # 1/100 + 1/log(t) is .017 at 7e60 and its last ten decades change it by .0015, a tenth: no limit can be
    # read there.  The remainder keeps sympy out.
    slow = limit((sympy.Rational(1, 100) + 1 / sympy.log(T)) * (1 + sympy.Mod(T, 7) / T))
    assert math.isnan(slow.value)
    assert slow.how == ""
    assert "show no limit" in slow.reason
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


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("1 - 9/(10*sqrt(t))", 1),
        ("1 - 1/t", 2),
        ("1 - 1/log(t + 3)", 1),
        ("1 - log(t + 1)/(2*t)", 1),
        ("1 - exp(-t)", 1),
        ("1/2 - 1/(4*t^0.613)", 1),
        ("7/10", 1),
        ("1 - 1/(t + 1)^2", 1),
        # As integers, powers like 10^7e60 would fill the memory.
        ("1 - (9/10)^t", 1),
    ],
)
def test_ordinary_schedules_are_proved(text: str, start: int) -> None:
    theta = sequence(text)
    for row in (
        positive(theta, start),
        positive(1 - theta, start),
        monotone(theta, start, rising=True, name="up"),
        monotone(1 - theta, start, rising=False, name="down"),
    ):
        assert (row.answer, row.how) == (Answer.HOLDS, "symbolic"), row


@pytest.mark.parametrize(
    ("text", "start", "sign"),
    [
        # Double root at 2, simple ones at 5000 and 5000.5; sqrt(t) - 70 at 4900.
        ("(t - 2)^2", 1, 0),
        ("(t - 2)^2 + 1/10^9", 1, 1),
        ("(t - 5000)*(t - 5000.5)", 1, 0),
        ("(t - 5000)*(t - 5000.5)", 5001, 1),
        ("sqrt(t) - 70", 1, 0),
        ("sqrt(t) - 70", 4901, 1),
        # Poles and jumps that no integer shows: the slope is < 0 on either side.
        ("1 + 1/(2*t - 10001)", 1, 0),
        ("Abs(2*t - 10001)", 1, 0),
    ],
)
def test_a_sign_is_proved_only_where_it_is_kept(text: str, start: int, sign: int) -> None:
    found = positive(sequence(text), start)
    assert (found.answer is Answer.HOLDS) == (sign == 1), found


def test_a_pole_between_integers_is_no_slope() -> None:
    """1/(t - 123456.5) falls on either side of its pole and jumps up over it."""
    row = monotone(sequence("1/(t - 123456.5)"), rising=False, name="down")
    assert row.answer is not Answer.HOLDS
    steps = monotone(sympy.floor(T / 12345) * -1, rising=True, name="up")
    assert steps.answer is not Answer.HOLDS


@given(
    st.lists(st.fractions(-3, 12, max_denominator=4), min_size=1, max_size=4),
    st.sampled_from([1, 2]),
    st.integers(1, 4),
)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_polynomials_against_their_roots(roots: list[Fraction], q: int, start: int) -> None:
    """Products of t^(1/q) - r are > 0 on [start, oo) iff their roots of t^(1/q) lie below start^(1/q)."""
    product = sympy.expand(sympy.prod([sympy.root(T, q) - sympy.Rational(str(r)) for r in roots]))
    kept = all(r < 0 or r**q < start for r in roots)
    found = positive(product, start).answer
    if kept:
        assert found is Answer.HOLDS
    # A double root between integers, or a pair of them, refutes nothing at an integer.
    assert kept or found is not Answer.HOLDS


def test_what_holds_at_many_t_is_not_proved() -> None:
    """It dips once, at t = 5000, between the t that are looked at."""
    text = "1 - 2/(1 + (t - 5000)^2)"
    for row in (positive(sequence(text)), monotone(sequence(f"t*({text})"), rising=True, name="up")):
        assert row.answer is Answer.UNDECIDED
        assert row.reason == "no counterexample up to t = 7e60, and no proof"


def test_a_proof_that_takes_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asymptotics, "_SECONDS", 0.2)
    begun = process_time()
    # A polynomial of degree 10^4 in exp(t), whose factors take minutes.
    row = monotone(sequence("1 - 1/(2*t) - exp(-(t - 5000)^2)/10"), rising=True, name="up")
    assert row.answer is Answer.UNDECIDED
    assert row.reason.endswith("sympy needs more than 0.2 s")
    # The signal comes again every second where Python ignores it once.
    assert process_time() - begun < 5.0


def test_an_answer_from_values_stays_marked() -> None:
    proved = Decision("a", Answer.HOLDS, "symbolic", "")
    seen = Decision("b", Answer.HOLDS, "numeric", "")
    open_ = Decision("c", Answer.UNDECIDED, "", "who knows")
    refuted = Decision("d", Answer.FAILS, "value", "it is 0 at t = 1")
    assert (together([proved]).answer, together([proved]).how) == (Answer.HOLDS, "symbolic")
    both = together([proved, seen])
    assert (both.answer, both.how, both.reason) == (Answer.HOLDS, "numeric", "from values only: b")
    assert (together([seen, open_]).answer, together([seen, open_]).reason) == (
        Answer.UNDECIDED,
        "c: who knows",
    )
    assert together([open_, refuted, seen]).reason == "d: it is 0 at t = 1"


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
