"""The class *sign*: how large a noise-free cycle of a sign method with a constant step size can be.

On a mu-strongly convex, L-smooth function of one variable x sweeps from +A lr to -A lr and back, a step of lr at a
time.  The gradients at the points of the lattice are free but for the slopes between neighbours, in [mu, L], so
one linear programme gives the smallest condition number L/mu that allows the sweep.  By symmetry gradients are
odd.  Other shapes of orbits are not searched: amplitudes are lower bounds.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theory_sim.evidence.hunter.certificate import Refused
from theory_sim.evidence.hunter.sweep_check import PROVES
from theory_sim.rules import checks

Row = list[Fraction]
METHODS = {"signum": ("beta",), "lion": ("beta1", "beta2")}


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
    if not all(map(any, signs)):  # an argument that is 0 for every function
        return Sweeping(A, float("inf"))
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
    beta1: Any, beta2: Any, amplitude: Any, largest: Any = None
) -> tuple[Fraction, list[Fraction]] | None:
    """Return (kappa, gradients), exact and proved, with kappa a little above the smallest; None if rounding fails.

    At the smallest kappa itself some argument of a sign may vanish, so an interior point is taken: for a kappa 1 %
    above, or for `largest` if that is less.
    """
    from scipy.optimize import linprog

    best = smallest(beta1, beta2, amplitude)
    if best.kappa == float("inf"):
        return None
    top = Fraction(best.kappa * 1.01).limit_denominator(1000) + Fraction(1, 1000)
    top = top if largest is None else min(top, checks.rational("largest", largest))
    weights = checks.rational("beta1", beta1), checks.rational("beta2", beta2)
    signs, slopes = programme(*weights, int(2 * best.amplitude))
    n = len(slopes[0])
    rows = [[*(-float(one) for one in row), 1.0] for row in (*signs, *slopes)]
    rows += [[*map(float, row), 1.0] for row in slopes]
    bounds = [0.0] * len(signs) + [-1.0] * len(slopes) + [float(top)] * len(slopes)
    inner = linprog(
        [0.0] * n + [-1.0], A_ub=rows, b_ub=bounds, bounds=[(None, None)] * (n + 1), method="highs"
    )
    if inner.status != 0:
        return None
    for digits in (10**3, 10**6, 10**9, 10**12):
        g = [Fraction(float(one)).limit_denominator(digits) for one in inner.x[:n]]
        if proved(*weights, amplitude, top, g):
            return top, g
    return None


def certificate(method: str, hyper: Mapping[str, Any], A: Fraction, kappa: Any) -> dict[str, Any]:
    """Return the certificate of a sweep at a condition number.

    Parameters
    ----------
    method : {"signum", "lion"}
    hyper : mapping of str to exact number
        beta, or beta1 and beta2.
    A : Fraction
        Amplitude in units of lr.
    kappa : exact number
        Largest condition number.

    Raises
    ------
    Refused
        If no exact gradients were found.
    """
    weights = [checks.rational(name, hyper[name]) for name in sorted(hyper)]
    found = certified(weights[0], weights[-1], A, kappa)
    if found is None:
        raise Refused(f"no rational gradients were found for the amplitude {A}")
    record = {
        "format": 1,
        "class": "sign",
        "optimizer": method,
        "hyper": {name: str(value) for name, value in zip(sorted(hyper), weights, strict=True)},
        "amplitude": str(A),
        "kappa": str(found[0]),
        "gradients": [str(one) for one in found[1]],
        "proves": PROVES,
    }
    verify(record)
    return record


def verify(record: Mapping[str, Any]) -> str:
    """Recompute a certificate of the class *sign* from its linear programme and return what was found in one line.

    The checker beside a result runs the method instead.

    Raises
    ------
    Refused
        With the reason.
    """
    names = {"format", "class", "optimizer", "hyper", "amplitude", "kappa", "gradients", "proves"}
    if set(record) != names or (record["format"], record["class"], record["proves"]) != (1, "sign", PROVES):
        raise Refused("its fields, format, class or words are others")
    wanted = METHODS.get(str(record["optimizer"]))
    try:
        if wanted is None or set(record["hyper"]) != set(wanted):
            raise Refused("there is no such method, or its hyperparameters are others")
        weights = [checks.rational(name, str(record["hyper"][name])) for name in sorted(wanted)]
        A, kappa = (checks.rational(name, str(record[name])) for name in ("amplitude", "kappa"))
        g = [checks.rational("gradients", str(one)) for one in record["gradients"]]
        steps = 2 * A
        fits = steps.denominator == 1 and steps > 0 and len(g) == -(-steps // 2)
        holds = fits and all(0 <= one < 1 for one in weights) and proved(weights[0], weights[-1], A, kappa, g)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise Refused(f"its numbers are none: {error}") from None
    if not holds:
        raise Refused("an argument of a sign is not positive, or a slope is outside of [1, kappa]")
    return f"amplitude {A} lr at condition number {float(kappa):.6g}"


def largest(method: str, hyper: Mapping[str, Any], kappa: Any, most: int = 60) -> Fraction:
    """Return the largest amplitude up to `most` whose smallest condition number is at most kappa, 0 if there is none.

    Amplitudes are tried in steps of 1/2 until three in a row need a larger condition number.
    """
    weights = [checks.rational(name, hyper[name]) for name in sorted(hyper)]
    best, misses = Fraction(0), 0
    for steps in range(1, 2 * most + 1):
        needed = smallest(weights[0], weights[-1], Fraction(steps, 2)).kappa
        if needed < float(checks.rational("kappa", kappa)):
            best, misses = Fraction(steps, 2), 0
        else:
            misses += 1
        if misses == 3:
            break
    return best
