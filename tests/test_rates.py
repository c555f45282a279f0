"""Exponents with intervals: exact powers, coverage, bad input, and evidence that can be UNDECIDED."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory_sim.evidence.rates import Rate, exponent_within, least_squares, theil_sen
from theory_sim.nouns.claim import Outcome

X = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])


@given(st.floats(-4, 4), st.floats(1e-3, 1e3))
def test_an_exact_power_has_an_interval_of_no_width(slope: float, scale: float) -> None:
    for rate in (theil_sen(X, scale * X**slope), least_squares(X, scale * X**slope, seed=0)):
        assert (rate.slope, rate.low, rate.high) == pytest.approx((slope,) * 3, abs=1e-9)
        assert rate.window == (1.0, 32.0)


def test_theil_sen_ignores_one_lucky_point_and_least_squares_does_not() -> None:
    y = X**2.0
    y[-1] /= 100.0  # ln 100 lower; the least-squares weight of the last point is 2.5/17.5 per ln 2
    assert theil_sen(X, y).slope == pytest.approx(2.0)
    expected = 2.0 - math.log(100.0) * 2.5 / 17.5 / math.log(2.0)
    assert least_squares(X, y, seed=0).slope == pytest.approx(expected)


def test_least_squares_is_that_of_polyfit_and_the_seed_decides_the_interval() -> None:
    y = X**1.5 * np.exp(np.random.default_rng(0).normal(0.0, 0.1, X.size))
    rate = least_squares(X, y, seed=1)
    assert rate.slope == pytest.approx(np.polyfit(np.log(X), np.log(y), 1)[0], rel=1e-12)
    assert rate == least_squares(X, y, seed=1)
    assert rate != least_squares(X, y, seed=2)
    assert rate.low < rate.slope < rate.high


@pytest.mark.parametrize("repetitions", [1, 20])
def test_bootstrap_interval_covers(repetitions: int) -> None:
    # 100 intervals of level 95 %.  The bootstrap covers a little less, about 90 %; below 75
    # has probability < 1e-5.
    generator = np.random.default_rng(0)
    x = np.geomspace(1.0, 1e3, 12)
    covered = 0
    for seed in range(100):
        y = x[:, None] ** -0.25 * np.exp(generator.normal(0.0, 0.2, (x.size, repetitions)))
        rate = least_squares(x, y[:, 0] if repetitions == 1 else y, seed=seed, resamples=400)
        covered += rate.low <= -0.25 <= rate.high
    assert covered >= 75


def test_repetitions_are_averaged_before_the_logarithm() -> None:
    y = np.array([[1.0, 3.0], [2.0, 6.0], [4.0, 12.0]])  # means 2, 4, 8
    assert least_squares([1.0, 2.0, 4.0], y, seed=0).slope == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, -X, r"y contains -1, but a power law needs finite positive values"),
        (X, X * math.nan, r"y contains nan"),
        (X * math.inf, X, r"x contains inf"),
        (X, X[:-1], r"x and y have shapes \(6,\) and \(5,\)"),
        ([1.0, 2.0], [1.0, 2.0], r"x has 2 different values; a slope with an interval needs 3"),
        ([2.0] * 4, [1.0] * 4, r"x has 1 different values"),
        ([], [], r"x and y have shapes"),
    ],
)
def test_bad_input_gets_one_sentence(x: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        theil_sen(x, y)
    with pytest.raises(ValueError, match=message):
        least_squares(x, y, seed=0)


def test_bad_options() -> None:
    with pytest.raises(ValueError, match="confidence = 1"):
        theil_sen(X, X, confidence=1.0)
    with pytest.raises(ValueError, match="seed = -1"):
        least_squares(X, X, seed=-1)
    with pytest.raises(ValueError, match="resamples = 0"):
        least_squares(X, X, seed=0, resamples=0)
    with pytest.raises(ValueError, match="average the repetitions"):
        theil_sen(X, np.ones((6, 2)))


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [
        (1.85, 1.95, Outcome.PASS),
        (1.75, 2.05, Outcome.PASS),
        (1.70, 1.76, Outcome.UNDECIDED),  # crosses the lower end
        (1.60, 2.20, Outcome.UNDECIDED),  # wider than the band
        (0.00, 1.00, Outcome.UNDECIDED),  # outside, but wider than the band
        (1.50, 1.60, Outcome.FAIL),
        (2.10, 2.20, Outcome.FAIL),
        (math.nan, math.nan, Outcome.FAIL),
    ],
)
def test_evidence(low: float, high: float, status: Outcome) -> None:
    rate = Rate(0.5 * (low + high), low, high, (1.0, 2.0))
    evidence = exponent_within(rate, 1.75, 2.05, "N against Delta")
    assert evidence.status is status
    assert evidence.note.startswith("N against Delta: exponent")
    if status is Outcome.PASS:
        assert evidence.margin == pytest.approx(min(low - 1.75, 2.05 - high))


def test_one_sided_bands() -> None:
    rate = Rate(1.0, 0.6, 1.4, (1.0, 2.0))
    assert exponent_within(rate, -math.inf, 1.5).status is Outcome.PASS
    assert exponent_within(rate, -math.inf, 1.2).status is Outcome.UNDECIDED
    assert exponent_within(rate, 1.5, math.inf).status is Outcome.FAIL
