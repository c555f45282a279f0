"""Rules, statuses and the Wilson interval."""

import numpy as np
import pytest

from theory_sim import Rule, Verdict, wilson


@pytest.mark.parametrize(
    ("n", "low"),
    # (1 + z^2/n)^-1 with z = 1.959964: all n of n agree.
    [(1, 0.207), (3, 0.439), (5, 0.566), (10, 0.722), (20, 0.839), (50, 0.929), (100, 0.963)],
)
def test_wilson_when_all_agree(n: int, low: float) -> None:
    assert wilson(n, n)[0] == pytest.approx(low, abs=5e-4)
    assert wilson(n, n)[1] == pytest.approx(1.0, rel=1e-15)
    assert wilson(0, n)[1] == pytest.approx(1.0 - low, abs=5e-4)


def test_wilson_against_scipy() -> None:
    from scipy.stats import binomtest

    for k, n in ((3, 17), (50, 100), (1, 2)):
        interval = binomtest(k, n).proportion_ci(0.9, method="wilson")
        assert wilson(k, n, 0.9) == pytest.approx((interval.low, interval.high), rel=1e-12)


def test_a_verdict_needs_both_horizons() -> None:
    rule = Rule("distance", converged=0.1, diverged=1.0)
    half = np.array([0.05, 0.05, 2.0, 2.0, 0.5, 0.05])
    full = np.array([0.05, 2.0, 2.0, 0.05, 0.5, 0.5])
    verdict = rule.judge(half, full, np.ones(6), np.ones(6, bool), np.zeros(6, bool))
    decided = [Verdict.CONVERGED, "UNDECIDED", Verdict.DIVERGED, "UNDECIDED", "UNDECIDED", "UNDECIDED"]
    assert verdict.tolist() == decided


def test_relative_thresholds_scale_with_the_start() -> None:
    rule = Rule("distance", converged=0.5, diverged=2.0, relative=True)
    start = np.array([10.0, 1.0, 0.1])
    level = np.full(3, 3.0)
    verdict = rule.judge(level, level, start, np.ones(3, bool), np.zeros(3, bool))
    assert verdict.tolist() == ["CONVERGED", "DIVERGED", "DIVERGED"]


def test_nonfinite_is_never_converged() -> None:
    rule = Rule("distance", converged=0.5, diverged=2.0)
    half, full = np.array([0.1, 0.1, 9.0]), np.array([np.nan, 0.1, np.nan])
    dead = np.zeros(3, bool)
    verdict = rule.judge(half, full, np.ones(3), dead, np.array([False, False, True]))
    assert verdict.tolist() == ["UNDECIDED", "UNDECIDED", "DIVERGED"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-0.1, 1.0), "converged = -0.1"),
        ((0.5, 0.1), "diverged = 0.1"),
        ((0.1, float("nan")), "diverged = nan"),
    ],
)
def test_impossible_rules(arguments: tuple[float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rule("distance", *arguments)
    with pytest.raises(ValueError, match=r"window = 0\.7"):
        Rule("distance", 0.1, 1.0, window=0.7)
