"""Compressed messages: memories, quantized Adam, EF-SGD, EF21, COMP-AMS, CHOCO."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from typing import Any

from tests.paper_checks.theorems.golden.rows import Golden, Row, equal


def _one_way(q: float) -> float:
    """The memory over the bound on the inputs: the sum of q^k over k >= 1."""
    return 1 / (1 - q) - 1


def _two_way(q_up: float, q_down: float) -> float:
    """Worker's memory, and the server's on inputs (1 + q_up)/(1 - q_up)."""
    return _one_way(q_up) + _one_way(q_down) * (1 + q_up) / (1 - q_up)


def _quantized_adam(
    noise: float, early: float, D: float, *,
    gap_1: float, lr: float, T: float, L: float, sigma2: float, eps: float, beta1: float, d: float, G: float,
    G_norm: float, **_: Any
) -> float:  # fmt: skip
    """Steps 2 to 5 of the derivation, each summed over t, divided by lr T, times 2 C0."""
    C0 = sqrt(G**2 + eps)
    r = beta1 / (1 - beta1)
    first = lr**2 * L**2 * r**2 * C0 / eps**2 * sigma2 + L * G_norm / sqrt(eps) * D
    falling = d * G**2 / ((1 - beta1) * sqrt(eps)) / T
    second = lr * L * noise / eps + lr * L * d * G**2 / eps * early / T
    return 2 * C0 * (gap_1 / (lr * T) + first + falling + second)


def _D1(*, beta1: float, sigma2: float, D: float, **v: Any) -> float:
    return _quantized_adam(sigma2, (beta1 / (1 - beta1)) ** 2, D, beta1=beta1, sigma2=sigma2, **v)


def _D2(*, beta1: float, sigma2: float, D: float, workers: float, **v: Any) -> float:
    return _quantized_adam(sigma2 / workers, 1 / (1 - beta1) ** 2, D, beta1=beta1, sigma2=sigma2, **v)


def _input(lr: float, G_norm: float, eps: float) -> float:
    return lr * G_norm / sqrt(eps)


def _cap(lr: float, eps: float, beta1: float, L: float, G: float, **_: Any) -> float:
    return eps * (1 - beta1) / (4 * L * sqrt(G**2 + eps)) - lr


def _ef21(L: float, L_tilde: float, delta_up: float, lr: float, **_: Any) -> float:
    """theta = 1 - sqrt(1-delta), beta = (1-delta)/theta, so that sqrt(beta/theta) = sqrt(1-delta)/theta."""
    q = sqrt(1 - delta_up)
    return 1 - lr * (L + L_tilde * q / (1 - q))


def _first_error(delta_up: float, spread_1: float) -> float:
    """G0/theta, G0 being what the first messages leave."""
    return (1 - delta_up) * spread_1 / (1 - sqrt(1 - delta_up))


def _comp_ams_C0(q_up: float, G_norm: float, eps: float) -> float:
    return sqrt(4 * (1 + q_up**2) ** 3 / (1 - q_up**2) ** 2 * G_norm**2 + eps)


def _comp_ams(
    q_up: float, G_norm: float, eps: float, beta1: float, gap_1: float, T: float, lr: float, L: float, sigma2: float,
    workers: float, sigma2_g: float, d: float, **_: Any
) -> float:  # fmt: skip
    C0 = _comp_ams_C0(q_up, G_norm, eps)
    C1 = beta1 / (1 - beta1) + 2 * q_up / (1 - q_up**2)
    terms = (
        gap_1 / (T * lr),
        lr * L * sigma2 / (workers * eps),
        3 * lr**2 * L * C0 * C1 * sigma2 / (workers * eps**2),
        12 * lr**2 * q_up**2 * L * C0 * sigma2_g / ((1 - q_up**2) ** 2 * eps**2),
        (1 + C1) * G_norm**2 * d / (T * sqrt(eps)),
        lr * (1 + 2 * C1) * C1 * L * G_norm**2 * d / (T * eps),
    )
    return 2 * C0 * sum(terms)


def _gamma(rho: Fraction, beta: Fraction, delta: Fraction) -> Fraction:
    """rho^2 delta/(16 rho + rho^2 + 4 beta^2 + 2 rho beta^2 - 8 rho delta)."""
    return rho**2 * delta / (16 * rho + rho**2 + 4 * beta**2 + 2 * rho * beta**2 - 8 * rho * delta)


def _consensus(rho: float, delta_up: float, T: float, spread_1: float, size_1: float, **_: Any) -> float:
    return (1 - float(rho) ** 2 * delta_up / 82) ** T * (spread_1 + size_1)


def _choco(
    rho: float,
    delta_up: float,
    T: float,
    n: float,
    L: float,
    gap: float,
    sigma2: float,
    G_norm: float,
    **_: Any,
) -> float:
    c = float(rho) ** 2 * delta_up / 82
    return 4 * (gap + sigma2 * L) / sqrt(n * (T + 1)) + 24 * G_norm**2 * n * L / (c**2 * (T + 1))


_RUN = {"gap_1": 2.1, "T": 23, "L": 1.3, "G_norm": 1.7, "d": 4, "sigma2": 0.8}
_ADAM = {**_RUN, "G": 0.9, "eps": 0.7, "beta1": 0.35, "lr": 0.06, "q_up": 0.45, "workers": 3}
_CAP_AT = {"eps": 0.64, "beta1": 0.5, "L": 0.5, "G": 0.6}
_CAP = {
    "lr at most eps (1 - beta1)/(4 L C0)": Row(
        ({**_CAP_AT, "lr": 0.16}, {**_CAP_AT, "lr": 0.1}), ({**_CAP_AT, "lr": 0.160001},), _cap
    )
}
_BOX = Row(
    ({"delta_x": 0.2, "reach": 0.5}, {"delta_x": 0.2, "reach": 0.4}, {"delta_x": 0, "reach": 9}),
    ({"delta_x": 0.2, "reach": 0.500001},),
    lambda delta_x, reach, **_: delta_x * (0.5 - reach),
)
_EF21 = {
    "lr at most 1/(L + L_tilde sqrt(beta/theta))": Row(
        (
            {"L": 1.5, "L_tilde": 2.5, "delta_up": 0.75, "lr": 0.25},
            {"L": 1.5, "L_tilde": 2.5, "delta_up": 0.75, "lr": 0.1},
        ),
        ({"L": 1.5, "L_tilde": 2.5, "delta_up": 0.75, "lr": 0.250001},),
        _ef21,
    )
}
_FULL = {"gap_1": 2.1, "T": 23, "L": 1.3, "L_tilde": 1.6, "delta_up": 0.6, "lr": 0.2, "spread_1": 1.9}
_AMS_AT = {"eps": 0.64, "L": Fraction(2, 3), "G_norm": 0.3, "q_up": 0}

_GRAPH = {"rho": Fraction(3, 10), "beta": Fraction(7, 5), "delta_up": Fraction(2, 5)}
_STEP = _gamma(*_GRAPH.values())
_MIXING = Row(
    tuple({**_GRAPH, "mixing": _STEP * (1 + sign * Fraction(1, 10**9))} for sign in (-1, 0, 1)),
    tuple({**_GRAPH, "mixing": _STEP * (1 + sign * Fraction(11, 10**10))} for sign in (-1, 1)),
)
# A rho beyond 1 makes both terms of the rate comparable: c of a true graph is below 1/82.
_GOSSIP = {"rho": Fraction(7), "beta": Fraction(7, 5), "delta_up": Fraction(9, 10)}
_CHOCO = {**_GOSSIP, "mixing": _gamma(*_GOSSIP.values())}
_HORIZON = {"lr": 0.5, "T": 15}

GOLDEN = {
    "qadam2021.memory": Golden(({"q_up": 0.45, "U": 1.7},), lambda q_up, U, **_: _one_way(q_up) * U),
    "karimireddy2019.memory": Golden(
        ({"delta_up": 0.6, "U": 1.7},),
        lambda delta_up, U, **_: (2 * sqrt(1 - delta_up) / delta_up * U) ** 2,
    ),
    "efficientadam2023.memory": Golden(
        ({"q_up": 0.45, "q_down": 0.25, "U": 1.7},), lambda q_up, q_down, U, **_: _two_way(q_up, q_down) * U
    ),
    "qadam2021.D1": Golden(
        ({**_ADAM, "delta_x": 0.15, "reach": 0.4, "workers": 1},),
        lambda delta_x, q_up, **v: _D1(
            D=delta_x + _one_way(q_up) * _input(v["lr"], v["G_norm"], v["eps"]), **v
        ),
        {**_CAP, "quantized weights stay in the box |x_i| <= 1/2": _BOX},
    ),
    "qadam2021.D1_measured": Golden(({**_ADAM, "D": 0.33, "workers": 1},), _D1, _CAP),
    "efficientadam2023.D2": Golden(
        ({**_ADAM, "q_down": 0.25},),
        lambda q_up, q_down, **v: _D2(D=_two_way(q_up, q_down) * _input(v["lr"], v["G_norm"], v["eps"]), **v),
        _CAP,
    ),
    "efficientadam2023.D2_measured": Golden(({**_ADAM, "D": 0.33},), _D2, _CAP),
    "karimireddy2019.ef_sgd": Golden(
        ({**_RUN, "lr": 0.06, "delta_up": 0.6},),
        # 4 (1-delta) (lr G_norm)^2/delta^2 bounds the squared memory
        lambda gap_1, lr, T, L, G_norm, delta_up, **_: (
            2 * gap_1 / (lr * T)
            + lr * L * G_norm**2
            + L**2 * (4 * (1 - delta_up) * (lr * G_norm) ** 2 / delta_up**2)
        ),
        {"nothing is lost on the way down": equal("q_down", 0)},
    ),
    "ef21.rate": Golden(
        (_FULL,),
        lambda gap_1, lr, T, delta_up, spread_1, **_: (
            2 * gap_1 / (lr * T) + _first_error(delta_up, spread_1) / T
        ),
        _EF21,
    ),
    "ef21.lyapunov": Golden(
        (_FULL,),
        lambda gap_1, lr, delta_up, spread_1, **_: gap_1 + lr / 2 * _first_error(delta_up, spread_1),
        _EF21,
    ),
    "compams2022.rate": Golden(
        ({**_ADAM, "q_up": 0.3, "G_norm": 0.4, "sigma2_g": 0.55},),
        _comp_ams,
        {
            "lr at most eps/(6 L C0)": Row(
                ({**_AMS_AT, "lr": 0.16}, {**_AMS_AT, "lr": 0.1}, {**_AMS_AT, "q_up": 0.5, "lr": 0.01}),
                ({**_AMS_AT, "lr": 0.160001},),
                lambda eps, L, G_norm, q_up, lr, **_: eps / (6 * L * _comp_ams_C0(q_up, G_norm, eps)) - lr,
            )
        },
    ),
    "choco2019.consensus": Golden(
        ({**_CHOCO, "T": 5, "spread_1": 1.9, "size_1": 2.3},),
        _consensus,
        {"the mixing step gamma*, up to rounding": _MIXING},
    ),
    "choco2019.rate": Golden(
        (
            {
                **_CHOCO,
                "T": 29,
                "n": 4,
                "L": 0.3,
                "lr": sqrt(4 / 30),
                "gap": 2.1,
                "sigma2": 0.8,
                "G_norm": 1.7,
            },
        ),
        _choco,
        {
            "the mixing step gamma*, up to rounding": _MIXING,
            "T at least 64 n L^2": Row(
                ({"T": 16, "n": 1, "L": 0.5}, {"T": 99, "n": 1, "L": 0.5}),
                ({"T": 15.999999, "n": 1, "L": 0.5},),
                lambda T, n, L, **_: T - n * (8 * L) ** 2,
            ),
            "lr = sqrt(n/(T + 1)), up to rounding": Row(
                tuple({**_HORIZON, "n": 4 / (1 + sign * Fraction(1, 10**9))} for sign in (-1, 0, 1)),
                tuple({**_HORIZON, "n": 4 / (1 + sign * Fraction(11, 10**10))} for sign in (-1, 1)),
            ),
        },
    ),
}
