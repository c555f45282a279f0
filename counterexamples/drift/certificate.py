"""Certificates for Adam on one large gradient against n - 1 small ones, in ball arithmetic.

The drift D(beta1, beta2; n, C) of `counterexamples.drift` is the sum of m / sqrt(v) over one period of the
gradients (C, -1, ..., -1) at Adam's periodic steady state, and S = C - (n-1) their sum.  With
s(b) = 1 + b + ... + b^(n-1), r_k(b) = 1 / sqrt(s(b) + (C^2 - 1) b^k), R = r_0 + ... + r_(n-1) at beta2,

    D s(beta1) / sqrt(s(beta2)) = sum_k c_k beta1^k,        c_k = (C+1) r_k - R,                        (1)

which has no singularity on the closed unit square; at beta = 1 it is the limit of D.

What the sign of D proves (linear components on a box, eps = 0, cyclic order, steps lr_t = lr t^-s,
0 < s <= 1, with or without bias correction).  The gradients do not depend on x, so m_t and v_t converge to
the steady state geometrically from any initial moments; as lr_t / lr_(t+n) -> 1, one period moves x by -lr_t
(D + o(1)) away from the walls, and by less than lr_t Q in any case, with Q above the sum of abs(m) / sqrt(v).
Let D > 0.  The upper wall only lowers x, by monotonicity of the clamp, so x falls by at least lr_t D / 2 per
period until it is within 2 lr_t Q of the lower wall; the steps have no finite sum, so it gets there, again
and again, and lr_t Q -> 0 keeps it there.  Hence x tends to the minimiser if D and S have one sign
(CONVERGED) and to the opposite corner if they differ (DIVERGED), from every start.

For the piecewise function (`counterexamples.zhang.piecewise`, C = n - 1 + 1/a) the same argument holds on the
half-line x >= -1, where it is linear: DIVERGED sends every run that stays there to +infinity, CONVERGED makes
every run leave each half-line x >= y > -1.  Nothing is claimed about other orders, eps > 0 or summable steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from theory_sim import exact
from theory_sim.exact.arithmetic import module
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Verdict
from theory_sim.rules import checks
from theory_sim.rules.checks import rational

MAX_BITS = 4096
SCOPE = (
    "for n linear components with slopes C, -1, ..., -1 on a box, in cyclic order, with eps = 0 and steps lr t^-s, "
    "0 < s <= 1, from every start"
)


class Place(StrEnum):
    """Where a run of finitely many steps is; what it does later is another question, see `certify`."""

    RIGHT_CORNER = "RIGHT_CORNER"
    WRONG_CORNER = "WRONG_CORNER"
    UNKNOWN = "UNKNOWN"


def setting(n: int, C: Any) -> tuple[int, Fraction]:
    """Return n and C as exact numbers.

    Raises
    ------
    ValueError
        Unless n >= 2 is an integer, C > 1, and C differs from n - 1, where the full gradient vanishes.
    """
    n, ratio = checks.count("n", n, 2), rational("C", C)
    if ratio <= 1:
        raise ValueError(f"C = {C} is not above 1, so no gradient is the large one: use a larger C.")
    if ratio == n - 1:
        raise ValueError(
            f"C = {C} is n - 1, so the full gradient vanishes and no direction is wrong: change C."
        )
    return n, ratio


def piecewise_ratio(n: int, a: Any) -> Fraction:
    """C = n - 1 + 1/a of `counterexamples.zhang.piecewise`, for an exact a > 0."""
    exact_a = rational("a", a)
    if exact_a <= 0:
        raise ValueError(f"a = {a} must be positive, as in zhang.piecewise.")
    return checks.count("n", n, 2) - 1 + 1 / exact_a


def verdict_of(sign: int, n: int, C: Fraction) -> Verdict:
    """CONVERGED if `sign`, that of D, is the sign of the full gradient C - (n-1), DIVERGED otherwise."""
    return Verdict.CONVERGED if (sign > 0) == (n - 1 < C) else Verdict.DIVERGED


def weight(name: str, beta: Any) -> Fraction:
    """Return an averaging weight in [0, 1) as an exact number."""
    value = rational(name, beta)
    if not 0 <= value < 1:
        raise ValueError(f"{name} = {beta} is outside [0, 1): choose an averaging weight below 1.")
    return value


def drift_ball(beta1: Any, beta2: Any, n: int, C: Any, bits: int = 128) -> Any:
    """Enclose D(beta1, beta2; n, C).

    Parameters
    ----------
    beta1, beta2 : exact number or flint.arb
        A ball stands for all of its numbers; exact numbers in [0, 1] are int, Fraction, "0.99" or a float.
    n : int
    C : exact number
    bits : int
        Working precision.

    Returns
    -------
    flint.arb
    """
    n, C = setting(n, C)
    balls, arb = exact.balls(bits), module("flint").arb
    with balls.precision():
        b1, b2 = (
            beta if isinstance(beta, arb) else balls.convert(rational(name, beta))
            for name, beta in (("beta1", beta1), ("beta2", beta2))
        )
        ratio = balls.convert(C)
        powers1, powers2 = powers(b1, n), powers(b2, n)
        s1, s2 = sum(powers1, arb(0)), sum(powers2, arb(0))
        terms = (
            ((ratio + 1) * p1 / s1 - 1) / (1 + (ratio * ratio - 1) * p2 / s2).sqrt()
            for p1, p2 in zip(powers1, powers2, strict=True)
        )
        return sum(terms, arb(0))


def powers(b: Any, n: int) -> list[Any]:
    """1, b, ..., b^(n-1) by multiplication."""
    out = [b * 0 + 1]
    for _ in range(n - 1):
        out.append(out[-1] * b)
    return out


def ends(ball: Any) -> tuple[Fraction, Fraction]:
    """Exact lower and upper bound of a finite ball."""
    low, high = ((int(m), int(e)) for m, e in (ball.lower().man_exp(), ball.upper().man_exp()))
    return low[0] * Fraction(2) ** low[1], high[0] * Fraction(2) ** high[1]


@dataclass(frozen=True)
class Cell:
    """The proved sign of D at one point.

    Parameters
    ----------
    beta1, beta2 : Fraction
    n : int
    C : Fraction
    verdict : Verdict
        UNDECIDED only with a reason.
    drift : str
        Enclosure of D, as ``[midpoint +/- radius]``.
    bits : int
        Precision that decided, or the last one tried.
    reason : str
        Why there is no verdict; empty otherwise.
    """

    beta1: Fraction
    beta2: Fraction
    n: int
    C: Fraction
    verdict: Verdict
    drift: str
    bits: int
    reason: str = ""


def certify(beta1: Any, beta2: Any, n: int, C: Any, *, max_bits: int = MAX_BITS) -> Cell:
    """Prove the sign of the drift at one point of [0, 1)^2; the module says what that proves.

    Parameters
    ----------
    beta1, beta2 : exact number
        "0.99" is 99/100; the float 0.99 is its binary64 value.
    n : int
        Number of components, >= 2.
    C : exact number
        Large gradient, > 1, the others being -1.
    max_bits : int
        Precision is doubled from 64 bits up to this.

    Returns
    -------
    Cell
    """
    b1, b2 = weight("beta1", beta1), weight("beta2", beta2)
    n, C = setting(n, C)
    bits = 64
    while True:
        ball = drift_ball(b1, b2, n, C, bits)
        if ball > 0 or ball < 0:
            return Cell(b1, b2, n, C, verdict_of(1 if ball > 0 else -1, n, C), ball.str(20), bits)
        vanishes = b2 == 0 and drift_at_zero(b1, n, C) == 0
        if vanishes or bits >= max_bits:
            why = "D = 0 exactly" if vanishes else f"{bits} bits do not separate D from 0"
            reason = f"{why}, so D has no proved sign."
            return Cell(b1, b2, n, C, Verdict.UNDECIDED, ball.str(20), bits, reason)
        bits = min(2 * bits, max_bits)


def drift_at_zero(beta1: Fraction, n: int, C: Fraction) -> Fraction:
    """C times the sum (1) at beta2 = 0, where every root is rational."""
    whole: Fraction = sum(powers(beta1, n), Fraction(0))
    large = C + 1 - whole
    return large + C * (whole * (C - (n - 1)) - large)


@dataclass(frozen=True)
class Trajectory:
    """Where a run in balls provably is after its last step.

    Parameters
    ----------
    place : Place
        UNKNOWN unless it is within the distance of a corner.
    low, high : Fraction
        Bounds of the last iterate; of the domain if no run got through.
    domain : (float, float)
    corner : float or None
        The corner reached.
    steps : int
        Number of updates.
    bits : int
        Precision that decided, or the last one tried.
    statement : str
        What is proved, in one sentence; for UNKNOWN the reason.
    """

    place: Place
    low: Fraction
    high: Fraction
    domain: tuple[float, float]
    corner: float | None
    steps: int
    bits: int
    statement: str


def trajectory(
    problem: Problem,
    optimizer: Optimizer,
    steps: int,
    *,
    within: Any = "0.01",
    order: str = "cyclic",
    seed: int = 0,
    exactly: Mapping[str, Any] | None = None,
    bits: int = 64,
    max_bits: int = MAX_BITS,
) -> Trajectory:
    """Run the optimizer's own kernels in balls and say in which corner the run provably is after so many steps.

    Parameters
    ----------
    problem : Problem
        In one dimension, with a domain and its optimum at one of the two corners.
    optimizer : Optimizer
    steps : int
        Number of updates.
    within : exact number
        Distance to the corner that counts as reached.
    order, seed, exactly
        As in `theory_sim.exact.run`; exactly={"beta2": "1/10"} replaces the binary64 value.
    bits, max_bits : int
        Precision is doubled from `bits` up to `max_bits` while a comparison is undecidable or x is not known
        to within / 2.

    Returns
    -------
    Trajectory
    """
    checks.count("steps", steps)
    distance = rational("within", within)
    if problem.dim != 1 or problem.domain is None or problem.optimum not in problem.domain:
        raise ValueError(
            f"{problem.name} has no corners: give a problem on an interval with its optimum at an end."
        )
    domain = (float(problem.domain[0]), float(problem.domain[1]))
    low, high = Fraction(domain[0]), Fraction(domain[1])
    while True:
        try:
            ball = exact.run(
                problem, optimizer, steps, exact.balls(bits), order=order, seed=seed, exactly=exactly
            ).x[0]
            low, high = (min(max(end, Fraction(domain[0])), Fraction(domain[1])) for end in ends(ball))
            reason = f"x is only known to be in {ball.str(10)} at {bits} bits."
        except exact.Undecidable as error:
            reason = str(error)
        else:
            known = f"After {steps} steps x is in {ball.str(20)}"
            for corner in domain:
                if max(abs(low - Fraction(corner)), abs(high - Fraction(corner))) <= distance:
                    right = corner == problem.optimum
                    which = f"{'right' if right else 'wrong'} corner of [{domain[0]:g}, {domain[1]:g}]"
                    statement = f"{known}, provably within {within} of {corner:g}, the {which}."
                    place = Place.RIGHT_CORNER if right else Place.WRONG_CORNER
                    return Trajectory(place, low, high, domain, corner, steps, bits, statement)
            if high - low <= distance / 2:
                reason = f"{known}, not within {within} of a corner: take more steps."
                return Trajectory(Place.UNKNOWN, low, high, domain, None, steps, bits, reason)
        if bits >= max_bits:
            return Trajectory(Place.UNKNOWN, low, high, domain, None, steps, bits, reason)
        bits = min(2 * bits, max_bits)
