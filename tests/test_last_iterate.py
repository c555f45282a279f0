"""Bounds of schedules: sums by hand, the identity in fractions, laws that hold for every schedule."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory_sim as ts
from counterexamples import nonsmooth
from theory_sim.app import catalogue
from theory_sim.evidence import last_iterate
from theory_sim.evidence.trial import put_on_trial


def test_the_bound_by_hand() -> None:
    # eta = (2, 1), D = 3, G = (1, 2): 9/(2 x 3) + (4/1 + 4/1)/2
    assert last_iterate.bound([2.0, 1.0], 3.0, [1.0, 2.0]) == pytest.approx(1.5 + 4.0, rel=1e-15)
    assert last_iterate.bound([0.5], 1.0, 2.0) == pytest.approx(1.0 + 0.5 * 4.0 * 0.5, rel=1e-15)


def test_scores_by_hand() -> None:
    # One step: S = Q = 1.  Two constant ones: Q = 1/1 + 1/1, S = 2.  (2/3, 1/3): Q = 4/3 + 1/3, S = 1.
    assert ts.schedule_score(ts.constant(), 1) == 1.0
    assert ts.schedule_score(ts.constant(), 2) == pytest.approx(math.sqrt(2.0), rel=1e-15)
    assert ts.schedule_score(ts.linear_decay(2), 2) == pytest.approx(math.sqrt(2.0 * 5.0 / 3.0), rel=1e-15)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(-50, 50)), min_size=1, max_size=12))
def test_the_identity_in_fractions(pairs: list[tuple[int, int]]) -> None:
    w, q = ([Fraction(one) for one in some] for some in zip(*pairs, strict=True))
    T = len(w)
    value = sum(a * b for a, b in zip(w, q, strict=True)) / sum(w)
    for k in range(T - 1):
        gain = 1 / sum(w[k + 1 :]) - 1 / sum(w[k:])
        value += gain * sum(w[t] * (q[t] - q[k]) for t in range(k, T))
    assert value == q[-1]
    found = last_iterate.last_iterate([float(one) for one in w], [float(one) for one in q])
    # 12 x 12 products of at most 50 x 50, each rounded once
    assert found == pytest.approx(float(value), abs=1e-9)


@settings(max_examples=30)
@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=20), st.floats(0.1, 10.0))
def test_a_score_does_not_depend_on_the_scale_and_is_the_least_bound(
    values: list[float], scale: float
) -> None:
    T = len(values)
    score = ts.schedule_score(ts.tabulated(values), T)
    assert ts.schedule_score(ts.tabulated([scale * one for one in values]), T) == pytest.approx(
        score, rel=1e-12
    )
    s = np.array(values)
    best = last_iterate.tuned(s)
    assert last_iterate.bound(best * s) * math.sqrt(T) == pytest.approx(score, rel=1e-12)
    for factor in (0.9, 1.1):
        assert last_iterate.bound(factor * best * s) * math.sqrt(T) > score
    assert score >= 1.0 - 1e-14  # Q >= sum s^2/S >= S/T by Cauchy; one step attains it up to rounding


def test_a_run_that_is_stopped_has_the_bound_of_its_steps() -> None:
    steps = np.array([1.0, 0.5, 0.25])
    expected = [last_iterate.bound(steps[:1]), last_iterate.bound(steps[:3])]
    assert last_iterate.along(steps, [1, 3]).tolist() == expected


def test_a_right_peak_costs_nothing_and_a_wrong_one_something() -> None:
    found = last_iterate.misspecified(ts.linear_decay(200), 200, (1.0, 8.0, 64.0))
    assert found[0] == pytest.approx(1.0, rel=1e-14)
    assert 1.0 < found[1] < found[2] < 64.0


def test_the_sums_of_a_run_belong_to_its_end() -> None:
    # lr = 2, factors (2/3, 1/3), and the last step once more: S = 8/3, Q = (16/9)/(4/3) + (4/9)/(2/3) + (4/9)/(2/3)
    found = last_iterate.sums(ts.linear_decay(2), 2.0, 2)
    assert found == pytest.approx({"step_sum": 8 / 3, "step_spread": 4 / 3 + 2 / 3 + 2 / 3}, rel=1e-14)
    assert last_iterate.sums(ts.linear(2), 1.0, 3) == {}  # its third step is 0


@pytest.mark.parametrize(
    "schedule", [ts.constant(), ts.power(0.5), ts.wsd(50), ts.cosine(50), ts.tabulated((1.0, 0.1))]
)
def test_runs_respect_the_theorem(schedule: ts.Schedule) -> None:
    theorem = catalogue.theorems()["defazio2023.last_iterate"]
    for lr in (0.05, 0.5):
        optimizer = ts.sgd(lr, schedule=schedule)
        trial = put_on_trial(theorem, nonsmooth.pieces(3), optimizer, names={"steps": 50})
        assert trial.respected is True
        steps = np.append(lr * schedule.factors(50), lr * schedule.factors(50)[-1])
        norm = nonsmooth.pieces(3).facts["G_norm"]
        assert trial.assessment.bound == pytest.approx(last_iterate.bound(steps, 1.0, norm), rel=1e-12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ts.schedule_score(ts.linear(10), 11), "factor 0 at step 11.*ask for T = 10 steps"),
        (lambda: ts.schedule_score(ts.constant(), 0), "T = 0 must be an integer >= 1"),
        (lambda: ts.schedule_score("cosine", 10), "'cosine' is not a Schedule; give one, such as"),
        (lambda: ts.schedule_score(ts.Schedule("wild", lambda t: math.cos(float(t))), 9), "negative"),
    ],
)
def test_what_has_no_score(build: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        build()
