"""The results on Adam, momentum, votes and compressed messages that have a module each."""

from __future__ import annotations

import math

from tests.paper_checks.theorems.golden.rows import (
    Golden,
    Row,
    above,
    at_least,
    at_most,
    below,
    equal,
)

_START = {"D_inf": 1.6, "x0": 0.3}

GOLDEN = {
    "kingma2015.thm41": Golden(
        ({**_START, "s": 0.5, "lr": 0.7, "beta2": 0.4, "G": 2.5, "T": 7, "d": 1, "bias_correction": 1},),
        lambda D_inf, G, lr, beta2, T, **_: (
            D_inf**2 / (2 * lr) * G / T**0.5
            + lr * G**2 / (1 - beta2) ** 0.5 / T**0.5
            + D_inf**2 * G * (1 - beta2) ** 0.5 / (2 * lr) / T
        ),
        {"one coordinate": equal("d", 1), "the moments are corrected": equal("bias_correction", 1)},
    ),
    "zaheer2018.thm1": Golden(
        (
            {
                "lr": 0.2, "L": 1.3, "beta2": 0.99, "G": 2.5, "T": 7, "gap_1": 2.1, "sigma2": 0.9,
                "workers": 5, "eps_outside": 1.7,
            },
        ),
        lambda beta2, G, eps_outside, gap_1, lr, T, L, sigma2, workers, **_: (
            (2 * beta2**0.5 * G + 2 * eps_outside)
            * (
                gap_1 / lr / T
                + G * (1 - beta2) ** 0.5 / eps_outside**2 * sigma2 / workers
                + L * lr / 2 / eps_outside**2 * sigma2 / workers
            )
        ),
        {
            "eps above 0": above("eps_outside", 0),
            "a step of at most eps/(2 L)": Row(
                ({"lr": 0.5, "eps_outside": 3, "L": 3}, {"lr": 0.5, "eps_outside": 2, "L": 1}),
                ({"lr": 0.500001, "eps_outside": 3, "L": 3},),
                lambda lr, eps_outside, L, **_: eps_outside / (2 * L) - lr,
            ),
            "1-beta2 of at most eps^2/(16 G^2)": Row(
                ({"beta2": 0.75, "eps_outside": 4, "G": 2}, {"beta2": 0.9, "eps_outside": 4, "G": 2}),
                ({"beta2": 0.749999, "eps_outside": 4, "G": 2},),
                lambda beta2, eps_outside, G, **_: eps_outside**2 / (16 * G**2) - (1 - beta2),
            ),
        },
    ),
    "chen2019.thm31": Golden(
        (
            {
                "d": 3, "G": 2.5, "T": 7, "lr": 0.7, "s": 0.4, "gap_1": 2.1, "oscillation": 1.9, "L": 1.3,
                "squares": 0.6,
            },
        ),
        lambda d, G, T, lr, s, gap_1, oscillation, L, squares, **_: (
            d * G**2 / T
            + G / lr / T * T**s * gap_1
            + G**3 / lr / T * T**s * oscillation
            + G / lr / T * T**s * L * squares / 2
        ),
    ),
    "alacaoglu2020.amsgrad": Golden(
        ({**_START, "s": 0.5, "lr": 0.7, "beta1": 0.45, "beta2": 0.4, "G": 2.5, "T": 7, "d": 3, "decay": 1},),
        lambda d, G, T, D_inf, lr, beta1, beta2, **_: (
            d
            * G
            / T**0.5
            * (
                D_inf**2 / (2 * lr) * (1 + beta1 / (2 * (1 - beta1)))
                + lr * (1 + beta1) / (1 - beta2) ** 0.5 / (1 - beta1**2 / beta2) ** 0.5
            )
        ),
        {"beta1 is constant": equal("decay", 1)},
    ),
    "zhou2019.shift": Golden(rows={"no eps": equal("eps", 0)}),
    "savarese2019.regret": Golden(
        ({**_START, "s": 0.5, "lr": 0.7, "low": 0.4, "high": 1.3, "gamma": 0.2, "G": 2.5, "T": 7, "d": 3},),
        lambda d, D_inf, lr, low, high, gamma, G, T, **_: (
            d
            * (
                D_inf**2 / (2 * lr * low)
                + D_inf**2 / (lr * (low + high)) * T**0.5
                + 2 * D_inf**2 * (2 * T) ** 0.5 * (high - low) / (lr * gamma * low * (low + high))
                + G**2 * lr * high * T**0.5
            )
            / T
        ),
        {"positive rates": above("low", 0), "the bounds meet": above("gamma", 0)},
    ),
    "xie2024adamw.box": Golden(
        (
            {"weight_decay": 0.4, "lr": 0.6, "x0": -8.3, "d": 3, "T": 7, "optimum": 0, "beta1": 0.45, "beta2": 0.45},
            {"x0": 1.3},
        ),
        lambda d, weight_decay, lr, T, x0, **_: (
            d**0.5 * (1 / weight_decay + (1 - lr * weight_decay) ** T * max(abs(x0) - 1 / weight_decay, 0))
        ),
        {
            "weight_decay > 0": above("weight_decay", 0),
            "lr*weight_decay <= 1": Row(
                ({"lr": 0.5, "weight_decay": 2}, {"lr": 0.4, "weight_decay": 2}),
                ({"lr": 0.500001, "weight_decay": 2},),
                lambda lr, weight_decay, **_: 1 - lr * weight_decay,
            ),
            "distances are to the origin": equal("optimum", 0),
            "equal betas": Row(
                ({"beta1": 0.3, "beta2": 0.3},), ({"beta1": 0.3, "beta2": 0.300001}, {"beta1": 0.300001, "beta2": 0.3})
            ),
        },
    ),
    "ahn2024.growth": Golden(
        ({"x0": 0.3, "lr": 0.7, "beta1": 0.5, "beta2": 0.25, "T": 7},),
        lambda x0, lr, beta1, T, **_: (
            x0 - lr * math.sqrt(1 - beta1) / math.sqrt(1 + beta1) * ((T + 1) ** 1.5 - 1) / 1.5
        ),
        {
            "beta2 is the square of beta1": Row(
                ({"beta1": 0.3, "beta2": 0.09}, {"beta1": 0.5, "beta2": 0.25}),
                ({"beta1": 0.3, "beta2": 0.090001}, {"beta1": 0.300001, "beta2": 0.09}),
            ),
        },
    ),
    "cutkosky2020.momentum": Golden(
        (
            {"gap_1": 2.1, "lr": 0.6, "T": 7, "L": 1.3, "momentum": 0.45, "sigma": 0.8, "d": 3, "workers": 5},
        ),
        lambda gap_1, lr, T, L, momentum, sigma, d, workers, **_: (
            gap_1 / lr / T
            + lr * L / 2
            + 2 * sigma * (d / workers) ** 0.5 / ((1 - momentum) * T)
            + 2 * momentum * lr * L / (1 - momentum)
            + 2 * sigma * (d / workers) ** 0.5 * ((1 - momentum) / (1 + momentum)) ** 0.5
        ),
        {"momentum < 1": below("momentum", 1)},
    ),
    "zhang2020heavy.clipped": Golden(
        (
            {
                "lr": 0.6, "T": 7, "x0": 0.35, "D_inf": 1.6, "tail": 0.4, "moment": 1.5, "threshold": 2.3,
                "workers": 1,
            },
        ),
        lambda lr, T, x0, D_inf, tail, moment, threshold, **_: (
            x0**2 * (1 - lr) ** T / 2
            + (2 ** (moment - 1) * ((D_inf / 2) ** moment + 1 / (1 - moment * tail))) ** 2
            * threshold ** (2 - 2 * moment)
            / 2
            + lr
            * 2 ** (moment - 1)
            * ((D_inf / 2) ** moment + 1 / (1 - moment * tail))
            * threshold ** (2 - moment)
            / 2
        ),
        {
            "a step of at most 1": at_most("lr", 1),
            "a positive threshold": above("threshold", 0),
            "a moment above the mean": above("moment", 1),
            "a moment up to the variance": at_most("moment", 2),
            "the moment is finite": Row(
                ({"moment": 1.5, "tail": 0.5}, {"moment": 1.999999, "tail": 0.5}),
                ({"moment": 2, "tail": 0.5}, {"moment": 1.5, "tail": 0.7}),
                lambda moment, tail, **_: 1 - moment * tail,
            ),
        },
    ),
    "chen2020clipping.symmetric": Golden(
        (
            {"gap_1": 2.1, "lr": 0.6, "T": 7, "L": 1.3, "threshold": 2.3, "width": 0.9, "d": 1},
            {"width": 0.2},
        ),
        lambda gap_1, lr, T, L, threshold, width, **_: (
            (gap_1 / lr / T + lr * L / 2 * threshold**2) / min(1, threshold / 4 / width)
        ),
        {
            "one coordinate": equal("d", 1),
            "no gradient of f is above 3/4 of the threshold": Row(
                ({"threshold": 4 / 3 + 1e-9}, {"threshold": 7}),
                ({"threshold": 1.333333},),
                lambda threshold, **_: 0.75 * threshold - 1,
                strict=False,
            ),
            "there is noise": above("width", 0),
        },
    ),
    "bernstein2019.thm2": Golden(
        (
            {
                "gap_1": 2.1, "lr": 0.6, "T": 7, "L_sum": 1.3, "sigma_sum": 0.8, "workers": 9, "batch": 5,
                "adversaries": 3,
            },
        ),
        lambda gap_1, lr, T, L_sum, sigma_sum, workers, batch, adversaries, **_: (
            gap_1 / lr / T
            + lr * L_sum / 2
            + 2 * sigma_sum / (1 - 2 * adversaries / workers) / (workers * batch) ** 0.5
        ),
        {
            "unimodal symmetric noise": equal("asymmetry", 0),
            "less than half of the workers are adversaries": Row(
                ({"adversaries": 4, "workers": 9}, {"adversaries": 0, "workers": 1}),
                ({"adversaries": 4, "workers": 8}, {"adversaries": 5, "workers": 9}),
                lambda adversaries, workers, **_: workers - 2 * adversaries,
            ),
        },
    ),
    "chen2020vote.median": Golden(
        (
            {"d": 6, "L": 1.3, "median": 0.35, "mean": 2.4, "lr": 0.6, "noise": 0, "workers": 3, "x0": 0.3},
            {"mean": 0.75},
        ),
        lambda d, L, median, mean, lr, **_: d * (L * max(abs(median - mean) - lr, 0)) ** 2,
        {
            "no noise": equal("noise", 0),
            "three workers or more": at_least("workers", 3),
            "the start is at the median": Row(
                ({"x0": 0.5, "median": 1, "lr": 0.5}, {"x0": 1.5, "median": 1, "lr": 0.5}),
                ({"x0": 0.499999, "median": 1, "lr": 0.5}, {"x0": 1.500001, "median": 1, "lr": 0.5}),
                lambda x0, median, lr, **_: lr - abs(x0 - median),
            ),
        },
    ),
    "fatkhullin2023.floor": Golden(
        ({"sigma2": 1.7, "lr": 0.02, "T": 700, "momentum": 0},),
        lambda sigma2, **_: 27 * sigma2 / 1700,
        {
            "a small step": Row(({"lr": 1 / 30 - 1e-9}, {"lr": 0.01}), ({"lr": 1 / 30 + 1e-9},), lambda lr, **_: 1 / 30 - lr,
                                strict=False),
            "long enough to settle": Row(
                ({"lr": 0.5, "T": 20}, {"lr": 1, "T": 11}),
                ({"lr": 0.5, "T": 19},),
                lambda lr, T, **_: lr * T - 10,
            ),
        },
    ),
    "mishchenko2019.diana": Golden(
        (
            {
                "lr": 0.11, "shift": 0.3, "T": 7, "d": 6, "x0": 2.2, "center": 0.4, "omega": 1.7, "spread": 13.0,
                "workers": 5,
            },
            {"lr": 0.21},
        ),
        lambda lr, shift, T, d, x0, center, omega, spread, workers, **_: (
            (1 - min(lr, shift / 2)) ** T
            * (d * (x0 - center) ** 2 + omega * spread / shift * (2 * lr / workers) ** 2)
        ),
        {
            "the shifts learn": above("shift", 0),
            "a shift of at most 1/(1 + omega)": Row(
                ({"shift": 0.25, "omega": 3}, {"shift": 0.1, "omega": 3}),
                ({"shift": 0.250001, "omega": 3},),
                lambda shift, omega, **_: 1 - shift * (1 + omega),
            ),
            "a small step": Row(
                ({"lr": 0.25, "omega": 2, "workers": 4}, {"lr": 0.1, "omega": 2, "workers": 4}),
                ({"lr": 0.250001, "omega": 2, "workers": 4},),
                lambda lr, omega, workers, **_: 1 - lr * (1 + 6 * omega / workers),
            ),
            "far above the rounding of binary64": Row(
                ({"T": 120, "lr": 0.25, "shift": 0.7}, {"T": 120, "lr": 0.9, "shift": 0.5}),
                ({"T": 121, "lr": 0.25, "shift": 0.7}, {"T": 121, "lr": 0.9, "shift": 0.5}),
                lambda T, lr, shift, **_: 30 - T * min(lr, shift / 2),
            ),
        },
    ),
    "powersgd2019.contraction": Golden(
        ({"rank": 3, "smaller": 7, "square": 2.6},),
        lambda rank, smaller, square, **_: square - square * rank / smaller,
        {
            "a positive rank": at_least("rank", 1),
            "a rank of at most the smaller side": Row(
                ({"rank": 3, "smaller": 3}, {"rank": 1, "smaller": 4}),
                ({"rank": 4, "smaller": 3},),
                lambda rank, smaller, **_: smaller - rank,
            ),
        },
    ),
}  # fmt: skip
