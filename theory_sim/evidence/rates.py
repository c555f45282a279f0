"""Power laws y ~ x^slope with an interval for the exponent, and evidence for claims of kind "rate"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory_sim.nouns.claim import Evidence, Outcome, undecided
from theory_sim.rules import checks

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Rate:
    """An exponent and its interval.

    Parameters
    ----------
    slope : float
    low, high : float
        Confidence interval of the slope.
    window : (float, float)
        Smallest and largest x of the fit.
    """

    slope: float
    low: float
    high: float
    window: tuple[float, float]

    def __str__(self) -> str:
        return (
            f"{self.slope:.3f} [{self.low:.3f}, {self.high:.3f}] on [{self.window[0]:g}, {self.window[1]:g}]"
        )


def _positive(name: str, values: Any) -> Array:
    array = np.asarray(values, dtype=float)
    bad = array[~(np.isfinite(array) & (array > 0.0))]
    if bad.size:
        raise ValueError(
            f"{name} contains {bad.flat[0]:g}, but a power law needs finite positive values; "
            "drop such points before the fit and say so."
        )
    return array


def _logs(x: Any, y: Any, confidence: float) -> tuple[Array, Array, tuple[float, float]]:
    checks.number("confidence", confidence, 0.0, 1.0, open_low=True, open_high=True)
    xs, ys = _positive("x", x), _positive("y", y)
    if xs.ndim != 1 or ys.ndim not in (1, 2) or len(xs) != len(ys) or ys.size == 0:
        raise ValueError(
            f"x and y have shapes {xs.shape} and {ys.shape}; give (n,) and (n,) or (n, repetitions)."
        )
    if len(np.unique(xs)) < 3:
        raise ValueError(f"x has {len(np.unique(xs))} different values; a slope with an interval needs 3.")
    return np.log(xs), ys, (float(xs.min()), float(xs.max()))


def theil_sen(x: Any, y: Any, confidence: float = 0.95) -> Rate:
    """Fit the median of the pairwise slopes; one lucky point cannot move it much.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Positive, n >= 3 different x.
    confidence : float
        Level of the interval from Kendall's statistic (P. K. Sen, J. Am. Stat. Assoc. 63 (1968) 1379).

    Returns
    -------
    Rate

    Raises
    ------
    ValueError
        For values that have no logarithm or too few points.
    """
    from scipy.stats import theilslopes

    logs, values, window = _logs(x, y, confidence)
    if values.ndim != 1:
        raise ValueError(f"y has shape {values.shape}; average the repetitions, or use least_squares.")
    fit = theilslopes(np.log(values), logs, alpha=confidence)
    return Rate(float(fit[0]), float(fit[2]), float(fit[3]), window)


def least_squares(x: Any, y: Any, *, seed: int, confidence: float = 0.95, resamples: int = 2000) -> Rate:
    """Fit by least squares of log y on log x, with a bootstrap percentile interval.

    Parameters
    ----------
    x : array_like, shape (n,)
        Positive, n >= 3 different values.
    y : array_like, shape (n,) or (n, r)
        Positive.  With r >= 2 repetitions their mean is fitted and each x draws its repetitions anew;
        otherwise the residuals are drawn, enlarged by sqrt(n/(n-2)) for the two fitted parameters.
    seed : int
        Of the generator that resamples.
    confidence : float
    resamples : int

    Returns
    -------
    Rate

    Raises
    ------
    ValueError
        As `theil_sen`.
    """
    logs, values, window = _logs(x, y, confidence)
    draws, n = checks.count("resamples", resamples), len(logs)
    generator = np.random.default_rng(checks.count("seed", seed, 0))
    centred = logs - logs.mean()
    weights = centred / np.sum(centred**2)  # slope = weights . log y
    table = values.reshape(n, -1)
    target = np.log(table.mean(axis=1))
    slope = float(weights @ target)
    if table.shape[1] > 1:
        drawn = generator.integers(table.shape[1], size=(draws, *table.shape))
        samples = np.log(table[np.arange(n)[:, None], drawn].mean(axis=-1))
    else:
        fitted = target.mean() + slope * centred
        residuals = (target - fitted) * math.sqrt(n / (n - 2))
        samples = fitted + residuals[generator.integers(n, size=(draws, n))]
    low, high = np.quantile(samples @ weights, (0.5 - 0.5 * confidence, 0.5 + 0.5 * confidence))
    return Rate(slope, float(low), float(high), window)


def exponent_within(rate: Rate, low: float, high: float, note: str = "") -> Evidence:
    """PASS iff the whole interval is in [low, high], FAIL iff it is disjoint from it.

    UNDECIDED if the interval is wider than the band, or crosses one of its ends.  Either end may be infinite.
    """
    expected = f"in [{low:g}, {high:g}]"
    said = f"{note}: exponent {rate}" if note else f"exponent {rate}"
    if not rate.low <= rate.slope <= rate.high:  # NaN as well
        return Evidence(Outcome.FAIL, rate.slope, expected, math.nan, said)
    margin = min(rate.low - low, high - rate.high)
    if margin >= 0.0:
        return Evidence(Outcome.PASS, rate.slope, expected, margin, said)
    if rate.high - rate.low <= high - low and (rate.high < low or rate.low > high):
        return Evidence(Outcome.FAIL, rate.slope, expected, margin, said)
    reason = "is wider than the band" if rate.high - rate.low > high - low else "crosses an end of the band"
    return undecided(rate.slope, expected, f"{said}, an interval that {reason}; more points would decide")
