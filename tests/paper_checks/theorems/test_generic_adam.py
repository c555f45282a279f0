"""The sufficient condition of Zou et al. for any two sequences, and bounds with constants of our own."""

import math

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import smooth
from paper_checks.zou2019 import claims as zou2019
from paper_checks.zou2019 import theorems as generic_adam
from paper_checks.zou2019.theorems import sufficient_condition
from tests.strategies import axis, examples
from theory_sim.evidence.sequences import together
from theory_sim.evidence.trial import Trial, put_on_trial, trials
from theory_sim.nouns.theorem import Answer

FEW = settings(derandomize=True, deadline=None)


def agree(found: list[Trial]) -> None:
    for trial in found:
        assert trial.applies is Answer.HOLDS, trial.conclusion()
        assert trial.respected, trial.conclusion()


def failed(trial: Trial) -> list[str]:
    return [str(row.condition) for row in trial.assessment.failed]


@pytest.mark.parametrize("s", [0.0, 0.25, 0.5, 0.75, 1.0, 1.25])
@pytest.mark.parametrize("r", [0.0, 0.5, 1.0, 2.0])
def test_power_schedules(s: float, r: float) -> None:
    """Against the rule r/2 <= s < 1, r > 0, and against the theorem object."""
    rows = sufficient_condition("lr/t^s", "1 - c/t^r", lr=0.5, s=s, c=0.9, r=r)
    assert (together(rows).answer is Answer.HOLDS) == zou2019.accepted(s, r)
    assert all(row.how == "symbolic" for row in rows[1:])
    trial = put_on_trial(generic_adam.POWERS, names={"s": s, "r": r}, run=False)
    assert trial.applies is together(rows).answer


def answers(*arguments: object, **values: float) -> list[str]:
    return [row.answer.value for row in sufficient_condition(*arguments, **values)]  # type: ignore[arg-type]


def test_sequences_beyond_powers() -> None:
    holds, fails = ["HOLDS"], ["FAILS"]
    # theta -> 1 slowly: (4) is the limit of sqrt(1-theta)/(1-s), and 1/log t vanishes.
    assert answers("1/sqrt(t)", "1 - 1/log(t + 3)") == 6 * holds
    # s = 1 up to a logarithm: t alpha_t = log t grows, and sqrt(1-theta) log t vanishes.
    assert answers("log(t)/t", "1 - 9/(10*sqrt(t))", start=2) == 6 * holds
    # 1/t: T alpha_T = 1 does not grow while the sum does.
    assert answers("1/t", "1 - 9/(10*sqrt(t))") == 5 * holds + fails
    # theta -> 1 too fast: chi_t = exp(t/2)/sqrt(t) is unbounded.
    assert answers("1/sqrt(t)", "1 - exp(-t)") == 4 * holds + fails + holds
    # beta is not below 1, and theta falls.
    assert answers("1/sqrt(t)", "1/2 + 1/(4*t)", 1.0) == fails + 2 * holds + fails + holds + fails


def test_adam_nc_starts_at_t_2() -> None:
    """theta_1 = 1 - 1/1 = 0 is not allowed; with theta constant until t = 2 the condition holds."""
    row = sufficient_condition("1/sqrt(t)", "1 - 1/t")[1]
    assert (row.answer, row.how, row.reason) == (Answer.FAILS, "value", "it is 0 at t = 1")
    assert together(sufficient_condition("1/sqrt(t)", "1 - 1/t", start=2)).answer is Answer.HOLDS


def test_what_sympy_cannot_decide_is_undecided_with_a_reason() -> None:
    t = sympy.Symbol("t")
    rows = sufficient_condition((2 + sympy.sin(t)) / sympy.sqrt(t), 1 - 1 / (t + 1))
    assert [row.answer.value for row in rows] == 4 * ["HOLDS"] + 2 * ["UNDECIDED"]
    assert rows[4].reason == "chi_t > 0: no counterexample up to t = 7e60, and no proof"
    assert "not shown to increase" in rows[5].reason
    with pytest.raises(ValueError, match="symbol c without a value"):
        sufficient_condition("1/sqrt(t)", "1 - c/t")


@pytest.mark.parametrize(
    ("alpha", "theta", "open_"),
    [
        # theta falls to -1 around t = 5000.
        ("1/sqrt(t)", "1 - 1/(2*t) - 2/(1+(t-5000)^2)", {1, 3}),
        # alpha vanishes at one t.
        ("Abs(t-123456789)/t^(3/2)", "1 - 1/(2*t)", {4}),
    ],
)
def test_a_sequence_that_fails_at_one_far_t_is_not_accepted(alpha: str, theta: str, open_: set[int]) -> None:
    rows = sufficient_condition(alpha, theta)
    assert {i for i, row in enumerate(rows) if row.answer is Answer.UNDECIDED} == open_
    assert all("no counterexample up to t = 7e60" in rows[i].reason for i in open_)
    assert together(rows).answer is Answer.UNDECIDED


@settings(FEW, max_examples=examples(8))
@given(
    r=st.floats(0.0, 1.0),
    more=axis(0.0, 0.5, 2),
    c=axis(0.01, 0.95, 2),
    lr=axis(0.01, 3.0, 2, log=True),
    v0=st.floats(-6.0, 0.0),
    T=st.integers(1, 1_000),
    width=st.floats(0.0, 2.0),
)
def test_the_bound_without_momentum(
    r: float, more: list[float], c: list[float], lr: list[float], v0: float, T: int, width: float
) -> None:
    # False alarms: `respected` allows five standard errors of 8 seeds; the bound is at least
    # ten times the mean.
    r = round(r, 4)
    for problem in (smooth.logcosh(3, width), smooth.bounded(2, width)):
        sweep = ts.Sweep(
            problem,
            ts.generic_adam(lr=0.1, beta1=0.0, r=r, v0=10.0**v0 * 0.4, schedule=ts.power(0.5)),
            {"s": [r / 2.0 + one for one in more], "c": c, "lr": lr},
            steps=T,
            seeds=8,
        )
        found = trials(generic_adam.RMSPROP, sweep)
        agree(found)
        assert max(trial.ratio for trial in found) < 0.5


@settings(FEW, max_examples=examples(8))
@given(
    c=axis(1e-6, 0.9, 4, log=True),
    lr=axis(1e-3, 3.0, 2, log=True),
    T=st.integers(1, 2_000),
    d=st.integers(1, 4),
)
def test_the_bound_for_constants_tied_to_the_horizon(c: list[float], lr: list[float], T: int, d: int) -> None:
    adam = ts.generic_adam(lr=0.1, beta1=0.0, r=0.0, v0=1.0)
    sweep = ts.Sweep(smooth.logcosh(d, 1.0), adam, {"c": c, "lr": lr}, steps=T, seeds=8)
    agree(trials(generic_adam.HORIZON, sweep))


def test_the_bound_vanishes_exactly_under_the_sufficient_condition() -> None:
    """Its exponent in T is that of the paper, -min(r/2, 1-s), up to the logarithm."""
    values = {"G": 2.0, "L": 1.0, "d": 1.0, "gap_1": 1.0, "v0": 1.0, "lr": 0.1, "c": 0.5}
    for s, r in ((0.5, 1.0), (0.5, 0.5), (0.75, 1.0), (0.5, 0.0)):
        low, high = (generic_adam.RMSPROP.evaluate({**values, "s": s, "r": r, "T": T}) for T in (1e30, 1e60))
        slope = (math.log10(high) - math.log10(low)) / 30.0
        # log T doubles between 1e30 and 1e60: .01 in the slope.
        assert slope == pytest.approx(zou2019.power_rate(s, r), abs=0.011)


@pytest.mark.parametrize(
    ("names", "condition"),
    [
        ({"beta1": 0.5}, "no momentum"),
        ({"s": 0.4}, "(3) chi_t nonincreasing"),
        ({"v0": 5.0}, "v_0 at most G^2"),
        ({"c": 1.0}, "theta_1 above 0"),
    ],
)
def test_the_condition_that_fails_is_named(names: dict[str, float], condition: str) -> None:
    assert failed(put_on_trial(generic_adam.RMSPROP, names=names, run=False)) == [condition]


def test_recalled_constants_are_not_invented() -> None:
    trial = put_on_trial(generic_adam.POWERS, run=False)
    assert trial.applies is Answer.HOLDS
    assert "needs A (C of the theorem" in trial.assessment.reason
    known = put_on_trial(generic_adam.POWERS, names={"A": 2.0, "B": 1.0}, run=False)
    # T = 1e4, s = 1/2, r = 1: (2 + .5 sqrt(.99) (1 + log 1e4))/(.5 100), to the power 2/3.
    assert known.assessment.bound == pytest.approx(
        ((2.0 + 0.5 * math.sqrt(0.99) * (1.0 + math.log(1e4))) / 50.0) ** (2.0 / 3.0), rel=1e-12
    )
