"""The last iterate under schedules, the chain, and the perceptrons."""

from __future__ import annotations

import math

from tests.paper_checks.theorems.golden.rows import Golden, Row, above, equal

_FACTS = {"mu": 0, "domain": 0, "lr": 0.3, "distance_1": 1.7, "G_norm": 1.3}
_DATA = {"x0": 0, "lr": 0.7, "n": 13, "radius": 1.9, "margin": 0.4, "T": 50}
_BATCH = {"hard": 1, "normalized": 0, "single": 0}
_PERCEPTRON = {
    "theta_1 = 0": equal("x0", 0),
    "a perceptron": equal("hard", 1),
    "all unsolved samples at once": equal("single", 0),
    "weights over the number of samples": equal("normalized", 0),
    "weights over their sum": equal("normalized", 1),
}


def _rows(*words: str) -> dict[str, Row]:
    return {word: _PERCEPTRON[word] for word in ("theta_1 = 0", *words)}


_BOX = {"no box": equal("domain", 0)}
_WEIGHTS = {**_BOX, "positive weights": above("weights_sum", 0)}

GOLDEN = {
    "defazio2023.last_iterate": Golden(
        ({**_FACTS, "step_sum": 4.1, "step_spread": 0.9},),
        lambda distance_1, G_norm, step_sum, step_spread, **_: (
            (distance_1**2 / step_sum + G_norm**2 * step_spread) / 2
        ),
    ),
    "defazio2023.linear": Golden(
        ({**_FACTS, "T": 40, "horizon": 40},),
        lambda distance_1, G_norm, lr, T, **_: (distance_1**2 / (lr * (T + 1)) + lr * G_norm**2) / 2,
        {
            **_BOX,
            "linear decay over the steps of the run": Row(
                ({"horizon": 7, "T": 7},),
                ({"horizon": 7, "T": 8}, {"horizon": 8, "T": 7}),
                lambda horizon, T, **_: -abs(horizon - T),
            ),
        },
    ),
    "defazio2023.weights": Golden(
        ({**_FACTS, "weights_sum": 2.3, "weights_square": 0.6},),
        lambda distance_1, weights_sum, weights_square, **_: (
            (distance_1**2 + weights_square) / weights_sum / 2
        ),
        _WEIGHTS,
    ),
    "defazio2023.regret": Golden(
        ({**_FACTS, "weights_sum": 2.3, "regret": 0.6},),
        lambda regret, weights_sum, **_: regret / weights_sum,
        _WEIGHTS,
    ),
    "defazio2023.refined": Golden(
        ({**_FACTS, "precision": 5.3},),
        lambda distance_1, precision, **_: (distance_1**2 / precision) ** 0.5,
        {**_BOX, "positive precision": above("precision", 0)},
    ),
    "harvey2019.chain": Golden(
        ({"lr": 0.3, "T": 40, "d": 40, "x0": 0},),
        lambda lr, T, **_: lr / 4 * math.log(T),
        {
            "as many steps as the chain is long": Row(
                ({"d": 7, "T": 7},), ({"d": 7, "T": 8}, {"d": 8, "T": 7}), lambda d, T, **_: -abs(d - T)
            ),
            "the start is the minimiser": equal("x0", 0),
        },
    ),
    "tyurin2024.thm33": Golden(
        ({**_DATA, **_BATCH},),
        lambda n, radius, margin, T, **_: n * (radius / margin) ** 2 / T,
        _rows("a perceptron", "weights over the number of samples", "all unsolved samples at once"),
    ),
    "tyurin2024.thm51": Golden(
        # the argument of the floor is a tenth below a whole number at n = 39, and above one at 43
        ({**_DATA, **_BATCH}, {"n": 1000, "T": 1001}, {"n": 39, "T": 52}, {"n": 43, "T": 53}),
        lambda n, T, **_: (math.floor((3 * n - 8) / 10) + 2) / T,
        {
            **_rows("a perceptron", "weights over the number of samples", "all unsolved samples at once"),
            "a run that is long enough": Row(
                ({"T": 301, "n": 1000}, {"T": 3, "n": 6}, {"T": 12, "n": 36}),
                ({"T": 300, "n": 1000}, {"T": 2, "n": 6}, {"T": 11, "n": 36}),
                lambda T, n, **_: T - math.floor((3 * n - 8) / 10) - 2,
            ),
        },
    ),
    "tyurin2024.thm52": Golden(
        ({**_DATA, **_BATCH, "single": 1},),
        lambda radius, margin, T, **_: (radius / margin) ** 2 / T,
        {
            **_rows("a perceptron", "weights over the number of samples"),
            "one unsolved sample at a time": equal("single", 1),
        },
    ),
    "tyurin2024.thm53": Golden(
        ({**_DATA, **_BATCH, "normalized": 1},),
        lambda radius, margin, T, **_: (radius / margin) ** 2 / T,
        _rows("a perceptron", "weights over their sum", "all unsolved samples at once"),
    ),
    "tyurin2024.thm61": Golden(
        ({**_DATA, "hard": 0, "normalized": 1, "stop": 1},),
        lambda n, radius, margin, lr, T, **_: (
            ((radius / margin) ** 2 + math.log((2 * n - 1) ** 2) / lr / margin**2) / T
        ),
        {
            **_rows("weights over their sum"),
            "logistic regression": equal("hard", 0),
            "the run stops when it is solved": equal("stop", 1),
        },
    ),
}
