"""Check a law of independent gradients with the standard library alone: python check.py certificate.json.

Exit status 0 or 1.  The mean gradient is positive, and the stationary mean of Adam's m/(sqrt(v) + eps) is negative:
v is rounded up, or down, to a grid at every step, which brackets its law, from the largest, or smallest, v on.
Sums of non-negative floats have small relative errors, which widen the result.
"""

import json
import sys
from bisect import bisect_left, bisect_right
from math import ceil, exp, log, sqrt
from pathlib import Path
from typing import Any

PROVES = (
    "With gradients drawn independently from this law the mean gradient is positive, and at stationarity the mean of "
    "m/(sqrt(v) + eps) is negative: vanishing steps drift away from the minimiser of the mean loss on an interval."
)


def drift(g: list[int], w: list[int], beta1: float, beta2: float, eps: float, grid: int) -> float:
    """Return an upper bound of the mean drift."""
    p, squares = [one / sum(w) for one in w], [float(one * one) for one in g]
    low, high = log(min(squares)), log(max(squares))
    z = [exp(low + (high - low) * i / (grid - 1)) for i in range(grid)]
    z[0], z[-1] = min(squares), max(squares)
    down, up = [], []
    for q in squares:
        moved = [beta2 * one + (1 - beta2) * q for one in z]
        down.append([max(bisect_right(z, v * (1 - 1e-13)) - 1, 0) for v in moved])
        up.append([min(bisect_left(z, v * (1 + 1e-13)), grid - 1) for v in moved])

    def step(mass: list[float], maps: list[list[int]]) -> list[float]:
        new = [0.0] * grid
        for at, share in zip(maps, p, strict=True):
            for i, one in enumerate(mass):
                new[at[i]] += one * share
        return new

    steps, scale = ceil(25 / (1 - beta2)), [1 / (sqrt(one) + eps) for one in z]
    laws = []
    for maps, start in ((down, 0), (up, grid - 1)):
        mass = [float(i == start) for i in range(grid)]
        for _ in range(steps):
            mass = step(mass, maps)
        laws.append((mass, maps))
    lags, total = ceil(log(1e-7) / log(beta1)) if beta1 else 0, 0.0
    for k, one in enumerate(g):
        mass, maps = laws[one < 0]  # a large scale, so a small v, for positive gradients
        given = [0.0] * grid
        for i, share in enumerate(mass):
            given[maps[k][i]] += share
        for lag in range(lags + 1):
            total += (
                (1 - beta1) * beta1**lag * p[k] * one * sum(a * b for a, b in zip(given, scale, strict=True))
            )
            given = step(given, maps) if lag < lags else given
    largest = max(map(abs, g)) / (sqrt(min(squares)) + eps)
    rounding = 4 * (steps + lags + 2) * (grid * len(g) + 4) * 2.0**-53 + 4e-13
    return total + (rounding + (beta1 ** (lags + 1) if beta1 else 0)) * largest


def check(c: Any) -> str:
    """Return what was found; raise if the certificate does not hold."""
    names = {"format", "class", "optimizer", "hyper", "gradients", "weights", "grid", "proves"}
    if set(c) != names or (c["format"], c["class"], c["optimizer"], c["proves"]) != (
        1,
        "iid",
        "adam",
        PROVES,
    ):
        raise ValueError("fields or words")
    g, w, grid = c["gradients"], c["weights"], c["grid"]
    if not all(type(one) is int for one in [*g, *w, grid]) or len(g) != len(w) or min(w) < 1 or 0 in g:
        raise ValueError("no law of integers other than 0")
    if (
        set(c["hyper"]) != {"beta1", "beta2", "eps"}
        or not 10 <= grid <= 100_000
        or len({abs(one) for one in g}) < 2
    ):
        raise ValueError("hyperparameters, grid, or gradients of one size")
    beta1, beta2, eps = (float(c["hyper"][name]) for name in ("beta1", "beta2", "eps"))
    if not (0 <= beta1 < 1 and 0 <= beta2 <= 0.995 and 0 <= eps < 1e9):
        raise ValueError("weights")
    mean, top = sum(a * b for a, b in zip(g, w, strict=True)), drift(g, w, beta1, beta2, eps, grid)
    if not mean > 0 > top:
        raise ValueError(f"mean gradient {mean}/{sum(w)}, mean drift at most {top}")
    return f"mean gradient {mean}/{sum(w)} > 0 > {top:.6g} >= mean drift"


if __name__ == "__main__":
    try:
        print("confirmed:", check(json.loads(Path(sys.argv[1]).read_text())))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        sys.exit(f"refused: {type(error).__name__}: {error}")
