"""The class *sign*: how large a noise-free cycle of a sign method with a constant step size can be.

On a mu-strongly convex, L-smooth function of one variable x sweeps from +A lr to -A lr and back, a step of lr at a
time.  The gradients at the points of the lattice are free but for the slopes between neighbours, in [mu, L], so
one linear programme gives the smallest condition number L/mu that allows the sweep.  By symmetry gradients are
odd.  Other shapes of orbits are not searched: amplitudes are lower bounds.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theory_sim import checks

Row = list[Fraction]


@dataclass(frozen=True)
class Sweeping:
    """The smallest condition number for one amplitude.

    Parameters
    ----------
    amplitude : Fraction
        In units of lr.
    kappa : float
        Infinite if no function allows the sweep.
    gradients : tuple of float
        At the positive points of the lattice, the largest first, for mu = 1.
    """

    amplitude: Fraction
    kappa: float
    gradients: tuple[float, ...] = ()


def programme(beta1: Fraction, beta2: Fraction, steps: int) -> tuple[list[Row], list[Row]]:
    """Return what has to be positive, and the slopes, as rows over the gradients at positive points.

    The sign is that of beta1 m + (1 - beta1) g, then m becomes beta2 m + (1 - beta2) g; Signum has beta1 = beta2.
    Half a period takes `steps` = 2 A steps; after it all signs are reversed.
    """
    A = Fraction(steps, 2)
    places = [A - t for t in range(steps + 1)]
    positive = [z for z in places if z > 0]

    def at(z: Fraction) -> Row:
        return [Fraction((z == p) - (z == -p)) for p in positive]

    def mixed(weight: Fraction, a: Row, b: Row) -> Row:
        return [weight * p + (1 - weight) * q for p, q in zip(a, b, strict=True)]

    seen = [at(places[t]) for t in range(steps)]
    fed = [Fraction(0)] * len(positive)
    for g in seen:
        fed = mixed(beta2, fed, g)
    m = [-one / (1 + beta2**steps) for one in fed]  # m before the sweep is minus m after it
    signs = []
    for g in seen:
        signs.append(mixed(beta1, m, g))
        m = mixed(beta2, m, g)
    slopes = [[p - q for p, q in zip(at(a), at(b), strict=True)] for a, b in itertools.pairwise(positive)]
    slopes.append([one / positive[-1] for one in at(positive[-1])])  # to the mirror image, or to 0
    return signs, slopes


def smallest(beta1: Any, beta2: Any, amplitude: Any) -> Sweeping:
    """Return the smallest condition number on which a sign method sweeps over [-A lr, A lr].

    Parameters
    ----------
    beta1, beta2 : exact number
        Of Lion; equal for Signum, 0 for signSGD.
    amplitude : exact number
        A, a multiple of 1/2.
    """
    from scipy.optimize import linprog

    A = checks.rational("amplitude", amplitude)
    steps = checks.count("2 amplitude", int(2 * A) if (2 * A).denominator == 1 else -1)
    signs, slopes = programme(checks.rational("beta1", beta1), checks.rational("beta2", beta2), steps)
    rows: list[list[float]] = [[*(-float(one) for one in row), 0.0] for row in (*signs, *slopes)]
    bounds = [0.0] * len(signs) + [-1.0] * len(slopes)
    rows += [[*map(float, row), -1.0] for row in slopes]
    bounds += [0.0] * len(slopes)
    n = len(slopes[0])
    found = linprog(
        [0.0] * n + [1.0], A_ub=rows, b_ub=bounds, bounds=[(None, None)] * n + [(1.0, None)], method="highs"
    )
    if found.status != 0:
        return Sweeping(A, float("inf"))
    return Sweeping(A, float(found.x[-1]), tuple(float(one) for one in found.x[:n]))


def proved(beta1: Any, beta2: Any, amplitude: Any, kappa: Any, gradients: Sequence[Any]) -> bool:
    """Whether rationals are gradients of a function with slopes in [1, kappa] on which the sweep repeats for ever.

    Every argument of a sign has to be positive, not zero.
    """
    A, top = checks.rational("amplitude", amplitude), checks.rational("kappa", kappa)
    g = [checks.rational("gradients", one) for one in gradients]
    b1, b2 = checks.rational("beta1", beta1), checks.rational("beta2", beta2)
    signs, slopes = programme(b1, b2, int(2 * A))

    def value(row: Row) -> Fraction:
        return sum((a * b for a, b in zip(row, g, strict=True)), Fraction(0))

    return all(value(row) > 0 for row in signs) and all(1 <= value(row) <= top for row in slopes)


def certified(
    beta1: Any, beta2: Any, amplitude: Any, slack: Any = "0.01"
) -> tuple[Fraction, list[Fraction]] | None:
    """Return (kappa, gradients), exact and proved, with a kappa a little above the smallest; None if rounding fails.

    At the smallest kappa itself some argument of a sign may vanish, so an interior point is taken.
    """
    from scipy.optimize import linprog

    best = smallest(beta1, beta2, amplitude)
    if best.kappa == float("inf"):
        return None
    top = Fraction(best.kappa * (1.0 + float(checks.rational("slack", slack)))).limit_denominator(
        1000
    ) + Fraction(1, 1000)
    signs, slopes = programme(
        checks.rational("beta1", beta1), checks.rational("beta2", beta2), int(2 * best.amplitude)
    )
    n = len(slopes[0])
    rows = [[*(-float(one) for one in row), 1.0] for row in (*signs, *slopes)] + [
        [*map(float, row), 1.0] for row in slopes
    ]
    bounds = [0.0] * len(signs) + [-1.0] * len(slopes) + [float(top)] * len(slopes)
    inner = linprog(
        [0.0] * n + [-1.0], A_ub=rows, b_ub=bounds, bounds=[(None, None)] * (n + 1), method="highs"
    )
    if inner.status != 0:
        return None
    for digits in (10**3, 10**6, 10**9, 10**12):
        g = [Fraction(float(one)).limit_denominator(digits) for one in inner.x[:n]]
        if proved(beta1, beta2, amplitude, top, g):
            return top, g
    return None
