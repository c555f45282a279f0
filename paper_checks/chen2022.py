"""Chen, Shen, Zou, Liu, "Towards Practical Adam" (JMLR 2022, arXiv:2101.05471).

Checked: mini-batch Adam with constants tied to the horizon, alpha = 1/sqrt(T) and theta = 1 - 1/T, reaches
the accuracy mean ||grad f||^2 ~ 1/sqrt(B T): B samples per step buy a linear speed-up.  The mechanism: where
noise dominates, v is about sigma^2/B, so the effective step is sqrt(B/T)/sigma and its noise leaves
sigma/sqrt(B T).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import smooth
from theory_sim.nouns.claim import Evidence, all_of, claim, ledger, within

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]

BATCHES = (1, 4, 16, 64)
HORIZONS = (10_000, 40_000, 160_000)
QUICK = (
    16  # the quick tier divides every horizon by this, and the noise by its root: sigma/sqrt(T) is the same
)


def _tied(T: int, sigma: float) -> dict[str, Any]:
    """Return T steps of Generic Adam with alpha = 1/sqrt(T), beta = .9 and theta = 1 - 1/T, all constant."""
    optimizer = ts.generic_adam(lr=1.0 / math.sqrt(T), beta1=0.9, c=1.0 / T, r=0.0)
    return {"problem": smooth.quadratic(d=10, sigma=sigma), "optimizer": optimizer, "steps": T}


SWEEPS = tuple(
    ts.Sweep(
        **_tied(T, 20.0),
        seeds=32,
        workers=B,
        running=True,
        name=f"chen2022.B{B}_T{T}",
        quick=_tied(T // QUICK, 20.0 / math.sqrt(QUICK)),
    )
    for T in HORIZONS
    for B in BATCHES
)


def errors(grids: Sequence[xr.Dataset]) -> Array:
    """Return the mean of ||grad f||^2 over x_1 ... x_T, shape (horizons, batches, seeds)."""
    runs = np.array([grid["gradient_square_mean"].values for grid in grids])
    return runs.reshape(-1, len(BATCHES), runs.shape[-1])


def jackknife(statistic: Callable[[Array], float], runs: Array) -> tuple[float, float]:
    """Return a statistic of the means over seeds (last axis), and its standard error by the jackknife."""
    n = runs.shape[-1]
    parts = np.array([statistic(np.delete(runs, k, axis=-1).mean(axis=-1)) for k in range(n)])
    return statistic(runs.mean(axis=-1)), math.sqrt((n - 1) / n * np.sum((parts - parts.mean()) ** 2))


def slope(values: Array, at: Sequence[int]) -> float:
    """Return the least-squares slope of log values against log at."""
    return float(np.polyfit(np.log(at), np.log(values), 1)[0])


def limit(B: Any, T: Any, sigma: float) -> Any:
    """Return the first-order error where noise dominates: d sigma artanh(sqrt(1 - 1/e)) / sqrt(B T).

    v_t = (1 - exp(-t/T)) sigma^2/B, so the step is h = sqrt(B/T) / (sigma sqrt(1 - exp(-t/T))) and
    E x^2 = h sigma^2/(2 B) per coordinate; 1/sqrt(1 - exp(-u)) averages 2 artanh(sqrt(1 - 1/e)) over (0, 1).
    """
    return SWEEPS[0].problem.dim * sigma * math.atanh(math.sqrt(1.0 - math.exp(-1.0))) / np.sqrt(B * T)


@claim(
    "chen2022.G4a", "Mini-batch and distributed Adam", "rate", *SWEEPS[-len(BATCHES) :], constants="derived"
)
def errors_fall_like_the_root_of_the_batch(*grids: xr.Dataset, tier: str) -> Evidence:
    """With alpha = 1/sqrt(T), theta = 1 - 1/T and dominating noise, mean ||grad f||^2 decreases with the
    batch size like B^-1/2."""
    value, error = jackknife(lambda means: slope(means, BATCHES), errors(grids)[-1])
    # Three standard errors come off the tolerance: a true exponent outside it passes with probability .002.
    note = f"log-slope in B = 1..64 at T = {SWEEPS[-1].at(tier).steps}, standard error {error:.2g}"
    return within(value, -0.5, 0.06 - 3.0 * error, note)


@claim(
    "chen2022.G4b",
    "Mini-batch and distributed Adam",
    "tight",
    *SWEEPS[1 - 2 * len(BATCHES) :],
    constants="derived",
)
def only_the_number_of_samples_counts(*grids: xr.Dataset, tier: str) -> Evidence:
    """The error depends on B and T through B T only: B samples in a step replace B steps. On f = ||x||^2/2 it
    is d sigma artanh(sqrt(1 - 1/e))/sqrt(B T) to first order."""
    sweep = SWEEPS[-1].at(tier)
    runs = [grid["gradient_square_mean"].values.ravel() for grid in grids]
    before, last = runs[: -len(BATCHES)], runs[-len(BATCHES) :]  # batches 4, 16, 64 and all
    predicted = limit(np.array(BATCHES), sweep.steps, sweep.problem.facts["sigma"])
    parts = []
    for B, one, expected in zip(BATCHES, last, predicted, strict=True):
        error = one.std(ddof=1) / math.sqrt(one.size) / expected
        # The first order lacks the way from x_1, during which v is still small: 7 % at B = 1.
        note = f"B = {B}, T = {sweep.steps}: error over first order, standard error {error:.2g}"
        parts.append(within(one.mean() / expected, 1.0, 0.12 - 3.0 * error, note))
    # A quarter of the steps with four times the samples in each.
    for B, many, one in zip(BATCHES[:-1], before, last[:-1], strict=True):
        ratio = many.mean() / one.mean()
        error = ratio * math.hypot(
            *(run.std(ddof=1) / run.mean() / math.sqrt(run.size) for run in (many, one))
        )
        # Both lack the way from x_1, as above.
        note = (
            f"B = {4 * B}, T = {sweep.steps // 4} over B = {B}, T = {sweep.steps}: standard error {error:.2g}"
        )
        parts.append(within(ratio, 1.0, 0.12 - 3.0 * error, note))
    return all_of(parts)


CLAIMS = [errors_fall_like_the_root_of_the_batch, only_the_number_of_samples_counts]

DEVIATIONS = ledger("chen2022",
    ("Mini-batch theorem", "Rate O(1/sqrt(B T)) for non-convex f, without an experiment that isolates it.",
     "f = ||x||^2/2, d = 10, uniform noise of standard deviation 20 per coordinate and sample, x_1 = (1, "
     "..., 1), beta = .9, alpha = 1/sqrt(T), theta = 1 - 1/T, v_0 = 0, T up to 1.6e5, 32 seeds. Quick: T/16 "
     "and sigma/4, which leaves sigma/sqrt(B T) as it is.", "G4a", "G4b"),
    ("Distributed Adam", "N nodes average their gradients.",
     "Not run apart: N nodes of batch 1 that average gradients are, in law, one node of batch N.", "G4a"),
)  # fmt: skip
