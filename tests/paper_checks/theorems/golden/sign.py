"""Sign methods, error feedback of signs, and Lion."""

from __future__ import annotations

from math import sqrt
from typing import Any

from tests.paper_checks.theorems.golden.rows import Golden, Row, above, below, equal


def _signs(gap_1: float, lr: float, T: float, L: float, error: float) -> float:
    """f falls by lr ||g||_1 but for lr^2 L/2 and 2 lr times the mean error of the direction."""
    return gap_1 / (lr * T) + lr * L / 2 + 2 * error


def _signsgd(
    gap_1: float, lr: float, T: float, L_sum: float, sigma_sum: float, batch: float, workers: float, **_: Any
) -> float:
    return _signs(gap_1, lr, T, L_sum, sigma_sum / sqrt(batch * workers))


def _signum(
    gap_1: float, lr: float, T: float, L: float, sigma_sum: float, workers: float, beta1: float, **_: Any
) -> float:
    S = sigma_sum / sqrt(workers)
    lag = beta1 / (1 - beta1) * lr * L
    return _signs(gap_1, lr, T, L, S / (1 - beta1) / T + lag + S * sqrt((1 - beta1) / (1 + beta1)))


def _extrapolated(
    gap_1: float, lr: float, T: float, L: float, R: float, sigma_sum: float, workers: float, beta: float,
    **_: Any
) -> float:  # fmt: skip
    S = sigma_sum / sqrt(workers)
    lag = R * lr**2 * beta / (2 * (1 - beta) ** 2)
    at_x = _signs(gap_1, lr, T, L, S / (1 - beta) / T + lag + S * sqrt((1 - beta) / (1 + beta)))
    return at_x + lr * L * beta / (1 - beta)


def _feedback(gap_1: float, lr: float, T: float, L: float, second_moment: float, d: float, **_: Any) -> float:
    delta, S = 1 / d, second_moment
    return 2 * gap_1 / (lr * T) + lr * L * S + 4 * (lr * L) ** 2 * S * (1 - delta) / delta**2


def _convex(
    x0: float, optimum: float, d: float, lr: float, T: float, second_moment: float, **_: Any
) -> float:
    delta, distance = 1 / d, sqrt(d) * (x0 - optimum)
    return distance**2 / (2 * lr * T) + lr * second_moment * (0.5 + 2 * sqrt(1 - delta) / delta)


def _box(x0: float, weight_decay: float, lr: float, T: float, d: float, **_: Any) -> float:
    edge = 1 / weight_decay
    return sqrt(d) * (edge + (1 - lr * weight_decay) ** T * max(abs(x0) - edge, 0.0))


_RUN = {"gap_1": 2.1, "lr": 0.3, "T": 7, "L": 1.3, "sigma_sum": 1.9}
_DRAWN = {**_RUN, "L_sum": 1.7, "batch": 3, "workers": 5}
_FEEDBACK = {**_RUN, "second_moment": 1.6, "d": 4, "x0": -0.8, "optimum": 0.9, "mu": 0.2}

GOLDEN = {
    "bernstein2018.thm1": Golden((_DRAWN,), _signsgd),
    "bernstein2018.thm2": Golden((_DRAWN,), _signsgd, {"unimodal symmetric noise": equal("asymmetry", 0)}),
    "sun2023.signum": Golden(
        ({**_RUN, "workers": 5, "beta1": 0.35, "beta2": 0},),
        _signum,
        {"the step is the sign of the momentum": equal("beta2", 0), "no eps": equal("eps_adam", 0)},
    ),
    "sun2023.extrapolated": Golden(
        ({**_RUN, "workers": 5, "beta": 0.35, "R": 1.7},), _extrapolated, {"beta < 1": below("beta", 1)}
    ),
    "karimireddy2019.thm2": Golden((_FEEDBACK,), _feedback),
    "karimireddy2019.convex": Golden((_FEEDBACK,), _convex),
    "karimireddy2019.ce1": Golden(
        (_RUN,),
        # slope 1/4, and E sign(g) = 1/4 - 3/4
        lambda gap_1, lr, T, **_: gap_1 + T * lr * (0.75 - 0.25) * 0.25,
        {"x is not confined": equal("domain", 0)},
    ),
    "karimireddy2019.ce2": Golden(
        ({"eps": 0.35, "x0": -0.8, "tie": 1.3},),
        lambda eps, x0, **_: eps * abs(x0 + x0),
        {
            "eps < 1": below("eps", 1),
            "subgradient +-1 at a tie": Row(
                ({"tie": -1}, {"tie": 1}, {"tie": -2}),
                ({"tie": -0.999999}, {"tie": 0.999999}),
                lambda tie, **_: tie * tie - 1,
            ),
        },
    ),
    "karimireddy2019.ce3": Golden(
        ({"eps": 0.35, "x0": -0.8},),
        lambda eps, x0, **_: 2 * (eps * (x0 + x0)) ** 2,
        {"the signs of a1 and a2 are +-(1, -1)": below("eps", 1), "sign(0) = 0": equal("at_zero", 0)},
    ),
    "chen2023lionk.box": Golden(
        ({"x0": -3.2, "weight_decay": 0.7, "lr": 0.3, "T": 5, "d": 4, "optimum": 0}, {"x0": 0.9}),
        _box,
        {
            "weight_decay > 0": above("weight_decay", 0),
            "lr*weight_decay <= 1": Row(
                ({"lr": 0.5, "weight_decay": 2}, {"lr": 0.4, "weight_decay": 2}),
                ({"lr": 0.500001, "weight_decay": 2},),
                lambda lr, weight_decay, **_: 1 - lr * weight_decay,
            ),
            "distances are to the origin": equal("optimum", 0),
        },
    ),
}
