"""The functions of Zhang, Chen, Shi, Sun, Luo, "Adam Can Converge Without Any Modification on Update Rules".

NeurIPS 2022, arXiv:2208.09632, with the extended version arXiv:2603.02092.  All have one large component
gradient against n - 1 small ones of the other sign, so Adam's direction is the sign of one number, the drift
(`counterexamples.drift`).
"""

from __future__ import annotations

from dataclasses import replace

from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks

PAPER = "zhang2022"

# The slope is constant far from x*, so approaching and receding are the two long-run behaviours.
RULE = Rule("distance", converged=0.9, diverged=1.1, relative=True, settled=0.1, unbounded=True)


def piecewise_shape(x: float) -> float:
    """Return s(x) = 1 for x >= -1 and x + 2 below."""
    return x + 2.0 if x < -1.0 else 1.0


def piecewise_gradient(x: float, index: int, G: float, a: float) -> float:
    """Return G s(x) for component 0, -a s(x) for the others."""
    return piecewise_shape(x) * (G if index == 0 else -a)


def piecewise_measure(x: float, n: float) -> tuple[float, float, float]:
    """Return |x + 2|, |f'(x)| and f(x) - f*, with f the mean of the components."""
    away = x + 2.0
    gap = 0.5 * away * away if x < -1.0 else x + 1.5
    return abs(away), abs(piecewise_shape(x)) / n, gap / n


def quadratics_gradient(x: float, index: int, a: float) -> float:
    """Return 2 (x - a) for component 0, -0.2 (x - 10 a/9) for the nine others."""
    return 2.0 * (x - a) if index == 0 else -0.2 * (x - a * 10.0 / 9.0)


def quadratics_measure(x: float) -> tuple[float, float, float]:
    """Return |x|, |f'(x)| and f(x) - f*, with f = x^2/100 + const the mean of the components."""
    return abs(x), 0.02 * abs(x), 0.01 * x * x


@family
def piecewise(n: int = 10, a: float = 1.0, *, x0: float = 0.0) -> Problem:
    """The divergence function (2208.09632, Proposition 3.3; 2603.02092, eq. 2.5).

    Component 0 has gradient G s(x), the others -a s(x), with G = 1 + (n-1) a and s(x) = 1 for x >= -1, x + 2
    below; the components sum to x, then to (x+2)^2/2 - 3/2.  x* = -2 and D0 = 0.

    Parameters
    ----------
    n : int
        Number of components, >= 2.
    a : float
        > 0.  The gradient ratio is C = n - 1 + 1/a: a = 1 is the function of 2022,
        a = 1/(n-1)^2 has C = n(n-1).
    x0 : float
        Start.  Gradients of the iterates can diverge only on the left branch, from x0 < -2.

    Returns
    -------
    Problem
        Measures: distance |x - x*|, gradient_norm |f'(x)|, gap f(x) - f*, f the mean of the components.

    Notes
    -----
    The sign of the drift (`counterexamples.drift`) decides for small steps where s changes little.  Near x* an orbit
    with a negative drift can stay trapped: where beta1 >= sqrt(beta2), or where long first steps have brought it there.
    """
    checks.count("n", n, 2)
    checks.number("a", a, 0.0, open_low=True)
    G = 1.0 + (n - 1) * a
    return Problem(
        name="zhang.piecewise",
        gradient=piecewise_gradient,
        constants={"G": G, "a": a, "n": float(n)},
        components=n,
        measure=piecewise_measure,
        measures=("distance", "gradient_norm", "gap"),
        start=x0,
        optimum=-2.0,
        rule=RULE,
        facts={
            "n": n,
            "ratio": n - 1 + 1 / a,
            "L": G,
            "D0": 0.0,
            "D1": float(n * n) * (G * G + (n - 1) * a * a),
        },
        paper=PAPER,
    )


@family
def batch(N: int, B: int) -> Problem:
    """N samples, one of slope N and N - 1 of slope -1, in batches of B: `piecewise` with n = N/B and a = B.

    Parameters
    ----------
    N : int
    B : int
        Batch size, a divisor of N with N/B >= 2.  The batch ratio is C = (N - B + 1)/B.
    """
    checks.count("N", N, 2)
    checks.count("B", B)
    if N % B or N // B < 2:
        raise ValueError(f"B = {B} must divide N = {N} into at least two batches.")
    return replace(piecewise(N // B, float(B)), name="zhang.batch")


@family
def quadratics(a: float = 0.0, *, x0: float = 0.01) -> Problem:
    """Ten quadratics, (x-a)^2 and nine times -(x - 10a/9)^2/10; their sum is x^2/10 - a^2/9 with x* = 0.

    Parameters
    ----------
    a : float
        0: realizable, D0 = 0, gradient ratio C = n = 10.  Otherwise D0 is proportional to a^2.
    x0 : float
        Start.

    Returns
    -------
    Problem
        Measures: distance |x|, gradient_norm |f'(x)|, gap f(x) - f*, f the mean of the components.
        With a = 0 also a verdict rule; with a != 0 Adam settles at a bias, see `drift.quadratics_bias`.

    Notes
    -----
    From the toy runs of Shi et al. (ICLR 2021, appendix) and the D0 experiment of Zhang et al.  Squared component
    gradients sum to 4 (x-a)^2 + 0.36 (x - 10a/9)^2; with f = sum, f' = x/5, this is D1_sum f'^2 + D0, D1_sum = 109 at a = 0; with
    f = mean, as in `piecewise`, the factor is D1 = n^2 D1_sum.
    """
    checks.number("a", a)
    facts = {"n": 10, "L": 2.0, "D1": 10900.0, "D1_sum": 109.0}
    return Problem(
        name="zhang.quadratics",
        gradient=quadratics_gradient,
        constants={"a": a},
        components=10,
        measure=quadratics_measure,
        measures=("distance", "gradient_norm", "gap"),
        start=x0,
        optimum=0.0,
        rule=Rule("distance", 0.5, 2.0, relative=True, unbounded=True) if a == 0.0 else None,
        unjudged=""
        if a == 0.0
        else "Adam settles at a bias that grows with a, which is neither failure nor success.",
        facts={**facts, "ratio": 10.0, "D0": 0.0} if a == 0.0 else facts,
        paper=PAPER,
    )


PROBLEMS = [piecewise, batch, quadratics]
