"""Theorems of Zhang et al.: exact on the divergence function, and hidden constants stay hidden."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import shi, zhang
from paper_checks.zhang2022 import theorems as zhang2022
from tests.strategies import axis, examples
from theory_sim.evidence.trial import Trial, put_on_trial, trials
from theory_sim.nouns.theorem import Answer, Theorem

FEW = settings(derandomize=True, deadline=None)


# 8 lanes an example: |D|/n above the cut moves x by .1 x .04 x 223 = .9 or more in 5e4 steps, and by half as much
# in the first quarter of them; the rule wants a tenth of 1, 2 or 3 in every window.
LANES, CUT = 8, 0.02
STARTS = st.sampled_from([0.0, -3.0])
STRAIGHT = st.sampled_from([0.0, 1.0])  # right of the kink, where a path that runs away must stay


def both(
    theorem: Theorem, problem: ts.Problem, beta1: list[float], beta2: list[float]
) -> list[tuple[Trial, Trial]]:
    """Put the theorem and its opposite on trial; beta1 <= .6 < sqrt(.37) bounds the updates, so at most one applies,
    and one fails."""
    opposite = zhang2022.CONVERGENCE if theorem is zhang2022.DIVERGENCE else zhang2022.DIVERGENCE
    assert theorem.optimizer is not None
    sweep = ts.Sweep(problem, theorem.optimizer(), {"beta1": beta1, "beta2": beta2}, steps=50_000)
    found = list(zip(trials(theorem, sweep), trials(opposite, sweep), strict=True))
    assert len(found) == LANES
    for one, other in found:
        assert Answer.FAILS in {one.applies, other.applies}
    return found


def agrees(one: Trial, n: int) -> None:
    assert one.applies is Answer.HOLDS, one.conclusion()
    assert abs(float(one.values["drift"])) / n > CUT
    assert one.respected is True, one.conclusion()


# In the next two every lane applies above the cut: |D|/n is at least .03 over the first box of beta1,
# beta2 and n (at its corner n = 8, beta1 = .6, beta2 = .8) and at least .04 over the second (at n = 8,
# a = .9), by `drift` on a grid.
@settings(FEW, max_examples=examples(LANES))
@given(beta1=axis(0.0, 0.6, 2), beta2=axis(0.37, 0.8, 4), n=st.integers(8, 20), x0=STRAIGHT)
def test_a_negative_drift_runs_away(beta1: list[float], beta2: list[float], n: int, x0: float) -> None:
    for one, _ in both(zhang2022.DIVERGENCE, zhang.piecewise(n, x0=x0), beta1, beta2):
        agrees(one, n)


@settings(FEW, max_examples=examples(LANES))
@given(
    beta1=axis(0.0, 0.6, 2),
    share=axis(0.01, 0.3, 4),
    n=st.integers(3, 8),
    a=st.floats(0.1, 0.9).map(lambda a: round(a, 2)),
    x0=STARTS,
)
def test_a_positive_drift_comes_back(
    beta1: list[float], share: list[float], n: int, a: float, x0: float
) -> None:
    beta2 = [1.0 - one / n**2 for one in share]
    for one, _ in both(zhang2022.CONVERGENCE, zhang.piecewise(n, a, x0=x0), beta1, beta2):
        agrees(one, n)


@settings(FEW, max_examples=examples(LANES))
@given(beta1=axis(0.0, 0.6, 2), beta2=axis(0.6, 0.98, 4), n=st.integers(5, 20), x0=STRAIGHT)
def test_the_sign_of_the_drift_decides(beta1: list[float], beta2: list[float], n: int, x0: float) -> None:
    """On both sides of the critical beta2, close to it as well."""
    for pair in both(zhang2022.DIVERGENCE, zhang.piecewise(n, x0=x0), beta1, beta2):
        (one,) = (trial for trial in pair if trial.applies is not Answer.FAILS)
        assert one.respected is not False, one.conclusion()
        if abs(float(one.values["drift"])) / n > CUT:
            assert one.respected is True, one.conclusion()


@pytest.mark.parametrize("lr", [1.0, 10.0, 100.0])
def test_no_run_with_long_steps_contradicts(lr: float) -> None:
    """A path with D < 0 that steps on the curved part may stay there: without the condition on it, runs contradict."""
    stays = "x0 + 1 >= lr*reach"
    kept = tuple(one for one in zhang2022.DIVERGENCE.conditions if one.relation != stays)
    bold, contradicted = replace(zhang2022.DIVERGENCE, conditions=kept), 0
    for n, x0 in ((3, -1.0), (10, -1.0), (10, 5.0)):
        axes = {"beta1": [0.0, 0.25, 0.5], "beta2": [0.3, 0.46, 0.8, 0.9, 0.99]}
        optimizer = zhang2022.DIVERGENCE.optimizer
        assert optimizer is not None
        sweep = ts.Sweep(zhang.piecewise(n, x0=x0), optimizer().replace(lr=lr), axes, steps=50_000)
        for theorem in (zhang2022.DIVERGENCE, zhang2022.CONVERGENCE):
            assert [one.conclusion() for one in trials(theorem, sweep) if one.respected is False] == []
        contradicted += sum(one.respected is False for one in trials(bold, sweep))
    assert (contradicted > 0) == (lr == 1.0)


def test_the_reach_is_that_of_a_run() -> None:
    # Far right of the kink the run of the suite itself is the path.
    theorem = zhang2022.DIVERGENCE
    assert theorem.optimizer is not None
    for beta1, beta2, s in ((0.5, 0.8, 0.5), (0.0, 0.95, 0.3), (0.4, 0.2, 0.9)):
        method = theorem.optimizer().replace(beta1=beta1, beta2=beta2, schedule=ts.power(s), lr=1.0)
        run = ts.simulate(zhang.piecewise(10), method, steps=2_000, x0=1e4, running=True, checkpoints=[2_000])
        reach = theorem.gather(zhang.piecewise(10), method)["reach"]
        assert 1e4 + 2.0 - run.distance_min.item() == pytest.approx(reach, abs=1e-9)


@settings(FEW, max_examples=examples(LANES))
@given(beta1=axis(0.0, 0.9, 2), share=axis(0.05, 0.99, 4), n=st.integers(2, 4), x0=STARTS)
def test_the_extended_theorem_with_a_constant_of_one(
    beta1: list[float], share: list[float], n: int, x0: float
) -> None:
    """Drawn with replacement, for K = 1, which the paper does not state.

    The mean of g is 1/n and its mean square (n^2 + n - 1)/n; sqrt(v) lies between the root of that and
    C = n.  5e4 steps of .1/sqrt(t) move x by 45/(n sqrt(v)) with a standard deviation of .1 sqrt(log
    5e4) = .33 at most.  At n = 4, where they have the least to spare, that is 2.8 +- .18 with the largest
    v and 5.1 +- .33 with the smallest, where 1 is needed: a false alarm is an event of ten standard
    deviations, below 1e-9 a lane.
    """
    optimizer = zhang2022.EXTENDED.optimizer
    assert optimizer is not None
    threshold = (1.0 - beta1[-1] ** n) / n**5
    sweep = ts.Sweep(
        zhang.piecewise(n, x0=x0),
        optimizer(),
        {"beta1": beta1, "beta2": [1.0 - one * threshold for one in share]},
        steps=50_000,
        order="replacement",
    )
    found = trials(zhang2022.EXTENDED, sweep, K=1.0)
    assert len(found) == LANES
    for one in found:
        assert one.applies is Answer.HOLDS, one.conclusion()
        assert one.respected is True, one.conclusion()


@pytest.mark.parametrize("theorem", [zhang2022.THEOREM_31, zhang2022.EXTENDED])
@pytest.mark.parametrize(
    ("names", "condition"),
    [
        ({"s": 0.0}, "lr_t = lr/sqrt(t)"),
        ({"s": 1.5}, "lr_t = lr/sqrt(t)"),
        ({"eps": 0.1, "eps_mode": "inside"}, "no eps inside the root"),
        ({"beta1": 0.999}, "bounded updates"),
    ],
)
def test_the_convergence_theorems_fix_the_step_and_the_update(
    theorem: Theorem, names: dict[str, Any], condition: str
) -> None:
    given = {"K": 1e9} | ({"rho": 1.0} if "rho" in theorem.symbols else {})
    trial = put_on_trial(theorem, names={**given, **names}, run=False)
    assert [str(row.condition) for row in trial.assessment.failed] == [condition]


def test_a_constant_step_is_no_counterexample_to_the_extended_theorem() -> None:
    """With s = 0 the run does not end at the optimum, and the theorem does not say that it would."""
    trial = put_on_trial(zhang2022.EXTENDED, names={"K": 1e9, "s": 0.0})
    assert (trial.applies, trial.respected) == (Answer.FAILS, None)
    assert trial.ended != "CONVERGED"


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
    """n^2 ((n/(n-1))^2 + (n-1)^-3) is 9 (9/4 + 1/8) = 21.375 at n = 3, above 18.

    From n = 4 on it is below 2 n^2.
    """
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
