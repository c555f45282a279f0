"""Gradient sequences that do not look at x: what an update rule does to a given sequence.

With lr = 1 and no domain a run's displacement is minus the sum of its updates, so single updates are differences of
consecutive checkpoints.
"""

from __future__ import annotations

from typing import Any

from theory_sim import checks
from theory_sim.problem import Problem

PAPER = ""


def geometric_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """ratio^(t-1)."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                out[j, i, lane] = theta[0, lane] ** float(t - 1)


def heavy_tailed_gradient(x: Any, t: int, idx: Any, noise: Any, theta: Any, out: Any) -> None:
    """offset + sign (1 - u)^-tail with a random sign."""
    workers, d, lanes = out.shape
    for j in range(workers):
        for i in range(d):
            for lane in range(lanes):
                u = noise[2 * (j * d + i), lane]
                sign = 1.0 if noise[2 * (j * d + i) + 1, lane] < 0.5 else -1.0
                out[j, i, lane] = theta[1, lane] + sign * (1.0 - u) ** -theta[0, lane]


def geometric(ratio: float) -> Problem:
    """g_t = ratio^(t-1); ratio = beta2/beta1 makes |m|/sqrt(v) of Adam as large as it can be.

    Parameters
    ----------
    ratio : float
        > 0; 1 is the constant gradient.
    """
    return Problem(
        name="sequences.geometric",
        gradient=geometric_gradient,
        constants={"ratio": checks.number("ratio", ratio, 0.0, open_low=True)},
        paper=PAPER,
        family=geometric,
        arguments={"ratio": ratio},
    )


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
        gradient=heavy_tailed_gradient,
        constants={"tail": checks.number("tail", tail, 0.0), "offset": checks.number("offset", offset)},
        draws=2,
        paper=PAPER,
        family=heavy_tailed,
        arguments={"tail": tail, "offset": offset},
    )


PROBLEMS = [geometric, heavy_tailed]
