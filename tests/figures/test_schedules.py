"""Features of the figures on schedules, perceptrons and annealing."""

import pytest

from tests.session import features_of

schedules = features_of("schedules")
perceptron = features_of("perceptron")
annealing = features_of("annealing")


def test_constant_steps_are_behind_linear_decay_everywhere(schedules: dict[str, float]) -> None:
    for problem in ("chain", "random maxima", "noisy quadratic", "noisy log cosh"):
        assert schedules[f"constant_on_{problem}"] > 1.3 * schedules[f"linear_on_{problem}"]
    assert schedules["score_linear"] == pytest.approx(2.0008, abs=5e-5)


def test_counts_fall_like_the_inverse_step_to_those_of_perceptrons(perceptron: dict[str, float]) -> None:
    assert perceptron["plain_exponent"] == pytest.approx(-1.0, abs=0.02)
    assert (perceptron["plain_last"], perceptron["normalised_last"]) == (301, 2)
    assert perceptron["balanced_plain_last"] < perceptron["balanced_normalised_last"]
    assert perceptron["limit_last"] < 1e-12


def test_annealing_counts_and_long_memory_does_not(annealing: dict[str, float]) -> None:
    assert annealing["error_0.9"] < 0.1
    assert annealing["error_0.999"] > 5.0 * annealing["error_0.9"]
    assert annealing["error_without"] > 10.0 * annealing["error_0.9"]
