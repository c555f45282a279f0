"""Theorems of Shi et al. 2021: where their conditions hold runs end as stated, and the bound with our constants holds."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import averaged, reddi, shi, smooth, zhang
from counterexamples.drift import drift
from paper_checks.shi2021 import theorems as shi2021
from tests.strategies import axis, examples
from theory_sim.evidence.trial import Trial, put_on_trial, trials
from theory_sim.nouns.theorem import Answer, Theorem

FEW = settings(derandomize=True, deadline=None)
ROOT = ts.power(0.5)


def agree(found: list[Trial]) -> None:
    for trial in found:
        assert trial.applies is Answer.HOLDS, trial.conclusion()
        assert trial.respected, trial.conclusion()


def failed(trial: Trial) -> list[str]:
    return [str(row.condition) for row in trial.assessment.failed]


@settings(FEW, max_examples=examples(8))
@given(beta2=axis(0.001, 0.999, 4), lr=axis(0.05, 0.5, 2), x0=st.floats(0.1, 2.0))
def test_full_gradients(beta2: list[float], lr: list[float], x0: float) -> None:
    # Every step is at least lr_t, so 2e4 steps of .05/sqrt(t) go 14; the last one is below lr/(141
    # sqrt(1-beta2)) = .12.
    axes = {"beta2": beta2, "lr": lr}
    for problem in (smooth.quadratic(x0=x0), averaged.piecewise(4, x0=x0)):
        sweep = ts.Sweep(problem, ts.rmsprop(lr=0.1, schedule=ROOT), axes, steps=20_000)
        agree(trials(shi2021.THEOREM_41, sweep))


@settings(FEW, max_examples=examples(8))
@given(part=axis(0.0, 0.95, 4), beta2=st.floats(0.05, 0.99), lr=axis(0.05, 0.3, 2))
def test_full_gradients_with_momentum(part: list[float], beta2: float, lr: list[float]) -> None:
    beta2 = round(beta2, 4)
    adam = ts.adam(0.1, 0.0, beta2, 0.0, bias_correction=False, schedule=ROOT)
    axes = {"beta1": sorted({round(p * math.sqrt(beta2), 4) for p in part}), "lr": lr}
    agree(trials(shi2021.THEOREM_42, ts.Sweep(smooth.quadratic(), adam, axes, steps=20_000)))


def test_beta1_above_the_root_of_beta2_jumps() -> None:
    # m outlives v, so that a step can be lr_t/sqrt(beta2) long: 2e4 steps are not enough to settle.
    names = {"lr": 1.0, "beta1": 0.8, "beta2": 1e-6, "steps": 20_000}
    trial = put_on_trial(shi2021.THEOREM_42, names=names)
    assert failed(trial) == ["bounded updates"]
    assert trial.ended == "UNDECIDED"


@settings(FEW, max_examples=examples(16))
@given(
    beta2=axis(0.0, 0.9999, 4),
    lr=axis(0.001, 10.0, 2, log=True),
    s=axis(0.0, 1.0, 2),
    x0=st.floats(-5.0, 5.0),
    d=st.integers(1, 5),
    T=st.integers(1, 2_000),
)
def test_the_rate_of_full_gradients(
    beta2: list[float], lr: list[float], s: list[float], x0: float, d: int, T: int
) -> None:
    sweep = ts.Sweep(
        smooth.logcosh(d, 0.0, x0=x0),
        ts.rmsprop(lr=0.1, schedule=ROOT),
        {"beta2": beta2, "lr": lr, "s": s},
        steps=T,
    )
    agree(trials(shi2021.THEOREM_41_RATE, sweep))


def test_the_rate_needs_full_gradients_and_a_bound() -> None:
    assert failed(put_on_trial(shi2021.THEOREM_41_RATE, names={"width": 1.0}, run=False)) == [
        "exact gradients"
    ]
    trial = put_on_trial(shi2021.THEOREM_41_RATE, smooth.quadratic(), run=False)
    assert trial.applies is Answer.UNDECIDED
    assert "needs G (bound on every coordinate" in " ".join(trial.conclusion())


@settings(FEW, max_examples=examples(8))
@given(share=axis(1e-12, 2.5e-8, 4, log=True), lr=axis(0.006, 0.01, 2), part=st.floats(0.0, 1.0))
def test_large_beta2(share: list[float], lr: list[float], part: float) -> None:
    # v stays at v_0 = .02^2 for the first 1e7 steps, so this is gradient descent with steps 50 lr/sqrt(t), of
    # which .01 is the largest that no component (curvature 2) overshoots with; .006 goes exp(-.02 x 50 x .006
    # x 2 sqrt(2e4)) = .18 of the way.
    beta2 = [1.0 - one for one in sorted(share, reverse=True)]
    common = {"steps": 20_000, "order": "reshuffled"}
    rmsprop = ts.rmsprop(lr=0.1, v0="max_square", schedule=ROOT)
    sweep = ts.Sweep(zhang.quadratics(), rmsprop, {"beta2": beta2, "lr": lr}, **common)
    agree(trials(shi2021.THEOREM_43, sweep))
    # T_1 at n = 10, d = 1, D1 = 109 is 2.4e4 (2 beta1) to first order, and .14 is left for it.
    adam = ts.adam(0.1, 2.5e-6 * part, 0.9, 0.0, bias_correction=False, v0="max_square", schedule=ROOT)
    sweep = ts.Sweep(zhang.quadratics(), adam, {"beta2": beta2, "lr": lr}, **common)
    agree(trials(shi2021.THEOREM_44, sweep))


@pytest.mark.parametrize(
    ("theorem", "names", "condition"),
    [
        (shi2021.THEOREM_43, {"beta2": 1.0 - 3e-8}, "T_2(beta2) at most (sqrt 2 - 1)/(2 sqrt 2)"),
        (shi2021.THEOREM_43, {"s": 0.4}, "lr_t = lr/sqrt(t)"),
        (shi2021.THEOREM_44, {"beta1": 0.1}, "T_1 + T_2 below 1 - 1/sqrt 2"),
        (shi2021.THEOREM_41, {"sigma": 1.0}, "exact gradients"),
        (shi2021.DIVERGENCE, {"beta2": 0.32}, "beta2 at most C^(-4/(C-2))"),
    ],
)
def test_the_condition_that_fails_is_named(theorem: Theorem, names: dict[str, float], condition: str) -> None:
    assert failed(put_on_trial(theorem, names=names, run=False)) == [condition]


def test_theorem_43_at_its_boundary() -> None:
    # T_2 = (sqrt 2 - 1)/(2 sqrt 2) at 1 - beta2 = 2.9e-8; the run diverges only from 1 - beta2 = .0446 on.
    assert put_on_trial(shi2021.THEOREM_43, names={"beta2": 1.0 - 2.8e-8}, run=False).applies is Answer.HOLDS
    assert put_on_trial(shi2021.THEOREM_43, names={"beta2": 0.97}).ended == "CONVERGED"
    assert put_on_trial(shi2021.THEOREM_43, names={"beta2": 0.5, "steps": 100_000}).ended == "DIVERGED"
    # Not realizable: D0 is not stated, and the theorem says which fact it lacks.
    trial = put_on_trial(shi2021.THEOREM_43, zhang.quadratics(1.0), run=False)
    assert "D0 (D0 of sum_i ||grad f_i||^2 <= D1 ||grad f||^2 + D0" in trial.conclusion()[1]
    assert trial.applies is Answer.UNDECIDED


@settings(FEW, max_examples=examples(4))
@given(C=st.integers(5, 40), part=axis(0.0, 1.0, 4))
def test_the_quoted_divergence_bound(C: int, part: list[float]) -> None:
    limit = min(C ** (-4.0 / (C - 2.0)), 1.0 - (4.5 / C) ** 2)
    beta2 = sorted({math.floor(1e6 * p * limit) / 1e6 for p in part})
    found = trials(
        shi2021.DIVERGENCE,
        ts.Sweep(shi.periodic(C), ts.rmsprop(lr=1.0, schedule=ROOT), {"beta2": beta2}, steps=10_000),
    )
    agree(found)
    assert all(drift(0.0, one, C, float(C)) < 0.0 for one in beta2)


def test_the_quoted_divergence_bound_needs_one_large_slope() -> None:
    trial = put_on_trial(shi2021.DIVERGENCE, shi.two_hit(10), run=False)
    assert trial.applies is Answer.UNDECIDED
    assert "period (period of slopes with one large one)" in "".join(trial.conclusion())


@pytest.mark.parametrize(
    ("theorem", "names", "conditions"),
    [
        (shi2021.THEOREM_41, {"v0": 1e12}, ["v starts at 0"]),
        (shi2021.THEOREM_42, {"m0": 1e12}, ["m starts at 0"]),
        (shi2021.THEOREM_41_RATE, {"v0": 1.01}, ["v starts at G^2 or below"]),
        (shi2021.DIVERGENCE, {"v0": 1.0}, ["v starts at 0"]),
        (shi2021.DIVERGENCE, {"eps": 1.0}, ["no eps outside the root"]),
    ],
)
def test_where_the_moments_start(theorem: Theorem, names: dict[str, float], conditions: list[str]) -> None:
    assert failed(put_on_trial(theorem, names=names, run=False)) == conditions


def test_a_large_v_at_the_start_breaks_the_rate() -> None:
    # v_0 = 1e300 halves 400 times to 1e180: x stays at 1, where the squared gradient is 4 tanh(1)^2 = 2.32;
    # the bound is (4 log cosh 1 + 4 (.1)^2 (1 + log 400))/(.1 sqrt 400) = 1.01.
    frozen = put_on_trial(shi2021.THEOREM_41_RATE, names={"v0": 1e300, "steps": 400})
    assert failed(frozen) == ["v starts at G^2 or below"]
    assert frozen.observed == pytest.approx(4.0 * math.tanh(1.0) ** 2, rel=1e-9)
    assert shi2021.THEOREM_41_RATE.evaluate(frozen.values) == pytest.approx(1.0072, abs=1e-3)
    assert put_on_trial(shi2021.THEOREM_41_RATE, names={"v0": 1.0, "steps": 1_000}).respected is True


def test_the_order_of_the_components_is_a_condition() -> None:
    theorem = shi2021.DIVERGENCE
    sweep = ts.Sweep(shi.periodic(10), ts.rmsprop(lr=1.0, beta2=0.3, schedule=ROOT), steps=100)
    assert failed(trials(theorem, sweep)[0]) == []
    assert failed(trials(theorem, replace(sweep, order="replacement"))[0]) == ["components in cyclic order"]
    rmsprop = ts.rmsprop(lr=0.01, beta2=1.0 - 1e-8, v0="max_square", schedule=ROOT)
    sweep = ts.Sweep(zhang.quadratics(), rmsprop, steps=100)
    assert failed(trials(shi2021.THEOREM_43, sweep)[0]) == ["reshuffled components"]


def test_the_divergence_is_about_its_own_problem() -> None:
    trial = put_on_trial(shi2021.DIVERGENCE, reddi.periodic(10.0), names={"steps": 10})
    assert trial.applies is Answer.UNDECIDED
    assert "says nothing about reddi.periodic" in trial.foreign
