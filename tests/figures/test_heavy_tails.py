"""Numbers behind the figures on heavy-tailed noise and on the agnostic schedule."""

import pytest

from paper_checks.wang2024separability.stochastic import first_step_cost
from tests.session import features_of

tails = features_of("heavy-tails")
agnostic = features_of("agnostic")


def test_share_of_paths_out_is_that_of_the_closed_form(tails: dict[str, float]) -> None:
    # 400 paths: standard error at most .025; the law itself is a few per cent off in p, at
    # most .02 in the share.
    for lr in ("0.01", "0.125", "0.25", "0.5", "0.7", "1"):
        assert tails[f"out_{lr}"] == pytest.approx(tails[f"out_exact_{lr}"], abs=0.1)
    assert tails["out_0.01"] == 0.0
    assert tails["out_1"] == 1.0


def test_time_is_that_of_the_closed_form(tails: dict[str, float]) -> None:
    for lr in ("0.5", "0.7", "1"):
        assert tails[f"time_over_exact_{lr}"] == pytest.approx(1.0, abs=0.25)


def test_the_expectation_is_infinite_for_every_step_and_gaussian_paths_stay(tails: dict[str, float]) -> None:
    for lr in ("0.5", "0.05", "0.005"):
        assert 0.95 <= tails[f"tail_{lr}"] < 1.0
    assert tails["gaussian_out"] == 0.0


def test_the_transient_of_the_first_step(agnostic: dict[str, float]) -> None:
    for L1 in ("16", "32"):
        assert agnostic[f"transient_{L1}"] == pytest.approx(1.0, abs=0.01)
        assert agnostic[f"without_over_with_{L1}"] > 100.0
    assert agnostic["without_over_with_1"] == pytest.approx(1.0, abs=0.1)
    assert first_step_cost(1.0) == 1.0


def test_rate_with_momentum(agnostic: dict[str, float]) -> None:
    for L1 in ("1", "4"):
        assert agnostic[f"exponent_{L1}"] == pytest.approx(-0.25, abs=0.03)
        assert agnostic[f"exponent_{L1}_low"] <= agnostic[f"exponent_{L1}"] <= agnostic[f"exponent_{L1}_high"]
