"""The same rules in balls, digits and symbols."""

import math
import sys
from collections.abc import Callable
from fractions import Fraction
from math import sqrt as root
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import quantized, reddi, shi, smooth, zhang
from theory_sim import compressors, exact
from theory_sim.optimizers import OPTIMIZERS
from theory_sim.optimizers.adam import adam_rule
from theory_sim.optimizers.parts import nonzero
from theory_sim.rules.checks import rational
from theory_sim.rules.language import largest
from theory_sim.rules.trace import elementwise

least = min
from_numpy = np.sqrt

pytest.importorskip("flint")
pytest.importorskip("mpmath")

CASES = [
    (reddi.periodic(10.0), ts.adam(0.5, 0.9, 0.99), {}),
    (reddi.periodic(3.0, x0=-1.0), ts.adam(0.5, 0.0, 0.1, 0.0, schedule=ts.power(0.5), bias_correction=False), {}),
    (shi.periodic(5), ts.amsgrad(0.5, 0.9, 0.99, schedule=ts.power(0.5)), {"order": "reshuffled"}),
    (zhang.piecewise(5, x0=50.0), ts.adam(0.1, 0.5, 0.9), {"order": "replacement", "workers": 2}),
    (reddi.stochastic(10.0, delta=0.5), ts.adam(0.01, 0.9, 0.9), {"entropy": 3}),
]  # fmt: skip
ARITHMETICS = [exact.balls(160), exact.digits(60)]


@pytest.mark.parametrize("case", CASES, ids=["corrected", "paper", "reshuffled", "workers", "noise"])
@pytest.mark.parametrize("arithmetic", ARITHMETICS, ids=lambda arithmetic: arithmetic.name)
def test_other_arithmetics_follow_the_engine(case: Any, arithmetic: exact.Arithmetic) -> None:
    problem, optimizer, options = case
    engine = ts.simulate(problem, optimizer, steps=300, **options).x_final.item()
    # 300 steps of binary64 with steps of size 0.5 or less: a few hundred roundings of 1e-16.
    assert float(exact.run(problem, optimizer, 300, arithmetic, **options).x[0]) == pytest.approx(
        engine, abs=1e-12
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_runs_in_digits(name: str) -> None:
    optimizer = OPTIMIZERS[name](**({"nodes": 1} if name == "gossip_signum" else {}))
    if optimizer.up is not None:
        with pytest.raises(ValueError, match="compressed messages"):
            exact.run(smooth.quadratic(), optimizer, 1, exact.digits())
        return
    engine = ts.simulate(smooth.quadratic(), optimizer, steps=40).x_final.values.ravel()
    digits = exact.run(smooth.quadratic(), optimizer, 40, exact.digits(60)).x
    np.testing.assert_allclose([float(value) for value in digits], engine, atol=1e-12)


def size(p: float) -> float:
    return abs(p)


def thresholded(p: float, peak: float, cut: float) -> float:
    return p if abs(p) >= cut * peak else 0.0 * p


def survivor(p: float, u: float, chance: float) -> float:
    return p / chance if u < chance else 0.0 * p


WORDS = compressors.identity(64)
KEPT = compressors.Compressor("survivors", survivor, {"chance": 0.6})
CUT = compressors.Compressor("cut", thresholded, {"cut": 0.7}, {"peak": largest(size)})
SENT = [
    ts.ef_sgd(0.02, up=CUT, down=compressors.two_mean(64)),
    ts.ef_sgd(0.02, up=compressors.l1_sign(2, 64), down=WORDS),
    ts.qadam(0.02, up=compressors.l1_sign(word=64), down=WORDS, theta=0.5, schedule=ts.power(0.5)),
    ts.efficient_adam(0.02, up=KEPT, down=KEPT.replace(chance=0.9)),
]


@pytest.mark.parametrize("optimizer", SENT, ids=str)
def test_messages_of_rules_follow_the_engine(optimizer: ts.Optimizer) -> None:
    problem = quantized.quadratic(d=5, decades=1.0, spread=0.5)
    engine = ts.simulate(problem, optimizer, steps=60, workers=3)
    found = exact.run(problem, optimizer, 60, exact.digits(60), workers=3)
    np.testing.assert_allclose([float(one) for one in found.x], engine.x_final.values.ravel(), atol=1e-12)
    rows = engine.state_final.squeeze()
    for row, values in found.state.items():
        np.testing.assert_allclose([float(one) for one in values], rows.sel(row=row), atol=1e-12, err_msg=row)


def test_what_reads_bits_or_rounds_is_refused() -> None:
    method = ts.ef_sgd(0.1, up=compressors.log_levels(2, word=64), down=WORDS)
    with pytest.raises(exact.Undecidable, match="has no bits in"):
        exact.run(smooth.quadratic(), method, 1, exact.balls())
    with pytest.raises(ValueError, match="words of 64 bits; use another"):
        exact.run(smooth.quadratic(), ts.ef_sgd(0.1, up=WORDS), 1, exact.balls())


@pytest.mark.parametrize("case", CASES, ids=["corrected", "paper", "reshuffled", "workers", "noise"])
def test_balls_agree_with_sixty_digits(case: Any) -> None:
    import mpmath

    problem, optimizer, options = case
    ball = exact.run(problem, optimizer, 200, exact.balls(400), **options).x[0]
    digits = exact.run(problem, optimizer, 200, exact.digits(60), **options).x[0]
    with mpmath.workdps(80):
        assert abs(mpmath.mpf(ball.mid().str(70, radius=False)) - digits) < mpmath.mpf(10) ** -55
    assert ball.rad() < 1e-60


unit = st.fractions(0, 1, max_denominator=1000).filter(lambda beta: beta < 1)


@settings(max_examples=40)
@given(unit, unit, st.fractions(2, 50, max_denominator=20))
def test_a_coarse_ball_contains_what_a_fine_one_finds(beta1: Fraction, beta2: Fraction, C: Fraction) -> None:
    optimizer = ts.adam(0.1, 0.0, 0.0, 0.0, bias_correction=False, schedule=ts.power(0.5))
    values = {"beta1": beta1, "beta2": beta2, "C": C, "lr": "0.1"}
    coarse, fine = (
        exact.run(reddi.periodic(3.0), optimizer, 10, exact.balls(bits), exactly=values).x[0]
        for bits in (30, 300)
    )
    assert coarse.overlaps(fine)
    assert fine.rad() < 1e-60


def test_exact_values_are_not_their_floats() -> None:
    import flint

    problem, optimizer = reddi.periodic(3.0, x0=1.0), ts.adam(0.1, 0.0, 0.1, 0.0, bias_correction=False)
    # One step of lr g/sqrt((1 - beta2) g^2) from 1: 1 - 0.1/sqrt(0.9), where 0.1 is 1/10 or
    # the nearest float.
    exact_run, float_run = (
        exact.run(problem, optimizer, 1, exact.balls(200), exactly=values).x[0]
        for values in ({"lr": "0.1", "beta2": Fraction(1, 10)}, None)
    )
    with flint.ctx.workprec(200):
        tenth = flint.arb(flint.fmpq(1, 10))
        assert exact_run.overlaps(1 - tenth / (1 - tenth).sqrt())
        assert float_run.overlaps(1 - flint.arb(0.1) / (1 - flint.arb(0.1)).sqrt())
    assert not exact_run.overlaps(float_run)


def test_names_of_exact_values_are_checked() -> None:
    with pytest.raises(ValueError, match="Unknown exact value 'beta3': did you mean beta"):
        exact.run(reddi.periodic(3.0), ts.adam(), 1, exact.balls(), exactly={"beta3": 1})
    with pytest.raises(ValueError):
        exact.run(reddi.periodic(3.0), ts.adam(), 1, exact.balls(), exactly={"beta2": "high"})


def test_balls_that_overlap_are_not_compared() -> None:
    import flint

    balls = exact.balls()
    wide, one = balls.number(flint.arb(0, 1)), balls.number(1)
    for undecided in (lambda: wide < 0, lambda: wide >= 0, lambda: wide == 0, lambda: one / wide > 0):
        with pytest.raises(exact.Undecidable):
            undecided()
    assert wide < 2
    assert wide != 3
    assert not wide > 2.5
    assert one == Fraction(1)
    assert balls.least(wide, 2.0).raw.overlaps(flint.arb(0, 1))
    assert balls.greatest(wide, 0).raw.contains(flint.arb(1))


def test_a_branch_inside_a_ball_is_undecidable() -> None:
    import flint

    # zhang.piecewise changes its slope at -1, inside the ball of the start.
    start = {"x0": flint.arb(-1, 0.25)}
    with pytest.raises(exact.Undecidable, match=r"cannot be decided in balls\(64\)"):
        exact.run(zhang.piecewise(3), ts.sgd(0.1), 1, exact.balls(64), exactly=start)


def test_precision_that_runs_out_is_reported() -> None:
    # A v that may be negative has no real root.
    import flint

    with pytest.raises(exact.Undecidable, match=r"is nan in balls.*precision ran out"):
        exact.run(
            reddi.periodic(3.0), ts.adam(eps=0.0, bias_correction=False), 3, exact.balls(64),
            exactly={"v": flint.arb(0, 100)},
        )  # fmt: skip


def test_rebinding_leaves_the_rule_alone() -> None:
    rebound = exact.rebind(adam_rule, exact.balls())
    assert rebound.__code__ is adam_rule.__code__
    assert adam_rule.__globals__["math"] is math
    assert rebound.__globals__["math"] is not math
    # and so for the rules that it calls
    assert rebound.__globals__["nonzero"].__globals__["math"] is not math
    assert nonzero.__globals__["math"] is math


def test_primitives_that_an_arithmetic_lacks_are_named() -> None:
    def rule(p: float) -> float:
        return math.erf(p)

    with pytest.raises(exact.Undecidable, match="erf is not available in balls"):
        exact.rebind(rule, exact.balls())(1.0)


@pytest.mark.parametrize("arithmetic", [exact.balls(100), exact.digits(30)], ids=["balls", "digits"])
@pytest.mark.parametrize("value", [-1.75, 0.25, 2.5])
def test_primitives_follow_math(arithmetic: exact.Arithmetic, value: float) -> None:
    def rule(t: int, p: float) -> float:
        out = math.hypot(p, 3.0) + math.copysign(2.0, p) + np.sign(p) + math.exp(p) + abs(p) ** 0.5 + int(p)
        return out + math.pi + math.log1p(abs(p)) + max(p, 0.5) + min(p, float(t)) + (1.0 if p > 0.0 else 0.0)

    rebound = exact.rebind(rule, arithmetic)(1, arithmetic.number(value))
    assert float(rebound.raw) == pytest.approx(rule(1, value), rel=1e-13)


def test_symbols_decide_by_assumptions_only() -> None:
    import sympy

    q, free = sympy.Symbol("q", positive=True), sympy.Symbol("free")
    symbols = exact.symbols()
    beta = symbols.number(q / (1 + q))
    assert beta > 0
    assert beta < 1
    assert 1 - beta != 0
    for undecided in (
        lambda: symbols.number(free) == 0,
        lambda: beta < 0.5,
        lambda: symbols.number(free) > 0,
    ):
        with pytest.raises(exact.Undecidable, match=r"symbols\(\)"):
            undecided()


def test_adam_on_symbols_is_the_recursion_of_the_paper() -> None:
    import sympy

    C, q, lr = sympy.symbols("C q lr", positive=True)
    beta1, beta2 = sympy.Rational(1, 3), q / (1 + q)
    values = {"C": C, "lr": lr, "beta1": beta1, "beta2": beta2, "x0": 0}
    free = zhang.piecewise(2)  # no box; one component with slope G, the other -a
    result = exact.run(
        free, ts.adam(1.0, 0.0, 0.0, 0.0, bias_correction=False), 1, exact.symbols(),
        exactly={**{k: v for k, v in values.items() if k != "C"}, "G": C},
    )  # fmt: skip
    # m = (1 - beta1) C and v = (1 - beta2) C^2, so x = -lr (1 - beta1)/sqrt(1 - beta2), without C.
    assert sympy.simplify(result.state["m"][0] - (1 - beta1) * C) == 0
    assert sympy.simplify(result.state["v"][0] - (1 - beta2) * C**2) == 0
    assert sympy.simplify(result.x[0] + lr * (1 - beta1) / sympy.sqrt(1 - beta2)) == 0


def adam_moments(steps: int, gradients: Any, beta1: Any, beta2: Any) -> tuple[Any, Any]:
    """m and v that adam_rule computes on symbols."""
    arithmetic = exact.symbols()
    rule, number = exact.rebind(adam_rule, arithmetic), arithmetic.number
    x = m = v = number(0)
    for t in range(steps):
        x, m, v = rule(
            number(gradients[t]), number(1), number(beta1), number(beta2), number(0), number(0), x, m, v
        )
    return m.raw, v.raw


def test_update_bound_is_cauchy_schwarz() -> None:
    """m^2 <= K v with K = (1-beta1)^2 / (1-beta2) * sum_(j<T) (beta1^2/beta2)^j, as a sum of squares."""
    import sympy

    T = 3
    g = sympy.symbols("g0:3", positive=True)
    p, q = sympy.symbols("p q", positive=True)
    beta1, beta2 = p / (1 + p), q / (1 + q)
    m, v = adam_moments(T, g, beta1, beta2)
    K = (1 - beta1) ** 2 / (1 - beta2) * sum((beta1**2 / beta2) ** j for j in range(T))
    # Lagrange: with a_j = beta1^j / beta2^(j/2) and b_j = beta2^(j/2) g_(T-1-j), the gap is
    # (1 - beta1)^2 sum_(i<j) (a_i b_j - a_j b_i)^2.
    a = [beta1**j / sympy.sqrt(beta2) ** j for j in range(T)]
    b = [sympy.sqrt(beta2) ** j * g[T - 1 - j] for j in range(T)]
    squares = sum((a[i] * b[j] - a[j] * b[i]) ** 2 for j in range(T) for i in range(j))
    assert sympy.simplify(K * v - m**2 - (1 - beta1) ** 2 * squares) == 0
    # T -> infinity: the geometric sum gives the square of drift.update_bound.
    r, j = sympy.Symbol("r", positive=True), sympy.Symbol("j", integer=True)
    assert sympy.summation(r**j, (j, 0, sympy.oo)).args[0] == (1 / (1 - r), r < 1)


def test_update_bound_is_reached() -> None:
    import sympy

    beta1, beta2, T = sympy.Rational(1, 2), sympy.Rational(1, 3), 5
    m, v = adam_moments(T, [(beta2 / beta1) ** t for t in range(T)], beta1, beta2)
    K = (1 - beta1) ** 2 / (1 - beta2) * sum((beta1**2 / beta2) ** j for j in range(T))
    assert m**2 == K * v


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(
        ImportError, match=r'^Exact arithmetic needs flint: run pip install "theory-sim\[exact\]"\.$'
    ):
        exact.balls()


def test_an_exponent_that_would_be_written_out_is_refused() -> None:
    with pytest.raises(ValueError, match="exponent beyond 10000"):
        rational("C", "1e999999999")
    assert rational("C", "1e-3") == Fraction(1, 1000)


def imported(x: float) -> float:
    return least(root(x), from_numpy(x))


def enclosed() -> Callable[[float], float]:
    import math as mathematics
    from math import sqrt

    def rule(x: float) -> float:
        return min(sqrt(x), mathematics.sqrt(x)) if x < 3.0 else math.floor(x)

    return rule


@pytest.mark.parametrize("rule", [imported, enclosed()], ids=["module", "closure"])
@pytest.mark.parametrize("arithmetic", ARITHMETICS, ids=lambda arithmetic: arithmetic.name)
def test_functions_are_those_of_the_arithmetic_wherever_they_are_imported(
    rule: Callable[[float], float], arithmetic: exact.Arithmetic
) -> None:
    problem = ts.Problem("root", rule, start=2.0)
    moved = ts.simulate(problem, ts.gd(0.5), steps=1).x_final.item()
    assert moved == 2.0 - 0.5 * math.sqrt(2.0)
    with arithmetic.precision():
        found = exact.rebind(rule, arithmetic)(arithmetic.number(2))
        assert abs(found * found - 2) < 1e-40
    assert float(exact.run(problem, ts.gd(0.5), 1, arithmetic).x[0]) == pytest.approx(moved, rel=1e-15)
    assert elementwise(rule)(np.array([2.0]))[0] == root(2.0)


@pytest.mark.parametrize("dividend", [7, -7, 6, 0, 7.5])
@pytest.mark.parametrize("divisor", [3, -3, 2.5])
def test_remainders_are_those_of_python(dividend: float, divisor: float) -> None:
    for arithmetic in (exact.balls(), exact.digits()):
        with arithmetic.precision():
            for found in (arithmetic.number(dividend) % divisor, dividend % arithmetic.number(divisor)):
                assert found == arithmetic.number(dividend % divisor)  # exact: all are multiples of 1/2
