"""The phase-diagram problem of Shi, Li, Hong, Sun: RMSProp converges with proper hyper-parameter (2021)."""

from __future__ import annotations

from dataclasses import replace

from counterexamples import reddi
from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.verdict import Rule
from theory_sim.rules import checks

PAPER = "shi2021"

# Figure 1: "convergent" if the distance to -1 is below .01 on average over the last quarter.
RULE = Rule("distance", converged=0.01, diverged=1.0, window=0.25)


def two_hit_gradient(index: int, C: float, small: float) -> float:
    """Return C for components 0 and 1, -small for the others."""
    return C if index <= 1 else -small


@family
def periodic(C: int) -> Problem:
    """f_t(x) = C x if t mod C = 1, else -x, on [-1, 1], started at x_1 = 100, outside the box (Figure 1).

    Parameters
    ----------
    C : int
        Slope and period, >= 2.
    """
    n = checks.count("C", C, 2)
    base = reddi.periodic(float(n), period=n)
    return replace(
        base,
        name="shi.periodic",
        start=100.0,
        rule=RULE,
        paper=PAPER,
    )


@family
def two_hit(C: int) -> Problem:
    """The sequence of the published code before January 2021: slope C at two phases of the period C, not one.

    Parameters
    ----------
    C : int
        Slope and period, >= 3; the mean slope is (2 C - (C - 2))/C = 1 + 2/C.
    """
    n = checks.count("C", C, 3)
    slope = 1.0 + 2.0 / n
    return replace(
        periodic(n),
        name="shi.two_hit",
        gradient=two_hit_gradient,
        constants={"C": float(n), "small": 1.0, "optimum": -1.0, "slope": slope},
        reductions={},
        measure=reddi.stochastic_measure,
        measures=("distance", "gap"),
        online=(),
        facts={"slope": slope, "G": float(n), "D_inf": 2.0, "n": n, "ratio": n},
    )


PROBLEMS = [periodic, two_hit]
