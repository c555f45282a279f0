"""Three-valued verdicts, the rules that give them, and intervals for fractions over seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from theory_sim import checks


class Verdict(StrEnum):
    """What a run shows at its horizon; it compares equal to its own name."""

    CONVERGED = "CONVERGED"
    DIVERGED = "DIVERGED"
    UNDECIDED = "UNDECIDED"


class Status(StrEnum):
    """Whether a lane stayed finite."""

    FINITE = "FINITE"
    NONFINITE = "NONFINITE"


@dataclass(frozen=True)
class Rule:
    """When a run counts as converged or diverged.

    The quantity is the mean of one measure over the last `window` of the run.  A verdict needs the same
    answer at half the horizon and at the horizon; anything else is UNDECIDED.

    Parameters
    ----------
    measure : str
        Name of a measure of the problem, >= 0.
    converged : float
        CONVERGED below this value.
    diverged : float
        DIVERGED above this value, >= converged.
    relative : bool
        Whether both thresholds are multiples of the measure at the start.
    window : float
        Share of the run that is averaged, in (0, 0.5]; it should span several periods of the problem.
    """

    measure: str
    converged: float
    diverged: float
    relative: bool = False
    window: float = 0.05

    def __post_init__(self) -> None:
        checks.flag("relative", self.relative)
        checks.number("converged", self.converged, 0.0)
        checks.number("diverged", self.diverged, self.converged)
        checks.number("window", self.window, 0.0, 0.5, open_low=True)

    def judge(self, half: Any, full: Any, start: Any, finite: Any, escaped: Any) -> np.ndarray[Any, Any]:
        """Return the verdict of each lane.

        Parameters
        ----------
        half, full : ndarray
            Window means at half the horizon and at the horizon; NaN once a lane is not finite.
        start : ndarray
            The measure at x_1.
        finite, escaped : ndarray of bool
            A lane that is not finite is never CONVERGED: it is DIVERGED if it escaped (an unconstrained
            iterate grew beyond every float), and UNDECIDED otherwise, since 0/0 shows nothing.
        """
        scale = start if self.relative else 1.0
        low, high = self.converged * scale, self.diverged * scale
        verdict = np.full(np.shape(full), Verdict.UNDECIDED.value, dtype="<U9")
        verdict[finite & (half < low) & (full < low)] = Verdict.CONVERGED.value
        verdict[(finite & (half > high) & (full > high)) | escaped] = Verdict.DIVERGED.value
        return verdict


def wilson(successes: Any, trials: Any, confidence: float = 0.95) -> tuple[Any, Any]:
    """Return the Wilson score interval of a binomial proportion.

    Parameters
    ----------
    successes, trials : array_like of int
        0 <= successes <= trials, trials >= 1.
    confidence : float
        Two-sided level in (0, 1).

    Returns
    -------
    low, high : ndarray
        E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209.
    """
    from scipy.special import ndtri

    checks.number("confidence", confidence, 0.0, 1.0, open_low=True, open_high=True)
    n = np.asarray(trials, dtype=float)
    p = np.asarray(successes, dtype=float) / n
    z2 = float(ndtri(0.5 + confidence / 2.0)) ** 2
    centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n)
    half = math.sqrt(z2) * np.sqrt(p * (1.0 - p) / n + z2 / (4.0 * n * n)) / (1.0 + z2 / n)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
