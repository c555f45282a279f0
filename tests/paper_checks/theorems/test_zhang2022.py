"""Theorems of Zhang et al.: exact on the divergence function, and hidden constants stay hidden."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import shi, zhang
from paper_checks.theorems import zhang2022
from tests.strategies import axis, examples
from theory_sim.theorem import Answer, Theorem
from theory_sim.trial import put_on_trial, trials

FEW = settings(derandomize=True, deadline=None)


@settings(FEW, max_examples=examples(8))
@given(
    beta1=axis(0.0, 0.6, 2), beta2=axis(0.37, 0.98, 4), n=st.integers(5, 20), x0=st.sampled_from([0.0, -3.0])
)
def test_the_drift_decides(beta1: list[float], beta2: list[float], n: int, x0: float) -> None:
    adam = zhang2022.DIVERGENCE.optimizer
    assert adam is not None
    sweep = ts.Sweep(zhang.piecewise(n, x0=x0), adam(), {"beta1": beta1, "beta2": beta2}, steps=50_000)
    away = trials(zhang2022.DIVERGENCE, sweep)
    back = trials(zhang2022.CONVERGENCE, sweep)
    for one, other in zip(away, back, strict=True):
        # beta1 <= .6 < sqrt(.37): the updates are bounded, so exactly one of the two applies.
        assert {one.applies, other.applies} == {Answer.HOLDS, Answer.FAILS}
        # |D|/n above .02 moves x by .1 x .04 x 223 = .9 or more in 5e4 steps; the rule wants a tenth of 1 or 2.
        if abs(float(one.values["drift"])) / n > 0.02:
            assert one.respected is not False, one.conclusion()
            assert other.respected is not False, other.conclusion()


def test_one_violated_condition() -> None:
    trial = put_on_trial(zhang2022.DIVERGENCE, names={"beta2": 0.99})
    assert [str(row.condition) for row in trial.assessment.failed] == ["the drift over an epoch is negative"]
    assert trial.ended == "CONVERGED"


def test_the_drift_is_left_out_for_other_gradients() -> None:
    trial = put_on_trial(zhang2022.DIVERGENCE, shi.two_hit(10), run=False)
    assert trial.applies is Answer.UNDECIDED
    assert "drift" not in trial.values


@pytest.mark.parametrize("theorem", [zhang2022.THEOREM_31, zhang2022.EXTENDED])
def test_a_hidden_constant_is_named_and_can_be_given(theorem: Theorem) -> None:
    trial = put_on_trial(theorem, run=False)
    assert trial.applies is Answer.UNDECIDED
    assert "K (constant of the threshold" in trial.conclusion()[1]
    names = {"K": 1e5} | ({"rho": 1.0} if "rho" in theorem.symbols else {})
    assert put_on_trial(theorem, names=names, run=False).applies is Answer.HOLDS


def test_d1_as_printed_is_false_at_n_3_only() -> None:
    """n^2 ((n/(n-1))^2 + (n-1)^-3) is 9 (9/4 + 1/8) = 21.375 at n = 3, above 18; from n = 4 on it is below 2 n^2."""
    for n in range(3, 30):
        problem = zhang.piecewise(n, 1.0 / (n - 1) ** 2)
        printed = put_on_trial(zhang2022.D1_PRINTED, problem, names={"steps": 1})
        corrected = put_on_trial(zhang2022.D1_CORRECTED, problem, names={"steps": 1})
        assert printed.applies is corrected.applies is Answer.HOLDS
        assert printed.respected is (n > 3)
        assert corrected.respected
        assert corrected.ratio == pytest.approx(1.0, abs=1e-12)
    assert put_on_trial(zhang2022.D1_PRINTED, names={"steps": 1}).observed == 21.375
    assert math.isnan(put_on_trial(zhang2022.D1_PRINTED, zhang.piecewise(3), run=False).assessment.bound)
