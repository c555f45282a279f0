"""Clipped, normalised and plain descent on (L0, L1)-smooth functions: bounds, and what each condition is for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import generalized_smooth, zoo
from counterexamples.generalized_smooth import hard_function, well
from counterexamples.separable import tilted_wells
from paper_checks.theorems import clipping
from tests.strategies import axis, examples
from theory_sim.engine.evaluate import measures
from theory_sim.evidence.trial import Trial, put_on_trial, trials
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.theorem import Answer, Theorem
from theory_sim.optimizers.clipped import clipped_gd, mixed_clipping, normalized_gd
from theory_sim.optimizers.momentum import gd, sgdm

FEW = settings(derandomize=True, deadline=None, max_examples=examples(4))
BY_ID = {theorem.id: theorem for theorem in clipping.THEOREMS}
SMALL = 1.0 - 1e-9  # a product of floats may round above the limit that it stands for

L0S, L1S = st.floats(0.2, 5.0), st.floats(0.2, 3.0)
FUNCTIONS = st.one_of(
    st.builds(well, L0S, L1S, st.floats(0.5, 50.0)),
    st.builds(lambda L0, L1, ratio: hard_function(L0, L1, 0.1, (1.0 + ratio) * (L0 / L1**2 + 0.4)), L0S, L1S,
              st.floats(0.5, 30.0)),
    st.builds(zoo.cosh, L1S, L0S),
    st.builds(lambda a, b, L1: zoo.polynomial((0.0, a, b, 0.0, 0.25), L1), st.floats(-1.0, 1.0), st.floats(-2.0, 1.0),
              st.floats(0.5, 2.0)),
    st.builds(zoo.power_norm, st.floats(2.5, 5.0), L1S, st.integers(1, 3)),
    st.builds(zoo.logistic_regression, st.floats(0.3, 1.0)),
)  # fmt: skip
STEPS = st.integers(1, 300)


def failed(trial: Trial) -> list[str]:
    return [str(row.condition) for row in trial.assessment.failed]


SCALES = axis(0.02, 1.0, 2)


def agree(found: list[Trial]) -> None:
    for trial in found:
        assert trial.applies is Answer.HOLDS, trial.conclusion()
        assert trial.respected, trial.conclusion()


@FEW
@given(problem=FUNCTIONS, lengths=axis(0.01, 20.0, 4, log=True))
def test_one_step(problem: Problem, lengths: list[float]) -> None:
    start = np.broadcast_to(problem.start, (1, problem.dim))
    slope = measures(problem, start)["gradient_norm"].item()
    lr = [length / (problem.facts["L1"] * slope) for length in lengths]
    agree(trials(clipping.STEP, ts.Sweep(problem, gd(), {"lr": lr}, steps=1)))


@FEW
@given(problem=FUNCTIONS, scale=SCALES, extra=axis(1.001, 3.0, 2), steps=STEPS)
def test_shifted_normalisation(problem: Problem, scale: list[float], extra: list[float], steps: int) -> None:
    longest = 0.75 / problem.facts["L1"] * SMALL
    offset = [max(problem.facts["L0"], 1e-3) * longest * max(scale) * value for value in extra]
    axes = {"lr": [longest * share for share in scale], "offset": offset}
    agree(trials(clipping.SHIFTED, ts.Sweep(problem, normalized_gd(), axes, steps=steps)))


@FEW
@given(problem=FUNCTIONS, scale=axis(0.01, 1.2, 4), steps=STEPS)
def test_normalisation(problem: Problem, scale: list[float], steps: int) -> None:
    axes = {"lr": [value / problem.facts["L1"] for value in scale]}
    agree(trials(clipping.NORMALIZED, ts.Sweep(problem, normalized_gd(), axes, steps=steps)))


@FEW
@given(problem=FUNCTIONS, scale=SCALES, threshold=axis(0.01, 100.0, 2, log=True), steps=STEPS)
def test_clipping(problem: Problem, scale: list[float], threshold: list[float], steps: int) -> None:
    L0, L1 = problem.facts["L0"], problem.facts["L1"]
    largest = SMALL / (L0 + 4.0 * L1 * max(threshold) / 3.0)
    axes = {"lr": [largest * share for share in scale], "threshold": threshold}
    agree(trials(clipping.CLIPPED, ts.Sweep(problem, clipped_gd(), axes, steps=steps)))


@FEW
@given(
    problem=FUNCTIONS, scale=SCALES, threshold=st.floats(0.05, 10.0), beta=st.floats(0.0, 0.95), mix=axis(0.0, 1.0, 2),
    steps=STEPS,
)  # fmt: skip
def test_mixed_clipping(
    problem: Problem, scale: list[float], threshold: float, beta: float, mix: list[float], steps: int
) -> None:
    # With u <= 1/4, K <= 2.28 mix beta/(1 - beta) + .55: u K < 1 - mix/2 by this choice of u.
    u = min(0.25, 0.499 / (2.28 * beta / (1.0 - beta) + 0.55))
    lr = [u * share / (problem.facts["L1"] * threshold) for share in scale]
    optimizer = mixed_clipping(threshold=threshold, momentum=beta)
    agree(trials(clipping.MIXED, ts.Sweep(problem, optimizer, {"lr": lr, "mix": mix}, steps=steps)))


@FEW
@given(L0=L0S, L1=L1S, ratio=axis(0.1, 20.0, 2), scale=SCALES, steps=STEPS)
def test_plain_descent(L0: float, L1: float, ratio: list[float], scale: list[float], steps: int) -> None:
    for value in ratio:
        problem = well(L0, L1, value * L0 / L1**2)
        largest = SMALL / (L0 + 4.0 * L1 * problem.facts["M"] / 3.0)
        axes = {"lr": [largest * share for share in scale]}
        agree(trials(clipping.PLAIN, ts.Sweep(problem, gd(), axes, steps=steps)))


@settings(FEW, max_examples=examples(1))
@given(L0=st.sampled_from([0.5, 1.0, 2.0]), L1=st.sampled_from([0.5, 1.0, 2.0]), gap=st.floats(1.0, 5.0),
       eps=st.floats(0.3, 1.0))  # fmt: skip
def test_complexity(L0: float, L1: float, gap: float, eps: float) -> None:
    problem = well(L0, L1, gap)
    steps = math.ceil(20.0 * L0 * gap / eps**2 + 20.0 * max(1.0, L1**2) * gap / L0) + 2
    optimizer = clipped_gd(1.0 / (10.0 * L0), min(10.0 * L0, L0 / L1))
    agree(
        [put_on_trial(clipping.CLIPPED_COMPLEXITY, problem, optimizer, names={"target": eps, "steps": steps})]
    )


@FEW
@given(L0=L0S, L1=L1S, eps=st.floats(0.05, 0.3), ratio=st.floats(1.0, 15.0), split=st.floats(0.2, 0.8),
       scale=axis(0.01, 1.2, 4))  # fmt: skip
def test_lower_bound(
    L0: float, L1: float, eps: float, ratio: float, split: float, scale: list[float]
) -> None:
    delta = (1.0 + ratio) * max(0.5 * L0 / L1**2 / split, 3.75 * eps**2 / L0 / (1.0 - split))
    problem = hard_function(L0, L1, eps, delta, split)
    if problem.facts["M"] <= eps:
        problem = hard_function(L0, L1, 0.5 * problem.facts["M"], delta, split)
    # A diverging run soon overflows, and then its measures are NaN: the conclusion is about
    # the points before.
    steps = min(int(problem.facts["lower_bound"]), 20_000)
    for value in scale:
        lr = value * problem.facts["critical_lr"]
        some = steps if value < 1.0 else min(steps, 2)
        if some >= 1:
            agree([put_on_trial(clipping.GD_LOWER, problem, gd(lr), names={"steps": some})])


@FEW
@given(beta=st.floats(0.0, 0.99), convention=st.sampled_from(["heavy_ball", "ema"]), lr=axis(0.001, 0.05, 4))
def test_lower_bound_with_momentum(beta: float, convention: str, lr: list[float]) -> None:
    problem = hard_function()
    facts = problem.facts
    for value in lr:
        step = value / (1.0 - beta) if convention == "heavy_ball" else value
        steps = int((0.5 * facts["gap"] - 3.75 * facts["target"] ** 2) / (4.0 * facts["target"] ** 2 * step))
        optimizer = sgdm(value, beta, convention=convention)
        agree(
            [put_on_trial(clipping.MOMENTUM_LOWER, problem, optimizer, names={"steps": min(steps, 20_000)})]
        )


def test_the_lower_bound_is_sharp() -> None:
    problem = hard_function(delta=64.0)
    assert "lower_bound" not in clipping.GD_LOWER.symbols
    least = problem.facts["lower_bound"]
    optimizer = gd(0.999 * problem.facts["critical_lr"])
    for factor, applies in ((0.999, Answer.HOLDS), (1.01, Answer.FAILS)):
        trial = put_on_trial(clipping.GD_LOWER, problem, optimizer, names={"steps": int(factor * least)})
        assert trial.applies is applies
        assert isinstance(trial.observed, float)
        assert (trial.observed >= 0.1) == (applies is Answer.HOLDS)


VIOLATIONS: list[tuple[str, Problem, Any, dict[str, float], str, bool]] = [
    # theorem, problem, optimizer, names, the condition that fails, whether the run exceeds the bound
    ("vankov2024.lemma", well(), gd(0.1), {"steps": 2}, "one step", False),
    ("vankov2024.nonconvex", well(delta=0.5), normalized_gd(3.0, 3.0), {"steps": 400}, "steps of length at most 3/(4 L1)",
     False),
    ("vankov2024.nonconvex", well(), normalized_gd(0.7, 0.01), {"steps": 4_000}, "steps of at most 1/L0", True),
    ("zhang2020clipping.ngd", well(), normalized_gd(1.3), {"steps": 400}, "steps of length below 1.256/L1", True),
    ("zhang2020clipping.ngd", well(), normalized_gd(0.3, 0.1), {"steps": 9}, "steps of constant length", False),
    ("koloskova2023.deterministic", well(), clipped_gd(3.0, 1.0), {"steps": 400}, "small steps", True),
    ("zhang2020improved.deterministic", well(), mixed_clipping(3.0, 0.5, 0.0, 0.0), {"steps": 400}, "small steps", False),
    ("zhang2020clipping.gd", well(delta=8.0), gd(well(delta=8.0).facts["critical_lr"]), {"steps": 3}, "step small for the largest gradient", True),
    ("zhang2020clipping.thm3", well(delta=1.0), clipped_gd(0.1, 1.0), {"steps": 9, "target": 0.3},
     "more updates than the complexity", True),
    ("zhang2020clipping.thm3", well(delta=1.0), clipped_gd(0.1, 0.5), {"steps": 900, "target": 0.3},
     "threshold min(10 L0, L0/L1)", False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "problem", "optimizer", "names", "condition", "exceeds"), VIOLATIONS)
def test_without_one_condition(
    name: str, problem: Problem, optimizer: Any, names: dict[str, float], condition: str, exceeds: bool
) -> None:
    theorem = BY_ID[name]
    trial = put_on_trial(theorem, problem, optimizer, names=names)
    assert [str(row.condition) for row in trial.assessment.failed] == [condition]
    assert math.isnan(trial.assessment.bound)
    if exceeds:
        assert isinstance(trial.observed, float)
        assert trial.observed > float(theorem.evaluate(trial.values)) * (1.0 + 1e-9)


def test_the_quadratic_lemma_of_sequels_is_false() -> None:
    # The Hessian condition used as ||grad f(x) - grad f(y)|| <= (L0 + L1 ||grad f(x)||) ||x - y|| for ||x -
    # y|| <= 1/L1 would give (L0 + L1 G) lr^2 G^2/2.  On 2 cosh x, L0 = 2 and L1 = 1, from .01 by a step of
    # length 1: f(-.99) - f* = 2 cosh .99 - 2 = 1.062, and 1e-4 - .02 + 2.02/2 = .990.
    printed = replace(
        clipping.STEP,
        bound="gap_1 - lr*gradient_norm_1**2 + (L0 + L1*gradient_norm_1)*(lr*gradient_norm_1)**2/2",
    )
    problem, optimizer = zoo.cosh(1.0, 2.0), gd(1.0 / (2.0 * math.sinh(0.01)))
    false, corrected = (
        put_on_trial(t, problem, optimizer, names={"x0": 0.01}) for t in (printed, clipping.STEP)
    )
    assert false.applies is corrected.applies is Answer.HOLDS
    assert false.respected is False
    assert false.observed == pytest.approx(2.0 * math.cosh(0.99) - 2.0, rel=1e-12)
    assert corrected.respected is True


def test_the_recalled_complexity_follows_from_the_derived_one() -> None:
    # 20 gap max(L0/eps^2, max(L1, 1/10)/eps) <= 20 L0 gap/eps^2 + 20 max(1, L1^2) gap/L0, by
    # 2 sqrt(ab) <= a + b
    for L0 in (0.1, 1.0, 7.0):
        for L1 in (0.05, 1.0, 9.0):
            for eps in (0.01, 0.3, 5.0, 100.0):
                derived = 20.0 * max(L0 / eps**2, max(L1, 0.1) / eps)
                assert derived <= 20.0 * L0 / eps**2 + 20.0 * max(1.0, L1**2) / L0
                threshold = min(10.0 * L0, L0 / L1)
                values = {"L0": L0, "L1": L1, "lr": 0.1 / L0, "threshold": threshold, "gap_1": 1.0, "s": 0.0}
                values["stochastic"] = 0.0
                bound = clipping.CLIPPED.assess(values | {"T": derived * (1.0 + 1e-9)}).bound
                assert bound <= eps


def test_a_missing_fact_is_named() -> None:
    trial = put_on_trial(clipping.CLIPPED, zoo.gaussian_exponential(), names={"steps": 5})
    assert trial.applies is Answer.UNDECIDED
    reasons = " ".join(row.reason for row in trial.assessment.conditions)
    assert "L0 (first constant" in reasons
    trial = put_on_trial(clipping.PLAIN, zoo.cosh(), names={"steps": 5})
    assert "G_max (sup of ||grad f||" in trial.assessment.conditions[0].reason


@pytest.mark.parametrize("theorem", clipping.THEOREMS, ids=lambda theorem: theorem.id)
def test_default_run(theorem: Theorem) -> None:
    trial = put_on_trial(theorem)
    assert trial.respected, trial.conclusion()
    assert set(theorem.symbols) <= set(theorem.meaning)
    assert theorem.latex()


@pytest.mark.parametrize("theorem", clipping.THEOREMS, ids=lambda theorem: theorem.id)
def test_noise_is_outside_every_theorem(theorem: Theorem) -> None:
    trial = put_on_trial(theorem, tilted_wells(), run=False)
    assert "exact gradients" in [str(row.condition) for row in trial.assessment.failed]


def test_plain_descent_from_above_the_level_of_its_largest_gradient() -> None:
    # From 7 the slope is e^6 = 403, and G_max = 8.5 is that of the default start.
    assert failed(put_on_trial(clipping.PLAIN, names={"x0": 7.0})) == ["a start below the level of G_max"]
    assert put_on_trial(clipping.PLAIN, names={"x0": 2.0}).respected is True


@pytest.mark.parametrize(
    "theorem", [clipping.GD_LOWER, clipping.MOMENTUM_LOWER], ids=lambda theorem: theorem.id
)
def test_lower_bounds_are_about_their_own_start_and_function(theorem: Theorem) -> None:
    gap, slope = "the gap of the function's own start", "the gradient of the function's own start"
    assert failed(put_on_trial(theorem, names={"x0": 0.0})) == [gap, slope]
    # The same gap, all of it on the ramp: E = 0 and S = 64.
    x, y = 0.0, generalized_smooth.ramp_start(1.0, 0.1, 64.0)
    assert failed(put_on_trial(theorem, names={"x0": (x, y)}, run=False)) == [slope]
    trial = put_on_trial(theorem, well(delta=64.0), names={"target": 0.1, "split": 0.5})
    assert "says nothing about generalized_smooth.well" in trial.foreign
    assert trial.applies is not Answer.HOLDS


def test_the_momentum_of_the_lower_bound_starts_at_rest() -> None:
    trial = put_on_trial(
        clipping.MOMENTUM_LOWER, optimizer=sgdm(0.1, 0.9, convention="ema", m0=100.0), run=False
    )
    assert failed(trial) == ["m starts at 0"]
