"""Adam's vector field E[m/sqrt(v)] by simulation, for sampling orders that have no closed form.

With gradients that do not depend on x, a run at constant step 1 moves by minus the sum of m/sqrt(v): the
same lane loop that runs the experiments measures the field, and `counterexamples.drift` is its cyclic case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from theory_sim.nouns.family import family
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.sweep import simulate
from theory_sim.optimizers.adam import adam
from theory_sim.rules import checks


@dataclass(frozen=True)
class Estimate:
    """A Monte-Carlo mean and its standard error, from independent lanes."""

    value: float
    standard_error: float

    def sign(self, sigmas: float = 3.0) -> int:
        """Return +1 or -1, or 0 if the value is within `sigmas` standard errors of 0."""
        return int(math.copysign(1, self.value)) if abs(self.value) > sigmas * self.standard_error else 0


def _slope(index: int, C: float) -> float:
    return C if index == 0 else -1.0


@family
def linear(n: int, C: float) -> Problem:
    """n linear components without a domain, one of slope C and n - 1 of slope -1."""
    return Problem("monte_carlo.linear", _slope, {"C": C}, components=n, paper="zhang2022")


def vector_field(
    problem: Problem,
    beta1: float,
    beta2: float,
    *,
    order: str = "replacement",
    workers: int = 1,
    steps: int = 100_000,
    lanes: int = 256,
    entropy: int = 0,
) -> Estimate:
    """Estimate E[m/sqrt(v)] at stationarity for gradients that do not depend on x.

    Parameters
    ----------
    problem : Problem
        Scalar, without a domain, its gradients independent of x.
    beta1, beta2 : float
    order : {"cyclic", "reshuffled", "replacement"}
    workers : int
        Gradients averaged per step.
    steps : int
        Steps measured per lane, rounded up to whole epochs, after a burn-in of 12/(1 - max(beta1, beta2)).
    lanes : int
        Independent repetitions, >= 2; their spread gives the standard error.
    entropy : int
        The same entropy gives the same noise for all betas, so that differences and roots are smooth.

    Returns
    -------
    Estimate
    """
    checks.count("lanes", lanes, 2)
    burn_in = math.ceil(12.0 / (1.0 - max(checks.beta("beta1", beta1), checks.beta("beta2", beta2))))
    # Whole epochs, or the cyclic mean would have a bias that no standard error shows.
    burn_in, steps = (-(-count // problem.components) * problem.components for count in (burn_in, steps))
    optimizer = adam(lr=1.0, beta1=beta1, beta2=beta2, eps=0.0, bias_correction=False)
    grid = simulate(
        problem,
        optimizer,
        steps=burn_in + steps,
        seeds=lanes,
        order=order,
        workers=workers,
        checkpoints=(burn_in, burn_in + steps),
        entropy=entropy,
    )
    moved = -grid.x.diff("checkpoint").values.ravel() / steps
    return Estimate(float(moved.mean()), float(moved.std(ddof=1) / math.sqrt(lanes)))


def drift(
    beta1: float,
    beta2: float,
    n: int,
    C: float,
    order: str = "reshuffled",
    *,
    steps: int = 100_000,
    lanes: int = 256,
    entropy: int = 0,
) -> Estimate:
    """Estimate n E[m/sqrt(v)], the quantity `counterexamples.drift.drift` gives for the cyclic order."""
    field = vector_field(linear(n, C), beta1, beta2, order=order, steps=steps, lanes=lanes, entropy=entropy)
    return Estimate(n * field.value, n * field.standard_error)


def critical_beta2(
    beta1: float,
    n: int,
    C: float,
    order: str = "reshuffled",
    *,
    bracket: tuple[float, float],
    steps: int = 100_000,
    lanes: int = 256,
    entropy: int = 0,
) -> Estimate:
    """Find the root in beta2 of the Monte-Carlo drift, with the same noise at every beta2.

    Parameters
    ----------
    beta1, n, C, order, steps, lanes, entropy
        As in `drift`.
    bracket : (float, float)
        Values of beta2 at which the drift has different signs.

    Returns
    -------
    Estimate
        The root and its standard error: that of the drift over its slope at the root.

    Raises
    ------
    ValueError
        If the drift has one sign on the bracket.
    """
    from scipy.optimize import brentq

    def at(u: float) -> Estimate:
        return drift(beta1, -math.expm1(u), n, C, order, steps=steps, lanes=lanes, entropy=entropy)

    low, high = (math.log1p(-checks.beta("bracket", edge)) for edge in bracket)
    if np.sign(at(low).value) == np.sign(at(high).value):
        raise ValueError(
            f"bracket = {bracket} does not enclose a root: the drift has one sign on it; widen it."
        )
    root = brentq(lambda u: at(u).value, low, high, xtol=1e-4)
    h = 0.05
    slope = (at(root + h).value - at(root - h).value) / (2.0 * h)
    share = math.exp(root)
    return Estimate(1.0 - share, share * at(root).standard_error / abs(slope))
