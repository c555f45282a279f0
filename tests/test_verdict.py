"""Rules, statuses and the Wilson interval."""

import numpy as np
import pytest

import theory_sim as ts
from counterexamples import zhang
from theory_sim import Rule, wilson
from theory_sim.nouns.verdict import Judgement


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


STEPS = 1_000
ALIVE = {"finite": np.array([True]), "escaped": np.array([False])}


def judged(rule: Rule, *levels: float, start: float = 1.0, scatter: float = 0.0) -> Judgement:
    """Judge one lane by its levels at T/4, T/2 and T; the parts of a window scatter by (+, -, -, +), which no line has."""
    parts = np.repeat(levels, 4) + scatter * np.tile([1.0, -1.0, -1.0, 1.0], 3)
    return rule.judge(parts[None], STEPS, np.array([start]), **ALIVE)


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [
        ((0.05, 0.05, 0.05), "CONVERGED"),
        ((2.0, 2.0, 2.0), "DIVERGED"),
        ((0.5, 0.5, 0.5), "UNDECIDED"),
        ((0.05, 0.05, 2.0), "UNDECIDED"),  # at T only
        ((2.0, 2.0, 0.05), "UNDECIDED"),
        ((2.0, 0.05, 0.05), "CONVERGED"),  # T/4 shows the trend, not the level
        # On the way: the changes do not shrink.
        ((0.09, 0.07, 0.04), "CONVERGED"),
        ((1.5, 2.0, 2.7), "DIVERGED"),
        ((0.02, 0.03, 0.045), "UNDECIDED"),  # near, and leaving
        ((3.0, 3.559, 2.796), "UNDECIDED"),  # far, and coming: Adam after a jump of its first steps
        # Slowing down by 1/2 per doubling: the limit is a last change beyond the last level.
        ((2.5, 2.2, 2.05), "DIVERGED"),  # to 1.9
        ((2.5, 1.7, 1.3), "UNDECIDED"),  # to 0.9
        ((0.03, 0.05, 0.06), "CONVERGED"),  # to 0.07
        ((0.03, 0.07, 0.09), "UNDECIDED"),  # to 0.11
    ],
)
def test_a_verdict_needs_level_and_trend(levels: tuple[float, float, float], verdict: str) -> None:
    assert judged(Rule("distance", converged=0.1, diverged=1.0), *levels).verdict.item() == verdict


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [
        ((1.5, 2.0, 2.7), "DIVERGED"),
        ((1.5, 2.0, 2.3), "DIVERGED"),  # noise bends such a path: .3 after .5
        ((1.5, 2.0, 2.2), "UNDECIDED"),  # but does not halve its progress
        ((2.0, 2.0, 2.0), "UNDECIDED"),  # it hovers
        ((6.4, 4.5, 3.6), "UNDECIDED"),  # with its steps, as t^-.3
        ((1.4, 1.2, 1.7), "UNDECIDED"),  # and its distance is not steady
        ((0.09, 0.07, 0.04), "CONVERGED"),
    ],
)
def test_what_has_no_limit_diverges_only_outward(levels: tuple[float, float, float], verdict: str) -> None:
    rule = Rule("distance", converged=0.1, diverged=1.0, unbounded=True)
    assert judged(rule, *levels).verdict.item() == verdict


def test_what_scatters_does_not_move() -> None:
    # The residuals of (+, -, -, +) s about their line are +-s in both windows: noise sqrt(8 s^2/4) = sqrt(2)
    # s, and a change counts from 4 sqrt(2) s on.
    rule = Rule("distance", converged=0.1, diverged=1.0)
    assert (
        judged(rule, 2.0, 2.0, 1.9, scatter=0.018).verdict.item() == "DIVERGED"
    )  # .1 < 4 sqrt(2) .018 = .1018
    assert judged(rule, 2.0, 2.0, 1.9, scatter=0.017).verdict.item() == "UNDECIDED"
    # A straight line inside the windows is movement, not scatter.
    line = np.array([[2.4, 2.3, 2.2, 2.1, 2.0, 1.9, 1.8, 1.7, 1.6, 1.5, 1.4, 1.3]])
    assert rule.judge(line, STEPS, np.ones(1), **ALIVE).verdict.item() == "UNDECIDED"
    # What the mean of many floats is off by is none either.
    assert judged(rule, 2.0, 2.0, 2.0 - 1e-9).verdict.item() == "DIVERGED"


def test_a_settled_run_must_be_close() -> None:
    rule = Rule("distance", converged=0.9, diverged=1.1, relative=True, settled=0.1)
    assert judged(rule, 0.5, 0.5, 0.5).verdict.item() == "UNDECIDED"
    assert judged(rule, 0.05, 0.05, 0.05).verdict.item() == "CONVERGED"
    assert judged(rule, 0.8, 0.7, 0.6).verdict.item() == "CONVERGED"  # on its way
    assert judged(rule, 0.8, 0.7, 0.65).verdict.item() == "UNDECIDED"  # on its way to 0.6


@pytest.mark.parametrize(
    ("levels", "steps"),
    [
        ((2.0, 2.0, 2.0), np.nan),  # decided
        ((0.5, 0.5, 0.5), np.nan),  # stays
        ((2.5, 1.7, 1.3), np.nan),  # goes to 0.9 and stays
        # Changes of -.763 per doubling: 2.033, 1.27, .507, -.256 at 2, 4, 8, 16 T; below .1
        # also at half of 32 T.
        ((3.0, 3.559, 2.796), 32.0 * STEPS),
        # Changes of .15 that grow by 1.5: .675 at 2 T, 1.0125 at 4 T, which is half of 8 T.
        ((0.2, 0.3, 0.45), 8.0 * STEPS),
        ((2.0, 2.0, 0.05), 2.0 * STEPS),  # the second window is there already
    ],
)
def test_what_would_decide(levels: tuple[float, float, float], steps: float) -> None:
    found = judged(Rule("distance", converged=0.1, diverged=1.0), *levels).decides_at.item()
    assert found == steps or (np.isnan(found) and np.isnan(steps))


def test_relative_thresholds_scale_with_the_start() -> None:
    rule = Rule("distance", converged=0.5, diverged=2.0, relative=True)
    found = [judged(rule, 3.0, 3.0, 3.0, start=start).verdict.item() for start in (10.0, 1.0, 0.1)]
    assert found == ["CONVERGED", "DIVERGED", "DIVERGED"]


def test_nonfinite_is_never_converged() -> None:
    rule = Rule("distance", converged=0.5, diverged=2.0)
    parts = np.array([[0.1] * 8 + [np.nan] * 4, [0.1] * 12, [9.0] * 8 + [np.nan] * 4])
    found = rule.judge(parts, STEPS, np.ones(3), np.zeros(3, bool), np.array([False, False, True]))
    assert found.verdict.tolist() == ["UNDECIDED", "UNDECIDED", "DIVERGED"]
    assert np.isnan(found.decides_at).all()


def test_windows_end_at_quarter_half_and_horizon() -> None:
    rule = Rule("distance", 0.1, 1.0, window=0.08)
    # 8 % of 250, 500 and 1000 is 20, 40 and 80 updates, in four parts.
    ends = [(230 + 5 * k, 235 + 5 * k) for k in range(4)] + [(460 + 10 * k, 470 + 10 * k) for k in range(4)]
    assert rule.windows(1_000) == (*ends, *((920 + 20 * k, 940 + 20 * k) for k in range(4)))
    # One update is a window of one part, the others are empty; before the first update there is none.
    assert rule.windows(1)[:8] == ((0, 0),) * 8
    assert rule.windows(1)[8:] == ((0, 0), (0, 0), (0, 0), (0, 1))


def test_adam_on_its_way_back_has_not_diverged() -> None:
    # Uncorrected Adam from v_0 = 0 jumps by about (1 - beta1)/sqrt(1 - beta2) lr first; the drift is +.303
    # here, so it comes back, which takes longer than 2e5 steps.
    adam = ts.adam(0.1, 0.8, 0.9999, eps=0.0, bias_correction=False, schedule=ts.power(0.5))
    early = ts.simulate(zhang.piecewise(10), adam, steps=200_000)
    assert early.distance_window.values[0, 2] > 1.1 * 2.0
    assert early.verdict.item() == "UNDECIDED"
    assert 200_000 < early.decides_at.item() <= 3_200_000
    late = ts.simulate(zhang.piecewise(10), adam, steps=int(early.decides_at.item()))
    assert late.verdict.item() == "CONVERGED"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-0.1, 1.0), "converged = -0.1"),
        ((0.5, 0.1), "diverged = 0.1"),
        ((0.1, float("nan")), "diverged = nan"),
        ((0.1, 1.0, False, 0.05, 0.2), "settled = 0.2"),
    ],
)
def test_impossible_rules(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rule("distance", *arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"window = 0\.7"):
        Rule("distance", 0.1, 1.0, window=0.7)
