"""The class *line*: cycles of momentum methods on smooth strongly convex functions of one variable.

Points y_1 < ... < y_K with gradients g_i belong to such a function iff the slopes between neighbours are in
[mu, L], so for each order of the points of a cycle a linear programme decides (as Goujaud et al. 2025,
arXiv:2502.19916, do).  There are (K - 1)! orders up to rotation, half of them up to reflection.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from theory_sim.evidence.hunter.certificate import Refused
from theory_sim.evidence.hunter.cycle_check import PROVES
from theory_sim.evidence.hunter.linear import METHODS, Momentum
from theory_sim.rules import checks

LONGEST = 7  # 360 orders; each more point takes K times as many


@dataclass(frozen=True)
class Cycle:
    """The best points for one K.

    Parameters
    ----------
    period : int
    margin : float
        >= 0 if there is a cycle: how far all slopes can be from mu and L, times the least gap.
    points : tuple of float
        x_0 ... x_{K-1}, empty if no order is feasible.
    """

    period: int
    margin: float
    points: tuple[float, ...] = ()


def orders(period: int) -> Iterator[tuple[int, ...]]:
    """Yield the orders of a cycle's points, largest first, up to rotation and reflection."""
    for rest in itertools.permutations(range(1, period)):
        ranks = (0, *rest)  # point 0 is the largest
        flipped = [period - 1 - one for one in ranks]
        at = flipped.index(0)
        if ranks <= (*flipped[at:], *flipped[:at]):
            yield ranks


def cycle(method: Momentum, mu: float, L: float, period: int) -> Cycle:
    """Return the points with the largest margin over all orders, by HiGHS."""
    from scipy.optimize import linprog

    n = checks.count("period", period, 2, LONGEST)
    x = np.eye(n)
    y = np.array([method.query(x[t], x[t - 1]) for t in range(n)], dtype=float)
    g = np.array([method.gradient(x[(t + 1) % n], x[t], x[t - 1]) for t in range(n)], dtype=float)
    best = Cycle(n, -math.inf)
    for ranks in orders(n):
        order = sorted(range(n), key=lambda t: ranks[t])
        rows = []
        for above, below in itertools.pairwise(order):
            dy, dg = y[above] - y[below], g[above] - g[below]
            rows += [np.r_[mu * dy - dg, 1.0], np.r_[dg - L * dy, 1.0]]
        spread = np.r_[y[order[0]] - y[order[-1]], 0.0]
        found = linprog(
            np.r_[np.zeros(n), -1.0], A_ub=np.array(rows), b_ub=np.zeros(len(rows)),
            A_eq=np.array([spread, np.r_[x[0], 0.0]]), b_eq=[1.0, 0.0], bounds=[(None, None)] * (n + 1),
            method="highs",
        )  # fmt: skip
        if found.status == 0 and -found.fun > best.margin:
            best = Cycle(n, -float(found.fun), tuple(float(one) for one in found.x[:n]))
    return best


def certificate(
    method: Momentum, mu: Fraction, L: Fraction, points: Sequence[float], largest: int = 10**12
) -> dict[str, Any]:
    """Return the certificate of a cycle: its points as the simplest rationals that still do.

    Raises
    ------
    Refused
        If no rationals with denominators up to `largest` do, as on the edge of the class.
    """
    known = 10
    while known <= largest:
        exact = [Fraction(one).limit_denominator(known) for one in points]
        record = {
            "format": 1,
            "class": "line",
            "optimizer": method.method,
            "hyper": {
                name: str(Fraction(value))
                for name, value in (("alpha", method.alpha), ("beta", method.beta), ("mu", mu), ("L", L))
            },
            "points": [str(one) for one in exact],
            "proves": PROVES["line"],
        }
        try:
            verify(record)
        except Refused:
            known *= 10
        else:
            return record
    raise Refused("no rational points near those of the linear programme form a cycle")


def verify(record: Mapping[str, Any]) -> str:
    """Recompute a certificate of the class *line* in rationals and return what was found in one line.

    Raises
    ------
    Refused
        With the reason.
    """
    if set(record) != {"format", "class", "optimizer", "hyper", "points", "proves"}:
        raise Refused("its fields are not those of a certificate of the class line")
    if (record["format"], record["class"], record["proves"]) != (1, "line", PROVES["line"]):
        raise Refused("its format, class or words are others")
    if record["optimizer"] not in METHODS:
        raise Refused(f"there is no method {record['optimizer']!r} in this class")
    try:
        values = {name: checks.rational(name, str(text)) for name, text in record["hyper"].items()}
        x = [checks.rational("points", str(text)) for text in record["points"]]
        mu, L = values.pop("mu"), values.pop("L")
        method = Momentum(record["optimizer"], **values)
        n = len(x)
        y = [method.query(x[t], x[t - 1]) for t in range(n)]
        g = [method.gradient(x[(t + 1) % n], x[t], x[t - 1]) for t in range(n)]
    except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError) as error:
        raise Refused(f"its numbers are none: {error}") from None
    if len(set(y)) != n or n < 2 or mu <= 0:
        raise Refused("its points are not different, or mu is not positive")
    pairs = itertools.pairwise(sorted(zip(y, g, strict=True)))
    slopes = [(h - f) / (q - p) for (p, f), (q, h) in pairs]
    if not all(mu <= slope <= L for slope in slopes):
        raise Refused("a slope between neighbours is outside of [mu, L]")
    return f"{n} points, slopes from {float(min(slopes)):.6g} to {float(max(slopes)):.6g}, L/mu = {float(L / mu):.6g}"
