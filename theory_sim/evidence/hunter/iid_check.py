"""Check a law of random gradients with the standard library alone: python check.py certificate.json.

Exit status 0 or 1, and 2 without a file.  The mean gradient is positive, and the stationary mean of Adam's
m/(sqrt(v) + eps) is negative: v is rounded up, or down, to a grid at every step, which brackets its law, from the
largest, or smallest, v on.  Sums of non-negative floats have small relative errors, which widen the result.
"""

# fmt: off
import json
import sys
from bisect import bisect_left, bisect_right
from itertools import product
from math import ceil, comb, exp, log, prod, sqrt
from pathlib import Path
from typing import Any

ENDS = ("the mean gradient is positive, and at stationarity the mean of m/(sqrt(v) + eps) is negative: vanishing steps "
        "drift away from the minimiser of the mean loss on an interval.")
PROVES = {"replacement": f"With gradients drawn independently from this law {ENDS}",
          "reshuffled": f"With epochs that are independent random orders of this list, weights being multiplicities, {ENDS}"}

def draws(w: list[int], order: str) -> tuple[list[float], list[tuple[int, int, int, float]]]:
    """Return the probabilities of what is left in the urn, and (from, to, component, probability)."""
    if order == "replacement":
        return [1.0], [(0, 0, k, one / sum(w)) for k, one in enumerate(w)]
    left = [one for one in product(*(range(count, -1, -1) for count in w)) if sum(one)]
    at = {one: i for i, one in enumerate(left)}
    moves = []
    for one, i in at.items():
        for k in range(len(w)):
            rest = tuple(count - (j == k) for j, count in enumerate(one))
            if one[k]:
                moves.append((i, at[rest if sum(rest) else tuple(w)], k, one[k] / sum(one)))
    return [prod(map(comb, w, one)) / comb(sum(w), sum(one)) / sum(w) for one in left], moves

def drift(g: list[int], w: list[int], order: str, beta1: float, beta2: float, eps: float, grid: int) -> float:
    """Return an upper bound of the mean drift."""
    squares, (start, moves) = [float(one * one) for one in g], draws(w, order)
    low, high = log(min(squares)), log(max(squares))
    z = [exp(low + (high - low) * i / (grid - 1)) for i in range(grid)]
    z[0], z[-1] = min(squares), max(squares)
    down, up = [], []
    for q in squares:
        moved = [beta2 * one + (1 - beta2) * q for one in z]
        down.append([max(bisect_right(z, v * (1 - 1e-13)) - 1, 0) for v in moved])
        up.append([min(bisect_left(z, v * (1 + 1e-13)), grid - 1) for v in moved])

    def step(mass: list[list[float]], maps: list[list[int]], factor: list[int]) -> list[list[float]]:
        new = [[0.0] * grid for _ in start]
        for before, after, k, share in moves:
            size, to, at = share * factor[k], new[after], maps[k]
            for i, one in enumerate(mass[before] if size > 0 else ()):
                if one:
                    to[at[i]] += one * size
        return new

    steps, scale = ceil(16 / (1 - beta2)), [1 / (sqrt(one) + eps) for one in z]
    lags, total = ceil(log(1e-7) / log(beta1)) if beta1 else 0, 0.0
    for maps, edge, sign in ((down, 0, 1), (up, grid - 1, -1)):  # small v, long steps, for positive gradients
        mass = [[share * (i == edge) for i in range(grid)] for share in start]
        for _ in range(steps):
            mass = step(mass, maps, [1] * len(g))
        given = step(mass, maps, [max(sign * one, 0) for one in g])
        for lag in range(lags + 1):
            part = sum(a * b for one in given for a, b in zip(one, scale, strict=True))
            total += sign * (1 - beta1) * beta1**lag * part
            given = step(given, maps, [1] * len(g)) if lag < lags else given
    largest, ends = max(map(abs, g)) / (sqrt(min(squares)) + eps), [to for _, to, _, _ in moves]
    terms = grid * max(map(ends.count, ends)) + 4
    rounding = 4 * (steps + lags + sum(w) + 2) * terms * 2.0**-53 + 4e-13
    return total + (rounding + (beta1 ** (lags + 1) if beta1 else 0)) * largest

def check(c: Any) -> str:
    """Return what was found; raise if the certificate does not hold."""
    names = {"format", "class", "optimizer", "hyper", "gradients", "weights", "order", "grid", "proves"}
    if set(c) != names or (c["format"], c["class"], c["optimizer"], c["proves"]) != (1, "iid", "adam", PROVES[c["order"]]):
        raise ValueError("fields or words")
    g, w, grid = c["gradients"], c["weights"], c["grid"]
    if not all(type(one) is int for one in [*g, *w, grid]) or len(g) != len(w) or min(w) < 1 or 0 in g:
        raise ValueError("no law of integers other than 0")
    if set(c["hyper"]) != {"beta1", "beta2", "eps"} or not 10 <= grid <= 100_000 or len({abs(one) for one in g}) < 2:
        raise ValueError("hyperparameters, grid, or gradients of one size")
    if c["order"] == "reshuffled" and prod(one + 1 for one in w) > 400:
        raise ValueError("too many remainders of an epoch")
    beta1, beta2, eps = (float(c["hyper"][name]) for name in ("beta1", "beta2", "eps"))
    if not (0 <= beta1 < 1 and 0 <= beta2 <= 0.995 and 0 <= eps < 1e9):
        raise ValueError("weights")
    mean, top = sum(a * b for a, b in zip(g, w, strict=True)), drift(g, w, c["order"], beta1, beta2, eps, grid)
    if not mean > 0 > top:
        raise ValueError(f"mean gradient {mean}/{sum(w)}, mean drift at most {top}")
    return f"mean gradient {mean}/{sum(w)} > 0 > {top:.6g} >= mean drift"

if __name__ == "__main__":
    if len(sys.argv) != 2 and sys.stderr.write("Name one certificate: python check.py certificate.json\n"): sys.exit(2)
    try:
        print("confirmed:", check(json.loads(Path(sys.argv[1]).read_text())))
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        sys.exit(f"refused: {type(error).__name__}: {error}")
