"""Gradient descent and Adam on quadratics with blocks."""

from __future__ import annotations

from tests.paper_checks.theorems.golden.rows import Golden, Row, equal

_RUN = {"lr": 0.6, "T": 7, "gap_1": 2.1}

GOLDEN = {
    "zhang2024transformers.prop1": Golden(
        ({**_RUN, "kappa": 3.5, "d": 2, "balanced": 1},),
        lambda gap_1, kappa, T, **_: gap_1 * (1 - 2 / (kappa + 1)) ** (2 * T),
        {
            "two coordinates": equal("d", 2),
            "both coordinates have the same gradient at the start": equal("balanced", 1),
        },
    ),
    "zhang2024transformers.thm1": Golden(
        ({**_RUN, "least": 0.9, "spread_block": 2.3, "kappa_block": 1.7},),
        lambda gap_1, lr, T, least, spread_block, kappa_block, **_: (
            gap_1 * ((1 - (lr / least) / (spread_block * kappa_block)) ** 2) ** T
        ),
        {
            "step of at most the least |g_i| over the largest eigenvalue of its block": Row(
                ({"lr": 0.5, "least": 0.5}, {"lr": 0.1, "least": 0.5}),
                ({"lr": 0.500001, "least": 0.5},),
                lambda lr, least, **_: least - lr,
            )
        },
    ),
    "zhang2024transformers.cycle": Golden(
        ({"lr": 0.6, "trace": 7.3, "x0": 0.3, "bias_correction": 1},),
        lambda lr, trace, **_: (lr / 2) ** 2 * trace / 2,
        {
            "bias correction": equal("bias_correction", 1),
            "the start is on the cycle": Row(
                ({"lr": 0.5, "x0": 0.25}, {"lr": 3, "x0": 1.5}),
                ({"lr": 0.5, "x0": 0.250001}, {"lr": 0.5, "x0": 0.249999}, {"lr": 0.5, "x0": -0.25}),
                lambda lr, x0, **_: -abs(x0 - lr / 2),
            ),
        },
    ),
}
