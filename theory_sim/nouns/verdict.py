"""Three-valued verdicts, the rules that give them, and intervals for fractions over seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from theory_sim.rules import checks


class Verdict(StrEnum):
    """What a run shows at its horizon; it compares equal to its own name."""

    CONVERGED = "CONVERGED"
    DIVERGED = "DIVERGED"
    UNDECIDED = "UNDECIDED"
    UNJUDGED = "UNJUDGED"  # nobody said what would be a failure: neither the problem nor the sweep has a rule


class Status(StrEnum):
    """Whether a lane stayed finite."""

    FINITE = "FINITE"
    NONFINITE = "NONFINITE"


_SHARES = (4, 2, 1)  # the windows end at T/4, T/2 and T
_PARTS = 4  # of a window, whose scatter about a straight line tells noise from movement
# A change by that many standard deviations of a part is movement; of lanes with white noise 1
# in 200 is taken so.
_NOISE = 4.0
_ROUNDING = 1e-8  # relative; what the mean of 10^8 floats may be off by
# Steps lr/t^s bring a run to its limit by a factor 2^-s per doubling; one on its way goes on by 2^(1-s) >= 1.
_SLOWING = 0.9
_HALVED = 0.5  # what noise does not do to such a change


class Judgement(NamedTuple):
    """Of N lanes: verdicts, window means (N, 3), and the steps that would decide the open ones."""

    verdict: np.ndarray[Any, Any]
    means: np.ndarray[Any, Any]
    decides_at: np.ndarray[Any, Any]


@dataclass(frozen=True)
class Rule:
    """When a run counts as converged or diverged.

    The quantity is the mean of one measure over windows that end at a quarter of the horizon T, at its
    half, and at T.  A verdict rests on three things.

    - **Level.**  The means at T/2 and at T are both below `converged`, or both above `diverged`.
    - **Trend.**  A mean that changes between T/2 and T by more than its scatter within the windows is still
      moving.  If its changes shrink from one doubling of T to the next, it has a limit, which is
      extrapolated; else it goes on in its direction.  A run that is above `diverged` but on its way back, or
      below `converged` but on its way out, is UNDECIDED.
    - **End.**  A run that is CONVERGED is either still on its way to zero or has its limit below `settled`.  On an
      `unbounded` problem one that is DIVERGED goes on outward: what hovers far away, as steps that are long
      beside the distance at the start make it, or slows down there, is UNDECIDED.

    Everything else is UNDECIDED; where such a run is still moving, `decides_at` extrapolates the number of
    steps after which it will have passed a threshold.

    Parameters
    ----------
    measure : str
        Name of a measure of the problem, >= 0.
    converged : float
        CONVERGED below this value.
    diverged : float
        DIVERGED above this value, >= converged.
    relative : bool
        Whether the thresholds are multiples of the measure at the start.
    window : float
        Share of the run that is averaged, in (0, 0.5]; a quarter of it should span several periods of the
        problem.
    settled : float, optional
        Below which a converged run that no longer moves must be, <= converged; default: `converged`.
    unbounded : bool
        Whether a run that diverges has no limit, since no box confines it and nothing but the optimum holds it.
    """

    measure: str
    converged: float
    diverged: float
    relative: bool = False
    window: float = 0.05
    settled: float | None = None
    unbounded: bool = False

    def __post_init__(self) -> None:
        checks.flag("relative", self.relative)
        checks.flag("unbounded", self.unbounded)
        checks.number("converged", self.converged, 0.0)
        checks.number("diverged", self.diverged, self.converged)
        checks.number("window", self.window, 0.0, 0.5, open_low=True)
        if self.settled is not None:
            checks.number("settled", self.settled, 0.0, self.converged)

    def windows(self, steps: int) -> tuple[tuple[int, int], ...]:
        """Return the parts (a, b] of the windows, in updates: four for each of the ends T/4, T/2 and T."""
        parts: list[tuple[int, int]] = []
        for share in _SHARES:
            end = steps // share
            length = max(int(end * self.window), min(end, 1))
            edges = [end - length + length * k // _PARTS for k in range(_PARTS + 1)]
            parts += pairwise(edges)
        return tuple(parts)

    def judge(self, parts: Any, steps: int, start: Any, finite: Any, escaped: Any) -> Judgement:
        """Judge every lane.

        Parameters
        ----------
        parts : ndarray, shape (N, 12)
            Means over the parts that `windows` gives; NaN once a lane is not finite, and for an empty part.
        steps : int
            The horizon T.
        start : ndarray, shape (N,)
            The measure at x_1.
        finite, escaped : ndarray of bool, shape (N,)
            A lane that is not finite is never CONVERGED: it is DIVERGED if it escaped (an unconstrained
            iterate grew beyond every float), and UNDECIDED otherwise, since 0/0 shows nothing.

        Returns
        -------
        Judgement
        """
        parts, means = self._means(parts, steps)
        with np.errstate(all="ignore"):
            limit, growth, outward = _trend(parts, means)
        scale = start if self.relative else 1.0
        low, high = self.converged * scale, self.diverged * scale
        end = low if self.settled is None else self.settled * scale
        half, full = means[:, 1], means[:, 2]
        verdict = np.full(len(parts), Verdict.UNDECIDED.value, dtype="<U9")
        verdict[finite & (half < low) & (full < low) & (limit < end)] = Verdict.CONVERGED.value
        above = (half > high) & (full > high) & (limit > high)
        above &= outward | (not self.unbounded)
        verdict[(finite & above) | escaped] = Verdict.DIVERGED.value
        open_ = finite & (verdict == Verdict.UNDECIDED.value)
        growth = np.where(open_, growth, np.nan)
        decides_at = _horizon(full, full - half, growth, low, high, steps)
        return Judgement(verdict, means, decides_at)

    def between(self, parts: Any, steps: int, start: Any) -> Any:
        """Return whether the mean at T/2 of each lane is neither below `converged` nor above `diverged`, bool (N,).

        Such a lane is neither CONVERGED nor, if it stays finite, DIVERGED at T, whatever follows.

        Parameters
        ----------
        parts, steps, start
            See `judge`; the means at T are not read.
        """
        half = self._means(parts, steps)[1][:, 1]
        scale = start if self.relative else 1.0
        return ~((half < self.converged * scale) | (half > self.diverged * scale))

    def _means(self, parts: Any, steps: int) -> tuple[Any, Any]:
        """Return the parts (N, 3, 4) and the means (N, 3) of the windows."""
        parts = np.reshape(parts, (-1, len(_SHARES), _PARTS))
        lengths = np.diff(self.windows(steps)).reshape(len(_SHARES), _PARTS)
        with np.errstate(all="ignore"):
            return parts, np.where(lengths > 0, parts * lengths, 0.0).sum(axis=-1) / lengths.sum(axis=-1)


def _trend(parts: Any, means: Any) -> tuple[Any, Any, Any]:
    """Return where window means go, by which factor their change grows per doubling (NaN: they stay), and whether
    they go on outward as before.
    """
    place = np.arange(_PARTS) - (_PARTS - 1) / 2.0
    slope = (parts * place).sum(axis=-1, keepdims=True) / (place @ place)
    scatter = parts - parts.mean(axis=-1, keepdims=True) - slope * place
    noise = np.sqrt((scatter[:, 1:] ** 2).sum(axis=(1, 2)) / (2 * (_PARTS - 2)))
    full, change = means[:, 2], means[:, 2] - means[:, 1]
    ratio = change / (means[:, 1] - means[:, 0])
    # Empty parts, of a horizon of a few steps, show no scatter: every change counts.
    moving = np.abs(change) > _NOISE * np.nan_to_num(noise) + _ROUNDING * np.abs(full)
    slowing = (ratio > 0.0) & (ratio < _SLOWING)
    limit = np.where(slowing, full + change * ratio / (1.0 - ratio), np.copysign(np.inf, change))
    # The path of a step size that does not vanish doubles with T; no change grows faster for long.
    growth = np.where(moving & ~slowing, np.clip(np.where(ratio > 0.0, ratio, 1.0), 1.0, 2.0), np.nan)
    return np.where(moving, limit, full), growth, moving & (change > 0.0) & (ratio > _HALVED)


def _horizon(full: Any, change: Any, growth: Any, low: Any, high: Any, steps: int) -> Any:
    """Return after how many steps moving means will have passed a threshold for one doubling, or NaN."""
    found = np.full(np.shape(full), np.nan)
    moving = np.flatnonzero(np.isfinite(growth))
    level, change, growth = full[moving], change[moving], growth[moving]
    goal = np.where(
        change < 0.0, np.broadcast_to(low, found.shape)[moving], np.broadcast_to(high, found.shape)[moving]
    )
    for doublings in range(1, 64):
        passed = np.where(change < 0.0, level < goal, level > goal) & np.isnan(found[moving])
        found[moving[passed]] = steps * 2.0**doublings
        level = level + change * growth**doublings
    return found


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
    checks.number("confidence", confidence, 0.0, 1.0, open_low=True, open_high=True)
    n = np.asarray(trials, dtype=float)
    p = np.asarray(successes, dtype=float) / n
    z2 = NormalDist().inv_cdf(0.5 + confidence / 2.0) ** 2
    centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n)
    half = math.sqrt(z2) * np.sqrt(p * (1.0 - p) / n + z2 / (4.0 * n * n)) / (1.0 + z2 / n)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
