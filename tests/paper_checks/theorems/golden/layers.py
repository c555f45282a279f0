"""Layerwise normalisation, zeroth-order estimates, projections and orthogonal factors."""

from __future__ import annotations

from math import sqrt
from typing import Any

from tests.paper_checks.theorems.golden.rows import Golden, Row, above, at_least, equal


def _layers(
    gap_1: float, lr: float, T: float, low: float, high: float, L_layers: float, sigma_layers: float, workers: float,
    **_: Any
) -> float:  # fmt: skip
    """A step costs lr low ||g||, and its curvature and noise have high."""
    curvature = lr * lr * high * high * L_layers / 2
    noise = 2 * lr * high * sigma_layers / sqrt(workers)
    return (gap_1 / T + curvature + noise) / (lr * low)


def _contraction(mu: float, lr: float, T: float, gap_1: float, **_: Any) -> float:
    return gap_1 * (1 - mu * lr) ** T


def _isotropic(L: float, lr: float, T: float, d: float, gap_1: float, **_: Any) -> float:
    return gap_1 * ((1 - lr * L) ** 2 + (lr * L) ** 2 * (d + 1)) ** T


def _projected(lr: float, kappa_min: float, T: float, norm_1: float, **_: Any) -> float:
    return norm_1 * (1 - kappa_min * lr) ** T


def _orthogonal(gap_1: float, lr: float, T: float, L: float, **_: Any) -> float:
    return (gap_1 / T + lr * lr * L / 2) / lr


_RUN = {"gap_1": 2.1, "lr": 0.3, "T": 7, "workers": 5}
_LAYERS = {
    **_RUN, "low": 0.4, "high": 1.7, "L_layers": 3.3, "sigma_layers": 1.9, "beta1": 0, "beta2": 0, "eps": 0,
    "weight_decay": 0, "block": 6, "size": 6,
}  # fmt: skip
_OF_LAYERS = {
    "no weight decay": equal("weight_decay", 0),
    "phi is bounded away from 0": above("low", 0),
    "the layers of the optimizer are those of the problem": Row(
        ({"block": 4, "size": 4},),
        ({"block": 4, "size": 5}, {"block": 4, "size": 3.999999}),
        lambda block, size, **_: -abs(block - size),
    ),
}

GOLDEN = {
    "you2020lamb.lars": Golden((_LAYERS,), _layers, _OF_LAYERS),
    "you2020lamb.lamb": Golden(
        (_LAYERS,),
        _layers,
        {**_OF_LAYERS, "a direction of signs": equal("beta2", 0), "no eps": equal("eps", 0)},
    ),
    "malladi2023.thm1": Golden(
        ({**_RUN, "lr": 0.15, "mu": 0.45, "L": 1.3, "effective_rank": 2.2},),
        _contraction,
        {
            "H is positive semidefinite": at_least("mu", 0),
            "a step for this effective rank": Row(
                (
                    {"lr": 0.25, "L": 2, "effective_rank": 3, "workers": 4},
                    {"lr": 0.5, "L": 0.25, "effective_rank": 6, "workers": 1},
                ),
                (
                    {"lr": 0.2500001, "L": 2, "effective_rank": 3, "workers": 4},
                    {"lr": 0.5, "L": 0.25, "effective_rank": 6.0001, "workers": 1},
                ),
                lambda lr, L, effective_rank, workers, **_: workers - lr * L * (effective_rank + workers + 1),
            ),
        },
    ),
    "zhao2024galore.thm3": Golden(
        ({"lr": 0.3, "kappa_min": 0.7, "fastest": 2.9, "T": 7, "norm_1": 2.1},),
        _projected,
        {
            "no direction is overshot": Row(
                ({"lr": 0.25, "fastest": 4}, {"lr": 0.25, "fastest": 3}),
                ({"lr": 0.25, "fastest": 4.000001}, {"lr": 0.26, "fastest": 4}),
                lambda lr, fastest, **_: 1 - lr * fastest,
            ),
            "B and C are positive semidefinite": at_least("kappa_min", 0),
        },
    ),
    "he2024golore.stall": Golden(
        ({"top": 1.5, "sigma": 1.7, "rank": 4, "noise_rank": 5, "gradient_square_1": 2.3},),
        lambda gradient_square_1, **_: gradient_square_1,
        {
            "every singular value of the gradient is below the noise": Row(
                ({"top": 1.999999, "sigma": 2},),
                ({"top": 2, "sigma": 2}, {"top": 2.5, "sigma": 2}),
                lambda top, sigma, **_: sigma - top,
            ),
            "the noise fills the projection": Row(
                ({"rank": 4, "noise_rank": 4}, {"rank": 3, "noise_rank": 4}),
                ({"rank": 5, "noise_rank": 4},),
                lambda rank, noise_rank, **_: noise_rank - rank,
            ),
        },
    ),
    "jordan2024muon.descent": Golden(
        ({**_RUN, "L": 1.3, "beta": 0},), _orthogonal, {"no momentum": equal("beta", 0)}
    ),
    "malladi2023.isotropic": Golden(
        ({**_RUN, "workers": 1, "L": 1.3, "d": 4, "effective_rank": 4, "sphere": 0},),
        _isotropic,
        {
            "H = L I": Row(
                ({"effective_rank": 4, "d": 4},),
                ({"effective_rank": 4, "d": 5}, {"effective_rank": 4.000001, "d": 4}),
                lambda effective_rank, d, **_: -abs(effective_rank - d),
            ),
            "one draw": equal("workers", 1),
            "z is normal": equal("sphere", 0),
        },
    ),
}
