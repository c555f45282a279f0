"""Gradient sequences that do not look at x: what an update rule does to a given sequence.

With lr = 1 and no domain a run's displacement is minus the sum of its updates, so single updates are
differences of consecutive checkpoints.
"""

from __future__ import annotations

from theory_sim.evidence.hunter.sequence import periodic
from theory_sim.nouns import noise
from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.rules import checks

PAPER = ""


def geometric_gradient(t: int, ratio: float) -> float:
    """Return ratio^(t-1)."""
    power: float = ratio ** float(t - 1)
    return power


def heavy_tailed_gradient(noise: float, offset: float) -> float:
    """Return offset + noise."""
    return offset + noise


@family
def geometric(ratio: float) -> Problem:
    """g_t = ratio^(t-1); ratio = beta2/beta1 makes |m|/sqrt(v) of Adam as large as it can be.

    Parameters
    ----------
    ratio : float
        > 0; 1 is the constant gradient.
    """
    return Problem(
        name="sequences.geometric",
        unjudged="A sequence of gradients has no minimiser.",
        gradient=geometric_gradient,
        constants={"ratio": checks.number("ratio", ratio, 0.0, open_low=True)},
        paper=PAPER,
    )


@family
def heavy_tailed(tail: float, offset: float = 0.0) -> Problem:
    """g_t = offset + sign times a Pareto variable with P(|.| > s) = s^(-1/tail), s >= 1.

    Parameters
    ----------
    tail : float
        >= 0; 0 gives random signs, >= 1/2 an infinite variance, >= 1 an infinite mean.
    offset : float
        Shifts every gradient.
    """
    return Problem(
        name="sequences.heavy_tailed",
        unjudged="A sequence of gradients has no minimiser.",
        gradient=heavy_tailed_gradient,
        constants={"tail": checks.number("tail", tail, 0.0), "offset": checks.number("offset", offset)},
        noise=noise.PARETO,
        paper=PAPER,
    )


PROBLEMS = [geometric, heavy_tailed, periodic]
