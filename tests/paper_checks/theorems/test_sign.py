"""Sign methods: bounds on random instances, and what each condition is for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import separable, smooth
from counterexamples import sign as problems
from paper_checks.theorems import sign
from tests.strategies import axis, examples
from theory_sim.evidence.trial import Trial, put_on_trial, trials
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.theorem import Answer, Theorem
from theory_sim.optimizers.sign import (
    ef_signsgd,
    extrapolated_signum,
    generalized_signsgd,
    lion,
    majority_vote,
    signsgd,
)

# Stochastic bounds are on expectations: `respected` has a false alarm in 3.5e6 per trial where a bound is
# attained (Student's t), and fewer elsewhere.
FEW = settings(derandomize=True, deadline=None, max_examples=examples(4))
SEEDS = 8
BY_ID = {theorem.id: theorem for theorem in sign.THEOREMS}
ENTROPY = st.integers(0, 999)
STEPS = st.integers(20, 300)


def agree(found: list[Trial]) -> None:
    for trial in found:
        assert trial.applies is Answer.HOLDS, trial.conclusion()
        assert trial.respected, trial.conclusion()


@FEW
@given(low=st.floats(0.05, 1.0), loud=st.floats(0.0, 5.0), lr=axis(0.001, 0.5, 2, log=True), batch=st.integers(1, 32),
       steps=STEPS, workers=st.integers(1, 9), entropy=ENTROPY)  # fmt: skip
@pytest.mark.parametrize("name", ["bernstein2018.thm1", "bernstein2018.thm2"])
def test_signsgd_and_vote(
    name: str, low: float, loud: float, lr: list[float], batch: int, steps: int, workers: int, entropy: int
) -> None:
    problem = problems.quadratic(4, low, 1.5, loud=loud, every=2, batch=batch)
    optimizer = signsgd() if name.endswith("thm1") else majority_vote()
    axes = {"lr": lr, "sigma": [0.0, 1.0]}
    sweep = ts.Sweep(problem, optimizer, axes, steps=steps, workers=workers, seeds=SEEDS, entropy=entropy)
    agree(trials(BY_ID[name], sweep))


FAMILIES = st.sampled_from([separable.cosines, separable.logarithms])


@FEW
@given(family=FAMILIES, reach=st.floats(0.1, 3.0), lr=axis(0.0005, 0.2, 2, log=True), beta=st.floats(0.0, 0.99),
       sigma=axis(0.0, 2.0, 2), steps=STEPS, entropy=ENTROPY)  # fmt: skip
@pytest.mark.parametrize("theorem", [sign.SIGNUM, sign.EXTRAPOLATED], ids=lambda theorem: theorem.id)
def test_signum(
    theorem: Theorem, family: Any, reach: float, lr: list[float], beta: float, sigma: list[float], steps: int, entropy: int
) -> None:  # fmt: skip
    first = theorem is sign.SIGNUM
    optimizer = generalized_signsgd(0.1, beta, 0.0) if first else extrapolated_signum(0.1, beta)
    axes = {"lr": lr, "sigma": sigma}
    sweep = ts.Sweep(family(5, reach=reach), optimizer, axes, steps=steps, seeds=SEEDS, entropy=entropy)
    agree(trials(theorem, sweep))


@FEW
@given(family=st.sampled_from([smooth.bounded, smooth.logcosh]), d=st.integers(1, 4), lr=axis(0.001, 0.5, 2, log=True),
       width=axis(0.0, 2.0, 2), x0=st.floats(0.1, 3.0), steps=STEPS, entropy=ENTROPY)  # fmt: skip
def test_error_feedback(
    family: Any, d: int, lr: list[float], width: list[float], x0: float, steps: int, entropy: int
) -> None:
    axes = {"lr": lr, "width": width}
    sweep = ts.Sweep(family(d, x0=x0), ef_signsgd(), axes, steps=steps, seeds=SEEDS, entropy=entropy)
    agree(trials(sign.EF_NONCONVEX, sweep))


@FEW
@given(eps=axis(0.01, 0.99, 2), lr=axis(0.001, 1.0, 2, log=True), tie=st.sampled_from([-1.0, 0.0, 1.0]), steps=STEPS,
       x0=st.floats(-2.0, 2.0))  # fmt: skip
def test_error_feedback_with_a_kink(
    eps: list[float], lr: list[float], tie: float, steps: int, x0: float
) -> None:
    sweep = ts.Sweep(
        problems.kink(tie=tie), ef_signsgd(), {"eps": eps, "lr": lr}, steps=steps, x0=round(x0, 6)
    )
    agree(trials(sign.EF_CONVEX, sweep))


@FEW
@given(eps=axis(0.01, 0.99, 2), lr=axis(0.001, 1.0, 2, log=True), s=st.floats(0.0, 1.0), x0=st.floats(0.1, 3.0),
       tie=st.sampled_from([-1.0, 1.0]), steps=STEPS, entropy=ENTROPY)  # fmt: skip
def test_signs_that_cannot_move_along_the_diagonal(
    eps: list[float], lr: list[float], s: float, x0: float, tie: float, steps: int, entropy: int
) -> None:
    optimizer = signsgd(schedule=ts.power(s))
    axes = {"eps": eps, "lr": lr}
    agree(trials(sign.KINK, ts.Sweep(problems.kink(tie=tie), optimizer, axes, steps=steps, x0=x0)))
    sweep = ts.Sweep(
        problems.pair(), optimizer, axes, steps=steps, x0=x0, order="replacement", entropy=entropy
    )
    agree(trials(sign.PAIR, sweep))


@settings(FEW, max_examples=examples(2))
@given(lr=axis(0.001, 1.0, 2, log=True), steps=STEPS, entropy=ENTROPY)
def test_signsgd_climbs(lr: list[float], steps: int, entropy: int) -> None:
    # The bound is an equality in expectation: a false alarm in 3.5e6 for each of 100
    # instances, on fixed seeds.
    sweep = ts.Sweep(
        problems.linear(domain=False), signsgd(), {"lr": lr}, steps=steps, seeds=64, entropy=entropy
    )
    agree(trials(sign.DRIFT, sweep))


@FEW
@given(lr=axis(0.01, 0.5, 2), decay=axis(0.01, 2.0, 2), beta1=st.floats(0.0, 0.99), beta2=st.floats(0.0, 0.99),
       x0=st.floats(-50.0, 50.0), d=st.integers(1, 4), sigma=st.floats(0.0, 5.0), steps=STEPS)  # fmt: skip
def test_lion_box(
    lr: list[float],
    decay: list[float],
    beta1: float,
    beta2: float,
    x0: float,
    d: int,
    sigma: float,
    steps: int,
) -> None:
    sweep = ts.Sweep(
        smooth.quadratic(d, sigma), lion(beta1=beta1, beta2=beta2), {"lr": lr, "weight_decay": decay}, steps=steps,
        x0=round(x0, 6),
    )  # fmt: skip
    agree(trials(sign.LION_BOX, sweep))


SKEWED = {"L_sum": 1.0, "sigma_sum": 2.0}  # |f''| <= 1, noise 4 or -1: variance .2 16 + .8
VIOLATIONS: list[tuple[str, Problem, Any, dict[str, Any], str, bool]] = [
    # theorem, problem, optimizer, names, the condition that fails, whether the run breaks the bound
    ("bernstein2018.thm2", problems.skewed(), majority_vote(0.01), {"workers": 101, "steps": 20_000, "seeds": 2, "x0": 1.0}
     | SKEWED, "unimodal symmetric noise", True),
    ("karimireddy2019.ce1", problems.linear(), signsgd(0.01), {"steps": 2_000}, "x is not confined", True),
    ("karimireddy2019.ce2", problems.kink(tie=0.0), signsgd(0.01), {"steps": 2_000}, "subgradient +-1 at a tie", True),
    ("karimireddy2019.ce3", problems.pair(0.2), signsgd(0.1, at_zero=1.0), {"steps": 2_000, "x0": -1.0}, "sign(0) = 0",
     False),
    ("chen2023lionk.box", smooth.quadratic(), lion(1.0, weight_decay=1.5), {"steps": 501}, "lr*weight_decay <= 1", True),
    ("sun2023.signum", separable.cosines(), generalized_signsgd(0.01, 0.9, 0.5), {"steps": 50},
     "the step is the sign of the momentum", False),
    ("karimireddy2019.thm2", smooth.bounded(2), ef_signsgd(0.1, schedule=ts.power(0.5)), {"steps": 50}, "constant step",
     False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "problem", "optimizer", "names", "condition", "breaks"), VIOLATIONS)
def test_without_one_condition(
    name: str, problem: Problem, optimizer: Any, names: dict[str, float], condition: str, breaks: bool
) -> None:
    theorem = BY_ID[name]
    trial = put_on_trial(theorem, problem, optimizer, names=names)
    assert [str(row.condition) for row in trial.assessment.failed] == [condition]
    assert math.isnan(trial.assessment.bound)
    if breaks:
        assert isinstance(trial.observed, float)
        bound = float(theorem.evaluate(trial.values))
        assert trial.observed > 1.05 * bound if theorem.side == "upper" else trial.observed < bound / 1.05


def test_curvature_term_of_signsgd_is_attained() -> None:
    # From lr/2 on x^2/2 the iterate alternates between +-lr/2: |f'| = lr/2, gap_1/(lr T) = lr/(8 T).
    problem = problems.quadratic(1, 1.0, 1.0, 0.0, 0.0)
    trial = put_on_trial(sign.SIGNSGD, problem, signsgd(0.5), names={"steps": 1_000, "seeds": 1, "x0": 0.25})
    assert trial.respected
    assert trial.ratio == pytest.approx(0.25 / (0.25 + 0.5 / 8_000.0), rel=1e-12)
    flatter = replace(problem, facts={**problem.facts, "L_sum": 0.99})
    smaller = put_on_trial(
        sign.SIGNSGD, flatter, signsgd(0.5), names={"steps": 1_000, "seeds": 1, "x0": 0.25}
    )
    assert smaller.respected is False


def test_mini_batches_need_no_symmetry_and_votes_do() -> None:
    # The same skewed noise: the mean of 101 gradients obeys Theorem 1, the vote of 101 signs runs away.
    names = {"workers": 101, "steps": 20_000, "seeds": 2, "x0": 1.0} | SKEWED
    mean = put_on_trial(sign.SIGNSGD, problems.skewed(), signsgd(0.01), names=names)
    vote = put_on_trial(
        replace(sign.MAJORITY_VOTE, conditions=sign.SIGNSGD.conditions), problems.skewed(), majority_vote(0.01), names=names
    )  # fmt: skip
    assert mean.respected is True
    assert vote.respected is False


def test_lion_cycle_outside_the_box() -> None:
    # lr weight_decay = q > 1: the cycle of length two has |x| = lr/(2 - q) = 2 > 1/weight_decay = 2/3.
    trial = put_on_trial(sign.LION_BOX, smooth.quadratic(), lion(1.0, weight_decay=1.5), names={"steps": 501})
    assert trial.observed == pytest.approx(2.0, rel=1e-9)


def test_a_missing_fact_is_named() -> None:
    trial = put_on_trial(sign.EF_NONCONVEX, smooth.quadratic(3), names={"steps": 5})
    assert "it needs second_moment (bound on E||g||^2)" in trial.assessment.reason
    trial = put_on_trial(sign.MAJORITY_VOTE, smooth.quadratic(2, 1.0), names={"steps": 5})
    assert trial.applies is Answer.UNDECIDED
    assert "asymmetry" in " ".join(row.reason for row in trial.assessment.conditions)


@pytest.mark.parametrize("theorem", sign.THEOREMS, ids=lambda theorem: theorem.id)
def test_default_run(theorem: Theorem) -> None:
    trial = put_on_trial(theorem)
    assert trial.respected, trial.conclusion()
    assert set(theorem.symbols) <= set(theorem.meaning)
    assert theorem.latex()


@pytest.mark.parametrize("theorem", [sign.DRIFT, sign.KINK, sign.PAIR], ids=lambda theorem: theorem.id)
def test_counterexamples_are_about_their_own_function(theorem: Theorem) -> None:
    trial = put_on_trial(theorem, smooth.quadratic(2), run=False)
    assert trial.applies is not Answer.HOLDS
    assert "says nothing about smooth.quadratic" in trial.foreign


def test_the_convex_case_needs_convexity() -> None:
    # 1 - cos is not convex; smooth.bounded states no curvature.
    trial = put_on_trial(sign.EF_CONVEX, smooth.bounded(2), names={"steps": 5})
    assert trial.applies is Answer.UNDECIDED
    assert "it needs mu (least curvature" in " ".join(row.reason for row in trial.assessment.conditions)
    bent = replace(smooth.bounded(2), facts={**smooth.bounded(2).facts, "mu": -1.0})
    assert [str(row.condition) for row in put_on_trial(sign.EF_CONVEX, bent).assessment.failed] == [
        "f is convex"
    ]
    assert put_on_trial(sign.EF_CONVEX, smooth.logcosh(2), names={"seeds": 8, "steps": 50}).respected is True


def test_components_in_cyclic_order_are_not_independent() -> None:
    trial = put_on_trial(
        sign.SIGNSGD, separable.tilted_wells(), names={"L_sum": 1.0, "sigma_sum": 9.0}, run=False
    )
    assert [str(row.condition) for row in trial.assessment.failed] == [
        "unbiased gradients, independent given x_t"
    ]
