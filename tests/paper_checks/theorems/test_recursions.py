"""Theorems on recursions and on estimates of D: values by hand, and where they do not apply."""

from __future__ import annotations

import math

import pytest

from counterexamples import lipschitz
from paper_checks.theorems.learning_rate_free import (
    D_ADAPTATION,
    D_ADAPTATION_GAP,
    DOG_GAP,
    PRODIGY,
    PRODIGY_GAP,
)
from paper_checks.theorems.recursions import GROWTH, INNER, NEWTON, PDHG, WINNERS
from theory_sim.evidence.trial import put_on_trial
from theory_sim.nouns.theorem import Answer
from theory_sim.optimizers.learning_rate_free import dadaptation


def test_bounds_by_hand() -> None:
    assert NEWTON.assess({"alpha": 1, "lam": 0.5, "T": 3}).bound == 0.1001129150390625  # (3/4)^8
    assert INNER.assess({"mu": 0.5, "L": 2, "lr": 0.5, "K": 2}).bound == 0.5625
    # 8 (16) (1/4)/(16 - 8): the rest has a quarter of the mass, and half of the draws.
    assert WINNERS.assess({"P": 0.75, "C": 8, "k": 16, "V": 8}).bound == 4.0
    found = GROWTH.assess(
        {"lr": 2, "T": 12, "condition": 2, "length_1": 1, "decay": 0, "stochastic": 0, "s": 0}
    )
    assert found.bound == 2.0  # 1 + 4 (12) (1/4)/4
    # s = 1 and 1/2 at the squared step .96: sqrt(.76) is the larger one.
    values = {"step": math.sqrt(0.96), "s_max": 1, "s_min": 0.5}
    assert PDHG.assess(values).bound == pytest.approx(math.sqrt(0.76), rel=1e-12)
    # At 1.25 the steepest direction decides: 1/4 + sqrt(5/16).
    values |= {"step": math.sqrt(1.25)}
    assert PDHG.assess(values | {"s_min": 1}).bound == pytest.approx(0.25 + math.sqrt(5.0 / 16.0), rel=1e-12)


def test_bounds_on_gaps_by_hand() -> None:
    run = {"mu": 0, "stochastic": 0, "s": 0, "distance_1": 2, "lr": 1, "weight": 4}
    # (2 * 3 + 1/2 - 9/(2 * 4))/4, (6 - 2)/4, and 1 (4 + 3) 5/4
    found = D_ADAPTATION_GAP.assess(run | {"length": 3, "penalty": 1, "squares": 16, "G": 0})
    assert found.bound == 5.375 / 4.0
    assert PRODIGY_GAP.assess(run | {"length": 3, "numerator": 2}).bound == 1.0
    walked = {"reach": 1, "squares": 24, "eps": 1, "decay": 0}
    assert DOG_GAP.assess(run | walked).bound == 8.75
    for change in ({"lr": 2}, {"decay": 8}, {"mu": -1}):
        assert DOG_GAP.assess(run | walked | change).applies is Answer.FAILS


def test_where_they_do_not_apply() -> None:
    assert NEWTON.assess({"alpha": 2, "lam": 1, "T": 2}).applies is Answer.FAILS
    assert INNER.assess({"mu": 0.5, "L": 3, "lr": 0.5, "K": 2}).applies is Answer.FAILS
    assert WINNERS.assess({"P": 0.5, "C": 8, "k": 16, "V": 8}).applies is Answer.FAILS
    assert PDHG.assess({"step": 1.2, "s_max": 1, "s_min": 0.5}).applies is Answer.FAILS  # 1.44


def test_estimates_of_the_distance_need_convexity_and_steps_that_do_not_grow() -> None:
    values = {"mu": 0, "stochastic": 0, "s": 0, "d0": 0.1, "distance_1": 2}
    for theorem in (D_ADAPTATION, PRODIGY):
        assert theorem.assess(values).bound == 2.0
        for change in ({"mu": -1}, {"stochastic": 1}, {"d0": 3}):
            assert theorem.assess(values | change).applies is Answer.FAILS
    assert D_ADAPTATION.assess(values | {"s": -1}).applies is Answer.FAILS
    assert PRODIGY.assess(values | {"s": -1}).applies is Answer.HOLDS
    # Beyond the ridge nothing is said of curvature.
    trial = put_on_trial(D_ADAPTATION, lipschitz.ridge(), dadaptation())
    assert trial.applies is Answer.UNDECIDED
