"""The drift in balls: single points, its derivation, and runs that end in the wrong corner."""

import os
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import drift, reddi, shi, zhang
from counterexamples.drift import certificate, critical
from theory_sim import exact
from theory_sim.optimizers.adam import adam_rule

pytest.importorskip("flint")
pytest.importorskip("mpmath")

weights = st.fractions(0, 1, max_denominator=10_000).filter(lambda beta: beta < 1)


@settings(max_examples=60)
@given(weights, weights, st.integers(2, 60), st.fractions(Fraction(11, 10), 200, max_denominator=50))
def test_ball_contains_the_closed_form(beta1: Fraction, beta2: Fraction, n: int, C: Fraction) -> None:
    if n - 1 == C:
        C += 1
    ball = certificate.drift_ball(beta1, beta2, n, C)
    # The promise of drift(): a few n 2^-53 times the largest term, which is at most C.
    assert abs(float(ball) - drift.drift(float(beta1), float(beta2), n, float(C))) <= 1e-14 * n * float(C)
    assert ball.rad() < 1e-25


@pytest.mark.parametrize(
    ("beta1", "beta2", "n", "C", "expected"),
    # n = 101: an independent binary64 evaluation.  Sign descent takes one step of +1 and n - 1 of -1.
    [
        ("0.9", "0.99", 101, 101, -1.90085474993),
        ("0", "0.9", 10, 10, -0.381508691993),
        ("0", "0", 7, 9, -5.0),
    ],
)
def test_reference_values(beta1: str, beta2: str, n: int, C: int, expected: float) -> None:
    assert float(certificate.drift_ball(beta1, beta2, n, C)) == pytest.approx(expected, abs=1e-11)
    assert certificate.certify(beta1, beta2, n, C).verdict == "DIVERGED"


@pytest.mark.parametrize("n", [2, 3])
def test_drift_is_one_period_of_the_rule_at_its_fixed_point(n: int) -> None:
    """Run adam_rule on symbols over a period, solve for periodic moments, compare with the closed form."""
    import sympy

    p, q, m0, v0, C = sympy.symbols("p q m0 v0 C", positive=True)
    beta1, beta2 = p / (1 + p), q / (1 + q)
    arithmetic = exact.symbols()
    rule, number = exact.rebind(adam_rule, arithmetic), arithmetic.number

    def period(m: Any, v: Any) -> tuple[Any, Any, Any]:
        x, m, v, zero = number(0), number(m), number(v), number(0)
        for g in (C, *(-1,) * (n - 1)):
            x, m, v = rule(number(g), number(1), number(beta1), number(beta2), zero, zero, x, m, v)
        return m.raw, v.raw, x.raw

    m, v, _ = period(m0, v0)
    steady_m, steady_v = sympy.solve(m - m0, m0)[0], sympy.solve(v - v0, v0)[0]
    moved = period(sympy.factor(steady_m), sympy.factor(steady_v))[2]

    def share(beta: Any, k: int) -> Any:
        return (1 - beta) * beta**k / (1 - beta**n)

    closed = sum(
        ((C + 1) * share(beta1, k) - 1) / sympy.sqrt(1 + (C**2 - 1) * share(beta2, k)) for k in range(n)
    )  # fmt: skip
    difference = (-moved - closed).replace(
        lambda e: e.is_Pow and e.exp == -sympy.S.Half, lambda e: sympy.factor(e.base) ** e.exp
    )
    assert sympy.simplify(difference) == 0


def test_certificates_agree_with_periods_simulated_in_sixty_digits() -> None:
    count = 10_000 if os.environ.get("THEORY_SIM_TIER") == "full" else 300
    assert agreement(count, seed=0) == (count, 0, 0)


def large_gradient(rng: np.random.Generator, n: int) -> Fraction:
    """C in (1, n - 1), (n - 1, n) or [n, 3 n): the full gradient C - (n - 1) has either sign."""
    low, high = [(1, n - 1), (n - 1, n), (n, 3 * n)][int(rng.integers(1 if n == 2 else 0, 3))]
    return low + (high - low) * Fraction(int(rng.integers(1, 100)), 100)


def test_large_gradients_are_of_three_kinds() -> None:
    rng = np.random.default_rng(0)
    drawn = [(n, large_gradient(rng, n)) for n in range(2, 51) for _ in range(4)]
    kinds = [sum(kind) for kind in zip(*((n - 1 > C, n - 1 < C < n, n < C) for n, C in drawn), strict=True)]
    assert sum(kinds) == len(drawn)
    assert min(kinds) > len(drawn) / 5


def agreement(count: int, seed: int) -> tuple[int, int, int]:
    """Random cells: how many agree, contradict, or are undecided.

    A cell is simulated by the kernel of the engine, one period in 60 digits from the periodic moments; that
    these are periodic is checked, so the displacement is that of every later period.
    """
    rng = np.random.default_rng(seed)
    free = zhang.piecewise(2, x0=1e6)  # no walls, and linear here
    agree = contradict = undecided = 0
    for _ in range(count):
        n, tail = int(rng.integers(2, 51)), 10.0 ** rng.uniform(-5, 0, 2)
        beta1, beta2 = (Fraction(float(b)) for b in np.where(rng.random(2) < 0.5, rng.random(2), 1 - tail))
        C = large_gradient(rng, n)
        moved = displacement(free, beta1, beta2, n, C)
        cell = certificate.certify(beta1, beta2, n, C)
        right = (moved < 0) == (n - 1 < C)  # against the full gradient
        assert moved != 0
        undecided += cell.verdict == "UNDECIDED"
        agree += cell.verdict == ("CONVERGED" if right else "DIVERGED")
        contradict += cell.verdict == ("DIVERGED" if right else "CONVERGED")
    return agree, contradict, undecided


def displacement(free: ts.Problem, beta1: Fraction, beta2: Fraction, n: int, C: Fraction) -> Any:
    arithmetic = exact.digits(60)
    # Moments just before the large gradient: averages of C and -1 by age, C being n - 1 steps old.
    m, v = (
        sum((1 - b) * b**k * (large if k == n - 1 else small) for k in range(n)) / (1 - b**n)
        for b, large, small in ((beta1, C, Fraction(-1)), (beta2, C * C, Fraction(1)))
    )
    problem = free.replace(n=n)
    optimizer = ts.adam(0.001, 0.0, 0.0, 0.0, bias_correction=False)
    values = {"beta1": beta1, "beta2": beta2, "G": C, "a": 1, "m": m, "v": v}
    end = exact.run(problem, optimizer, n, arithmetic, exactly=values)
    for row, start in (("m", m), ("v", v)):
        assert abs(end.state[row][0] - arithmetic.convert(start)) < 1e-50 * C * C
    return end.x[0] - 10**6


def test_certificates_agree_with_the_engine_from_zero_moments() -> None:
    rng = np.random.default_rng(1)
    beta1, beta2 = rng.random(40), rng.random(40)
    sweep = ts.Sweep(
        shi.periodic(10), ts.adam(0.1, eps=0.0, schedule=ts.power(0.5)),
        {"beta1": beta1, "beta2": beta2}, steps=50_000, x0=0.0,
    )  # fmt: skip
    final = sweep.run().x_final.values.squeeze()
    for i, j in np.ndindex(final.shape):
        cell = certificate.certify(beta1[i], beta2[j], 10, 10)
        # 50 000 steps of 0.1/sqrt(t), a sum of 44, move x by 4.4 abs(D): enough to reach a
        # wall if abs(D) > 0.5.
        if abs(drift.drift(beta1[i], beta2[j], 10, 10)) > 0.5:
            assert cell.verdict == ("CONVERGED" if final[i, j] < 0 else "DIVERGED")


def test_an_exact_zero_and_lack_of_precision_are_undecided() -> None:
    zero = certificate.certify(0, 0, 2, 3)  # D(0, 0; n) = 2 - n
    assert zero.verdict == "UNDECIDED"
    assert zero.reason == "D = 0 exactly, so D has no proved sign."
    (low, high), *_ = critical.enclose_critical_beta2(0, 10, 10, width="1e-40").roots
    near = certificate.certify(0, low, 10, 10, max_bits=64)
    assert near.verdict == "UNDECIDED"
    assert near.reason.startswith("64 bits do not separate D from 0")
    assert [certificate.certify(0, beta2, 10, 10).verdict for beta2 in (low, high)] == [
        "DIVERGED",
        "CONVERGED",
    ]


def test_a_negative_full_gradient_turns_the_verdict() -> None:
    # C < n - 1: the minimiser is the other corner, towards which the small gradients push as well.
    assert certificate.certify("0.5", "0.5", 10, 5).verdict == "CONVERGED"


def test_a_float_means_its_binary64_value() -> None:
    assert certificate.certify(0.99, "0.99", 3, 3).beta1 == Fraction(0.99)
    assert certificate.certify("0.99", "99/100", 3, 3).beta1 == Fraction(99, 100)


def test_piecewise_ratio_is_that_of_the_problem() -> None:
    assert certificate.piecewise_ratio(10, "1/4") == zhang.piecewise(10, 0.25).facts["ratio"] == 13


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("0.5", "0.5", 1, 3), "n = 1 must be an integer >= 2"),
        (("0.5", "0.5", 3, 1), "C = 1 is not above 1"),
        (("0.5", "0.5", 3, "2.0"), "C = 2.0 is n - 1"),
        (("1", "0.5", 3, 3), r"beta1 = 1 is outside \[0, 1\)"),
        (("0.5", "-0.1", 3, 3), r"beta2 = -0.1 is outside \[0, 1\)"),
        (("0.5", "abc", 3, 3), "beta2 = 'abc' is no exact number"),
    ],
)
def test_arguments_are_checked(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        certificate.certify(*arguments)


def reddi_run(C: int, beta2: Any, steps: int, **options: Any) -> certificate.Trajectory:
    optimizer = ts.adam(0.5, 0.0, 0.0, 0.0, bias_correction=False, schedule=ts.power(0.5))
    problem = reddi.periodic(C, period=3, x0=-1.0)
    return certificate.trajectory(problem, optimizer, steps, exactly={"beta2": beta2}, **options)


@pytest.mark.parametrize("C", [3, 10])
def test_theorem_1_ends_provably_in_the_wrong_corner(C: int) -> None:
    """Reddi et al., Theorem 1: beta1 = 0, beta2 = 1/(1 + C^2); x = 1 exactly at the start of a block."""
    found = reddi_run(C, Fraction(1, 1 + C * C), 600)
    assert (found.place, found.corner, found.low, found.high) == ("WRONG_CORNER", 1.0, 1, 1)
    assert found.statement.endswith("provably within 0.01 of 1, the wrong corner of [-1, 1].")


def test_where_a_run_is_says_nothing_of_the_long_run() -> None:
    # One step of .5 from -.995 is still beside the minimiser, and D < 0 sends the run to the other corner.
    optimizer = ts.adam(0.005, 0.0, 0.5, 0.0, bias_correction=False, schedule=ts.power(0.5))
    found = certificate.trajectory(reddi.periodic(10, period=10, x0=-0.995), optimizer, 1, within="0.02")
    assert found.place == "RIGHT_CORNER"
    assert certificate.certify(0, "0.5", 10, 10).verdict == "DIVERGED"
    assert not set(certificate.Place) & set(ts.Verdict)


def test_a_large_beta2_ends_provably_in_the_right_corner() -> None:
    # The critical value is 0.4723; steps of 0.5/sqrt(3000) leave the corner by less than 0.05.
    found = reddi_run(3, "0.9", 3000, within="0.05")
    assert (found.place, found.corner) == ("RIGHT_CORNER", -1.0)


def test_where_a_run_is_that_is_not_there_yet_is_unknown() -> None:
    # The wall holds the first step; the second has m = -1 and v = 0.9 + 0.1 * 8.1 = 1.71: 0.5/sqrt(2 * 1.71).
    found = reddi_run(3, Fraction(1, 10), 2)
    assert (found.place, found.corner) == ("UNKNOWN", None)
    assert found.statement.endswith("not within 0.01 of a corner: take more steps.")
    assert float(found.low) == pytest.approx(-1.0 + 0.5 / 3.42**0.5)


def test_where_a_run_is_that_lacks_precision_is_unknown_until_it_has_it() -> None:
    # One step into a block x is 0.98: not at the wall, which would make it exact.
    coarse = reddi_run(3, Fraction(1, 10), 601, within="0.04", bits=8, max_bits=8)
    assert coarse.place == "UNKNOWN"
    assert "at 8 bits" in coarse.statement
    fine = reddi_run(3, Fraction(1, 10), 601, within="0.04", bits=8)
    assert (fine.place, fine.bits) == ("WRONG_CORNER", 16)
    assert coarse.low <= fine.low <= fine.high <= coarse.high


def test_a_branch_that_no_precision_decides_leaves_it_unknown() -> None:
    import flint

    problem = replace(zhang.piecewise(3), domain=(-2.0, 2.0))
    found = certificate.trajectory(problem, ts.sgd(0.1), 5, exactly={"x0": flint.arb(-1, 0.25)}, max_bits=128)
    assert (found.place, found.low, found.high) == ("UNKNOWN", -2, 2)
    assert found.statement.endswith("cannot be decided in balls(128).")


def test_a_problem_without_corners_is_refused() -> None:
    with pytest.raises(ValueError, match=r"zhang.piecewise has no corners"):
        certificate.trajectory(zhang.piecewise(3), ts.sgd(), 1)
