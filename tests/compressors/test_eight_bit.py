"""The 8-bit maps of optimizer states against the facts of Dettmers et al. (2022) and the bitsandbytes test suite."""

from __future__ import annotations

import numpy as np
import pytest

from theory_sim.compressors import dynamic8, dynamic_levels, linear8


def test_signed_levels() -> None:
    levels = dynamic_levels()
    assert len(np.unique(levels)) == 256
    assert levels[levels > 0.0][0] == pytest.approx(5.5e-7, rel=1e-12)  # the midpoint of [0.1, 1] times 1e-6
    assert levels[0] == pytest.approx(-0.99296875, rel=1e-12)  # 1 - 0.9/128: there is no -1
    assert levels[-1] == 1.0
    assert np.diff(levels).max() == pytest.approx(0.9 / 64.0, rel=1e-9)


def test_unsigned_levels() -> None:
    levels = dynamic_levels(signed=False)
    assert len(np.unique(levels)) == 256
    assert levels[0] == 0.0
    assert levels[1] == pytest.approx(3.25e-7, rel=1e-12)  # the first quarter's midpoint, 0.325
    assert np.diff(levels).max() == pytest.approx(0.9 / 128.0, rel=1e-9)


def test_a_negative_largest_entry_shrinks() -> None:
    assert dynamic8().quantize([-1.0, 0.5])[0] == pytest.approx(-0.99296875, rel=1e-12)
    assert dynamic8().quantize([1.0, 0.5])[0] == 1.0


def test_relative_error_of_each_decade() -> None:
    # The worst ratio |t - level| / t at midpoints of the decade [10^-(j+1), 10^-j]: published to 3 digits.
    levels = dynamic_levels()
    levels = levels[levels >= 0.0]
    middles, gaps = (levels[1:] + levels[:-1]) / 2.0, np.diff(levels) / 2.0
    worst = [(gaps / middles)[(middles >= 10.0 ** -(j + 1)) & (middles < 10.0**-j)].max() for j in range(7)]
    assert worst[:4] == pytest.approx([0.0617, 0.110, 0.180, 0.276], rel=0.01)
    assert worst[6] == 1.0


@pytest.mark.parametrize(
    ("block", "absolute", "relative"),
    [(64, 0.00752, 0.0142), (256, 0.00851, 0.0154), (2048, 0.00970, 0.0166)],
)
def test_gaussian_states(block: int, absolute: float, relative: float) -> None:
    # 2^18 draws: means of bounded errors, 1 % is beyond 5 sigma.  bitsandbytes asserts < 0.011 and < 0.018.
    x = np.random.default_rng(0).normal(size=2**18)
    error = np.abs(dynamic8(block).quantize(x) - x)
    assert error.mean() == pytest.approx(absolute, rel=0.01)
    assert (error / np.abs(x)).mean() == pytest.approx(relative, rel=0.02)
    assert error.mean() < 0.011
    assert (error / np.abs(x)).mean() < 0.018


def test_linear_is_better_absolutely_and_worse_relatively() -> None:
    x = np.random.default_rng(0).normal(size=2**18)
    dynamic, linear = (np.abs(one().quantize(x) - x) for one in (dynamic8, linear8))
    assert linear.mean() < 0.8 * dynamic.mean()
    assert (linear / np.abs(x)).mean() > 1.5 * (dynamic / np.abs(x)).mean()


@pytest.mark.parametrize(("signed", "absolute", "relative"), [(True, 0.0036, 0.015), (False, 0.0023, 0.012)])
def test_uniform_states(signed: bool, absolute: float, relative: float) -> None:
    x = np.random.default_rng(1).random(2**18)  # the thresholds of the bitsandbytes suite
    error = np.abs(dynamic8(signed=signed).quantize(x) - x)
    assert error.mean() < absolute
    assert (error / np.abs(x)).mean() < relative


def test_small_states_vanish() -> None:
    """Below half the smallest level a second moment is stored as 0: 1.6e-7 dynamic, 1/510 linear."""
    for build, edge in ((dynamic8, 1.625e-7), (linear8, 1.0 / 510.0)):
        y = build(signed=False, word=64).quantize([1.0, 0.99 * edge, 1.01 * edge])
        assert y[1] == 0.0
        assert y[2] > 0.0


@pytest.mark.parametrize(("block", "error"), [(256, 0.0029), (2048, 0.0037), (10**6, 0.0230)])
def test_contraction_of_the_dynamic_map(block: int, error: float) -> None:
    assert 1.0 - dynamic8(block).delta(10**7) == pytest.approx(error, abs=5e-5)
    assert dynamic8(block).exact


def test_the_worst_block_is_attained() -> None:
    # d = 256: all other entries half-way between two levels, the largest entry at the missing -1.
    levels = dynamic_levels()
    middles = (levels[1:] + levels[:-1]) / 2.0
    found = 0.0
    for t in middles:
        x = np.array([-1.0] + [t] * 255)
        found = max(found, ((dynamic8(word=64).quantize(x) - x) ** 2).sum() / (x**2).sum())
    assert found == pytest.approx(1.0 - dynamic8().delta(256), rel=1e-9)
