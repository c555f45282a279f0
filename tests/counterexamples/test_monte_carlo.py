"""Adam's field by simulation: the cyclic closed form, an exact stationary mean, roots, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from counterexamples.drift import critical_beta2, drift, first_order_beta2, monte_carlo
from counterexamples.drift.monte_carlo import Estimate


@pytest.mark.parametrize(
    ("beta1", "beta2", "n", "C"), [(0.0, 0.9, 10, 10.0), (0.9, 0.95, 5, 20.0), (0.5, 0.5, 3, 3.0)]
)
def test_cyclic_order_gives_the_closed_form(beta1: float, beta2: float, n: int, C: float) -> None:
    # A whole number of periods; after 12 memories exp(-12) = 6e-6 of the start is left,
    # spread over 100 periods.
    found = monte_carlo.drift(beta1, beta2, n, C, "cyclic", steps=100 * n, lanes=2)
    assert found.value == pytest.approx(float(drift(beta1, beta2, n, C)), abs=1e-5)
    assert found.standard_error == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("order", ["cyclic", "reshuffled"])
def test_sign_descent_is_exact_in_whole_epochs(order: str) -> None:
    # beta1 = beta2 = 0: m/sqrt(v) is the sign of g, so each epoch of n = 7 gives 1 - 6.
    found = monte_carlo.drift(0.0, 0.0, 7, 7.0, order, steps=700, lanes=4)
    # The burn-in of 12 steps cuts an epoch, worth at most 2 of 700 steps at each end.
    assert found.value == pytest.approx(-5.0, abs=7 * 4 / 700)


def test_replacement_against_an_exact_stationary_mean() -> None:
    # n = 2, C = 3, beta1 = 0, beta2 = 1/4: v = (3/4) sum_j 4^-j g_{t-j}^2, every g^2 in {9, 1} with chance
    # 1/2. The mean over the last 12 gradients, all 2^12 of them, with the tail (weight 4^-12) at its mean 5.
    bits = (np.arange(4096)[:, None] >> np.arange(12)) & 1
    g = np.where(bits == 1, 3.0, -1.0)
    v = 0.75 * (g**2 * 0.25 ** np.arange(12)).sum(axis=1) + 5.0 * 0.25**12
    exact = 2.0 * float(np.mean(g[:, 0] / np.sqrt(v)))
    found = monte_carlo.drift(0.0, 0.25, 2, 3.0, "replacement", steps=20_000, lanes=32, entropy=5)
    assert found.standard_error < 0.01
    # Five standard errors from 32 lanes (Student, 31 degrees of freedom): false alarm 2e-5 over entropies.
    assert found.value == pytest.approx(exact, abs=5 * found.standard_error)


def test_root_in_cyclic_order_is_the_exact_one() -> None:
    exact = float(critical_beta2(0.0, 10, 10.0)[-1])
    found = monte_carlo.critical_beta2(0.0, 10, 10.0, "cyclic", bracket=(0.9, 0.98), steps=5_000, lanes=2)
    # brentq stops at 1e-4 in log(1 - beta2), and 1 - beta2* = 0.045.
    assert found.value == pytest.approx(exact, abs=2e-4 * (1.0 - exact))


def test_reshuffled_root_is_near_its_first_order() -> None:
    formula = 1.0 - float(first_order_beta2(0.0, 20, 20.0, "reshuffled"))
    found = monte_carlo.critical_beta2(
        0.0, 20, 20.0, "reshuffled", bracket=(1 - 1.5 * formula, 1 - 0.7 * formula), steps=4_000, lanes=64
    )
    # The second-order term is a few 1 - beta2* = 0.01; the standard error is below it.
    assert found.standard_error < 0.01 * formula
    assert 1.0 - found.value == pytest.approx(formula, rel=0.05)


def test_more_workers_reduce_the_bias_of_the_field() -> None:
    # At S = C - (n-1) = 0 the field is all bias, proportional to 1/workers to first order in 1 - beta2.
    problem = monte_carlo.linear(4, 3.0)
    fields = [
        monte_carlo.vector_field(problem, 0.0, 0.9, workers=w, steps=20_000, lanes=64).value for w in (1, 4)
    ]
    assert fields[0] < 0.0
    # The step is divided by sqrt(Eg2/w), which grows the normalised field by sqrt(w): 4^-1 * 4^(1/2) = 1/2.
    assert fields[1] / fields[0] == pytest.approx(0.5, abs=0.15)


def test_the_same_entropy_gives_the_same_noise() -> None:
    first, again, other = (
        monte_carlo.drift(0.0, 0.9, 5, 5.0, steps=500, lanes=4, entropy=entropy) for entropy in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_sign_of_an_estimate() -> None:
    assert Estimate(-1.0, 0.1).sign() == -1
    assert Estimate(1.0, 0.1).sign() == 1
    assert Estimate(0.2, 0.1).sign() == 0
    assert Estimate(0.2, 0.1).sign(sigmas=1.0) == 1
    assert Estimate(math.nan, 0.1).sign() == 0


def test_errors_name_the_value() -> None:
    with pytest.raises(ValueError, match="lanes = 1"):
        monte_carlo.drift(0.0, 0.9, 5, 5.0, lanes=1)
    with pytest.raises(ValueError, match=r"beta2 = 1\.0"):
        monte_carlo.drift(0.0, 1.0, 5, 5.0)
    with pytest.raises(ValueError, match="does not enclose a root"):
        monte_carlo.critical_beta2(0.0, 10, 10.0, "cyclic", bracket=(0.1, 0.2), steps=100, lanes=2)
    with pytest.raises(ValueError, match="order"):
        monte_carlo.drift(0.0, 0.9, 5, 5.0, "sorted", steps=10, lanes=2)
