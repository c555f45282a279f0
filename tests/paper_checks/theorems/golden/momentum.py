"""Gradient descent, stochastic gradient descent and the heavy ball."""

from __future__ import annotations

from tests.paper_checks.theorems.golden.rows import Golden, Row

_RUN = {"L": 1.3, "lr": 0.6, "T": 7, "gap_1": 2.1, "distance_1": 1.7, "mu": 0.4}
_BALL = {"L": 1.3, "alpha": 0.25, "momentum": 0.45, "T": 7, "gap_1": 2.1, "distance_1": 1.7, "mu": 0.4}
_LONG = {"lr": 1.5}

GOLDEN = {
    "abbaszadehpeivasti2021.gd": Golden(
        (_RUN,), lambda L, lr, T, gap_1, **_: 4 * gap_1 / ((T - 1) * (4 * lr - L * lr**2) + 2 / L)
    ),
    "ghadimi2013.sgd": Golden(
        ({**_RUN, "sigma2": 0.9, "batch": 3, "workers": 5},),
        lambda L, lr, T, gap_1, sigma2, batch, workers, **_: (
            (gap_1 / (lr * T) + L * lr / 2 * (sigma2 / batch / workers)) / (1 - L * lr / 2)
        ),
    ),
    "drori2014.thm3.1": Golden(
        (_RUN,), lambda L, lr, T, distance_1, **_: L * distance_1**2 / (4 * T * L * lr + 2)
    ),
    "drori2014.conjecture": Golden(
        (_RUN, _LONG),
        lambda L, lr, T, distance_1, **_: (
            L * distance_1**2 / 2 * max(1 / (2 * T * L * lr + 1), ((1 - L * lr) ** T) ** 2)
        ),
    ),
    "taylor2017.contraction": Golden(
        # Odd T and mu > L show the signs, which even powers and the order of the curvatures hide.
        (_RUN, _LONG, {"lr": 1.5, "L": 0.4, "mu": 1.3}),
        lambda L, lr, T, distance_1, mu, **_: distance_1 * max(abs(1 - lr * mu), abs(1 - lr * L)) ** T,
    ),
    "ghadimi2015.thm1": Golden(
        (_BALL,),
        lambda alpha, momentum, T, gap_1, distance_1, **_: (
            (momentum / (1 - momentum) * gap_1 + (1 - momentum) / (2 * alpha) * distance_1**2) / T
        ),
        {
            "alpha of at most (1 - momentum)/L": Row(
                ({"alpha": 0.25, "L": 2, "momentum": 0.5}, {"alpha": 0.1, "L": 2, "momentum": 0.5}),
                ({"alpha": 0.250001, "L": 2, "momentum": 0.5},),
                lambda alpha, L, momentum, **_: 1 - momentum - L * alpha,
            )
        },
    ),
    "ghadimi2015.thm4": Golden(
        (_BALL,),
        lambda alpha, mu, T, gap_1, **_: (1 - alpha * mu) ** T * gap_1,
        {
            "alpha of at most 1/L": Row(
                ({"alpha": 0.5, "L": 2}, {"alpha": 0.1, "L": 2}),
                ({"alpha": 0.500001, "L": 2},),
                lambda alpha, L, **_: 1 - L * alpha,
            ),
            "small momentum": Row(
                tuple({"momentum": momentum, "alpha": 0.5, "mu": 1, "L": 1} for momentum in (0.5, -0.5)),
                ({"momentum": 0.500001, "alpha": 0.5, "mu": 1, "L": 1},),
                lambda momentum, alpha, mu, L, **_: (1 - alpha * mu) * (1 - alpha * L) - momentum**2,
            ),
        },
    ),
    "ghadimi2015.nonconvex": Golden(
        (_BALL,),
        lambda alpha, T, gap_1, **_: gap_1 / (alpha * T / 2),
        {
            "small momentum": Row(
                ({"momentum": 0.5, "alpha": 0.5, "L": 1.5}, {"momentum": -0.5, "alpha": 0.5, "L": 1.5}),
                ({"momentum": 0.500001, "alpha": 0.5, "L": 1.5},),
                lambda momentum, alpha, L, **_: 1 - alpha * L - momentum**2,
            )
        },
    ),
}
