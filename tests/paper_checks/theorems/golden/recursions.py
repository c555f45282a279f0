"""Estimates of the distance and gaps from a run's own sums, and exact factors of recursions."""

from __future__ import annotations

from math import sqrt
from typing import Any

from tests.paper_checks.theorems.golden.rows import Golden, Row, above, equal

_ESTIMATE = {"mu": 0, "d0": 0.3, "distance_1": 2.5}
_SUMS = {"mu": 0, "distance_1": 2.5, "weight": 8}
_BELOW = {
    "the first estimate is not above D": Row(
        ({"d0": 2, "distance_1": 2}, {"d0": 1, "distance_1": 2}),
        ({"d0": 2.000001, "distance_1": 2}, {"d0": 3, "distance_1": 2}),
        lambda d0, distance_1, **_: distance_1 - d0,
    ),
}


def _dadaptation(
    distance_1: float, length: float, penalty: float, lr: float, G: float, squares: float, weight: float, **_: Any
) -> float:  # fmt: skip
    """D |s| over the weights, less what the last step gamma |s|^2/2 proves, plus what all steps cost."""
    gamma = lr / sqrt(G * G + squares)
    return (distance_1 * length - gamma * length * length / 2 + penalty / 2) / weight


def _vertex(step: float, s_min: float, s_max: float, **_: Any) -> float:
    """The modulus of the larger root at either end: complex roots up to a squared step of 1, then real ones."""
    slow, fast = (step * s_min) ** 2, (step * s_max) ** 2
    return max(sqrt(1 - slow) if slow < 1 else 0, fast - 1 + sqrt(fast * (fast - 1)) if fast > 1 else 0)


def _length(length_1: float, lr: float, T: float, condition: float, **_: Any) -> float:
    """A squared gradient is ((1 - 1/condition)/2)^2/|w|^2 at most, and |w| is |w_1| at least."""
    return sqrt(length_1**2 + T * (lr * (1 - 1 / condition) / 2 / length_1) ** 2)


GOLDEN = {
    "defazio2023dadaptation.estimate": Golden((_ESTIMATE,), lambda distance_1, **_: distance_1, _BELOW),
    "mishchenko2023prodigy.estimate": Golden((_ESTIMATE,), lambda distance_1, **_: distance_1, _BELOW),
    # (2.5 (4) + 6/2 - 0.5 (16)/(2 (5)))/8 = (10 + 3 - 0.8)/8 = 1.525
    "defazio2023dadaptation.gap": Golden(
        ({**_SUMS, "length": 4, "penalty": 6, "lr": 0.5, "G": 3, "squares": 16},), _dadaptation
    ),
    # (2.5 (4) - 6)/8 = 0.5
    "mishchenko2023prodigy.gap": Golden(
        ({**_SUMS, "length": 4, "numerator": 6},),
        lambda distance_1, length, numerator, weight, **_: distance_1 * length / weight - numerator / weight,
    ),
    # 0.5 (5 + 1.5) (4)/8 = 1.625
    "ivgi2023dog.gap": Golden(
        ({**_SUMS, "lr": 1, "decay": 0, "reach": 0.5, "eps": 7, "squares": 9},),
        lambda reach, distance_1, eps, squares, weight, **_: (
            (2 * reach * (distance_1 + reach) + reach**2) * sqrt(squares + eps) / weight
        ),
        {"steps of DoG itself": equal("lr", 1), "the distances as weights": equal("decay", 0)},
    ),
    # 1 - 0.25 (2.25) = 7/16, three times squared: 7^8/16^8 = 5764801/4294967296
    "fu2023.residual": Golden(
        ({"alpha": 0.25, "lam": 1.5, "T": 3},),
        lambda alpha, lam, T, **_: (1 - alpha * lam * lam) ** (2**T),
        {
            "positive start": above("alpha", 0),
            "start below twice the inverse": Row(
                ({"alpha": 0.5, "lam": 1.999999}, {"alpha": 0.25, "lam": -2}),
                ({"alpha": 0.5, "lam": 2}, {"alpha": 0.5, "lam": -2}, {"alpha": 0.500001, "lam": 2}),
                lambda alpha, lam, **_: 2 - alpha * lam * lam,
            ),
        },
    ),
    # Squared steps 0.6^2 and 0.8^2, so that the flattest direction decides: sqrt(1 - 0.36) = 0.8.
    # 1.04^2 and (13/12)^2 = 1 + 25/144, so that the steepest one does: 25/144 + (13/12)(5/12) = 90/144 = 0.625.
    "applegate2021.local": Golden(
        ({"step": 0.5, "s_min": 1.2, "s_max": 1.6}, {"step": 0.65, "s_min": 1.6, "s_max": 5 / 3}),
        _vertex,
        {
            "step below sqrt(4/3)/s_max": Row(
                ({"step": 2, "s_max": 0.57735}, {"step": 0.5, "s_max": 1.5}),
                ({"step": 2, "s_max": 0.577351}, {"step": 0.5, "s_max": 3}),
                lambda step, s_max, **_: 4 / 3 - (step * s_max) ** 2,
                strict=True,
            ),
        },
    ),
    # 0.8^3 = 0.512
    "chen2024aid.inner": Golden(
        ({"mu": 0.4, "L": 1.6, "lr": 0.5, "K": 3},),
        lambda mu, lr, K, **_: (1 - lr * mu) ** K,
        {"strongly convex lower level": above("mu", 0)},
    ),
    # A quarter of the mass and 6 of the 10 draws: 3 (1/4)/(6/10) = 1.25
    "liu2023wtacrs.variance": Golden(
        ({"P": 0.75, "C": 4, "k": 10, "V": 3},),
        lambda P, C, k, V, **_: V * (1 - P) / (1 - C / k),
        {
            "the kept pairs have more than their share": Row(
                ({"P": 0.500001, "C": 4, "k": 8}, {"P": 0.75, "C": 4, "k": 8}),
                ({"P": 0.5, "C": 4, "k": 8}, {"P": 0.25, "C": 4, "k": 8}),
                lambda P, C, k, **_: P - C / k,
            ),
        },
    ),
    # sqrt(2.25 + 25 (1.6 (3/4)/2/1.5)^2) = sqrt(2.25 + 25 (0.16)) = 2.5
    "lyle2024.growth": Golden(
        ({"length_1": 1.5, "lr": 1.6, "T": 25, "condition": 4, "decay": 0},),
        _length,
        {"no weight decay": equal("decay", 0)},
    ),
}
