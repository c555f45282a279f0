"""Adam on an MLP over (beta1, beta2) and over the size of the batch (arXiv:2208.09632)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

import theory_sim as ts
from paper_checks.networks.ends import Array, ending, final, half_width, lost, mean_within, tuned
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, undecided
from theory_sim.nouns.training import Training

if TYPE_CHECKING:
    import xarray as xr

_BETA1 = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
_BETA2 = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
_FINE = tuple(1.0 - np.geomspace(1.0, 1e-3, 64))  # 64 x 64 = 4,096 cells

PHASE = Training(
    "mlp",
    ts.adam(0.01),
    {"beta1": _BETA1, "beta2": _BETA2},
    batch=4,
    seeds=6,
    **ending(1500, 0),
    name="zhang2022.networks",
    quick={
        "axes": {"beta1": (0.0, 0.5, 0.9, 0.95), "beta2": (0.0, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)},
        **ending(500, 0),
    },
    large={"axes": {"beta1": _FINE, "beta2": _FINE}, **ending(3000, 0)},
)


def ratio(grid: xr.Dataset) -> xr.DataArray:
    """Return beta1 / sqrt(beta2), infinite at beta2 = 0 < beta1."""
    root = np.sqrt(grid.beta2)
    found: xr.DataArray = (grid.beta1 / root.where(root > 0.0)).where(root > 0.0, (grid.beta1 > 0.0) * 1e300)
    return found


def relative(grid: xr.Dataset) -> xr.DataArray:
    """Return the final loss over the initial one, the mean over seeds."""
    found: xr.DataArray = (final(grid) / grid.loss.isel(checkpoint=0)).mean("seed", skipna=False)
    return found


@claim("zhang2022.N1", "experiments on networks", "region", PHASE)
def no_network_fails_before_the_line(grid: xr.Dataset) -> Evidence:
    """On the digits, an MLP with beta1 <= sqrt(beta2) ends far below its initial loss, at every such pair."""
    safe = relative(grid).where(ratio(grid) <= 1.0 + 1e-12, 0.0)
    return at_most(
        float(safe.max(skipna=False)), 0.5, "largest final over initial loss with beta1 <= sqrt(beta2)"
    )


@claim("zhang2022.N2", "experiments on networks", "region", PHASE)
def networks_far_beyond_the_line_fail(grid: xr.Dataset) -> Evidence:
    """On the digits, an MLP with beta1 >= 2 sqrt(beta2) ends above its initial loss, at every such pair."""
    beyond = relative(grid).where(ratio(grid) >= 2.0, math.inf)
    return at_least(
        float(beyond.min(skipna=False)), 1.0, "least final over initial loss with beta1 >= 2 sqrt(beta2)"
    )


def edges(grid: xr.Dataset) -> xr.DataArray:
    """Return, for each beta1 >= 0.8 and seed, the beta2 up to which the loss is three times the least of the row.

    Interpolated in the logarithm of the loss between the last beta2 that costs more and the next; NaN if none does.
    """
    loss = (
        final(grid).isel(beta1=np.flatnonzero(grid.beta1.values >= 0.8)).transpose("beta1", "seed", "beta2")
    )
    # A loss that is not finite counts as 1e300, so that there is something to interpolate; NaN stays.
    logs, beta2 = np.log(np.minimum(loss.values, 1e300)), grid.beta2.values
    excess = logs - logs.min(axis=2, keepdims=True) - math.log(3.0)
    found = np.full(excess.shape[:2], math.nan)
    for at in np.ndindex(found.shape):
        row = excess[at]
        bad = np.flatnonzero(row > 0.0)
        if len(bad) and np.isfinite(row).all():
            i, j = bad[-1], min(bad[-1] + 1, len(row) - 1)
            found[at] = beta2[i] + (beta2[j] - beta2[i]) * row[i] / max(row[i] - row[j], 1e-300)
    return loss.isel(beta2=0, drop=True).copy(data=found)


@claim("zhang2022.N3", "experiments on networks", "region", PHASE)
def the_region_of_bad_beta2_follows_the_line(grid: xr.Dataset) -> Evidence:
    """For beta1 >= 0.8 the region of bad beta2 ends between beta1^2/1.7 and beta1^2: a line beta1 = c sqrt(beta2), 1 <= c <= 1.3 in the mean over seeds."""
    found = edges(grid)
    if np.isnan(found.values).any():
        return at_least(math.nan, 1.0, "a loss is lost, or no beta2 costs three times the least loss")
    line = ratio(found.to_dataset(name="beta2")).transpose("beta1", "seed")
    return all_of([mean_within(c.values, 1.0, 1.3, f"c at beta1 = {float(c.beta1):.3g}") for c in line])


BATCHES = (4, 16, 64, 256)
_AWAY = (0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.001)  # 1 - beta2
_SAMPLES = 1797
_EPOCHS = 6


def _by_batch(batch: int) -> Training:
    few = _AWAY[1::2]
    return Training(
        "mlp",
        ts.adam(beta1=0.9),
        {"lr": (1e-3, 3e-3, 0.01, 0.03), "beta2": tuple(1.0 - away for away in _AWAY)},
        batch=batch,
        seeds=8,
        **ending(_EPOCHS * _SAMPLES // batch),
        name=f"zhang2022.batch{batch}",
        quick={
            "axes": {"lr": (0.01, 0.03), "beta2": tuple(1.0 - away for away in few)},
            "seeds": 1,  # one epoch decides neither N4 nor N5, and two seeds that agree do so by chance
            **ending(_SAMPLES // batch),
        },
        large={"seeds": 16, **ending(2 * _EPOCHS * _SAMPLES // batch)},
    )


BY_BATCH = tuple(map(_by_batch, BATCHES))


_WORSE = 1.25


def admissible(grid: xr.Dataset) -> Array:
    """Return, for each seed, the largest 1 - beta2 whose tuned loss is at most 1.25 times the best.

    Interpolated in logarithms; the largest of the grid where that is good enough already, which flattens the law.
    """
    away, found = np.log(1.0 - grid.beta2.values), []
    for loss in np.log(tuned(grid).transpose("seed", "beta2").values):
        level = math.log(_WORSE) + loss.min()
        first = int(np.argmax(loss <= level))  # the axis begins with the largest 1 - beta2
        before = max(first - 1, 0)
        share = (level - loss[first]) / (loss[before] - loss[first]) if first else 0.0
        found.append(math.exp(away[first] + (away[before] - away[first]) * share))
    return np.array(found)


@claim(
    "zhang2022.N4", "Theorem 3.1: the threshold of beta2 depends on the number of batches", "rate", *BY_BATCH
)
def larger_batches_admit_smaller_beta2(*grids: xr.Dataset) -> Evidence:
    """The larger the batch, the larger is the 1 - beta2 from which on Adam loses a quarter of its best loss, at tuned steps."""
    if lost(*grids):
        return at_least(math.nan, 0.0, "a loss is lost")
    found = np.array([admissible(grid) for grid in grids])  # (batches, seeds)
    slopes = np.polyfit(np.log(BATCHES), np.log(found), 1)[0]
    error = half_width(slopes)
    means = np.exp(np.log(found).mean(axis=1))
    said = ", ".join(f"{batch}: {one:.2g}" for batch, one in zip(BATCHES, means, strict=True))
    note = f"exponent of the largest such 1 - beta2 in the batch size, 95% +- {error:.2g}; {said}"
    least = float(slopes.mean() - error)
    if least <= 0.0 < slopes.mean() + error:
        return undecided(float(slopes.mean()), "> 0", f"{note}; more seeds, or more epochs")
    return at_least(least, 0.0, f"lower end of the {note}")


def plateau(grid: xr.Dataset) -> tuple[float, float]:
    """Return the least and greatest 1 - beta2 that the seeds cannot tell from the best.

    With 95% confidence for all beta2 of the two batches that are compared together (Bonferroni).
    """
    loss, away = tuned(grid), 1.0 - grid.beta2.values
    if grid.sizes["seed"] == 1:
        return float(away.min()), float(away.max())
    excess = loss - loss.isel(beta2=int(loss.mean("seed").values.argmin()))
    # Few seeds: one variance for all beta2.
    freedom = (grid.sizes["seed"] - 1) * (grid.sizes["beta2"] - 1)
    spread = math.sqrt(float(excess.var("seed", ddof=1).sum()) / (grid.sizes["beta2"] - 1))
    level = 0.025 / (2 * (grid.sizes["beta2"] - 1))
    error = stdtrit(freedom, 1.0 - level) * spread / math.sqrt(grid.sizes["seed"])
    same = away[(excess.mean("seed") <= error).values]
    return float(same.min()), float(same.max())


@claim(
    "zhang2022.N5", "Theorem 3.1: the threshold of beta2 depends on the number of batches", "order", *BY_BATCH
)
def the_best_beta2_falls_with_the_batch(*grids: xr.Dataset) -> Evidence:
    """The larger the batch, the larger is the best 1 - beta2, at tuned steps."""
    if lost(*grids):
        return at_least(math.nan, 0.0, "a loss is lost")
    low, high = zip(*map(plateau, grids), strict=True)
    said = ", ".join(f"{n}: {a:.2g}..{b:.2g}" for n, a, b in zip(BATCHES, low, high, strict=True))
    rises, falls = math.log(low[-1] / high[0]), math.log(high[-1] / low[0])
    if rises <= 0.0 <= falls:
        return undecided(
            rises,
            "> 0",
            f"the best 1 - beta2 by batch size, 95% wide, overlap: {said}; more seeds",
        )
    return at_least(rises, 0.0, f"log of the best 1 - beta2, largest over least batch; {said}")


CLAIMS = [
    no_network_fails_before_the_line,
    networks_far_beyond_the_line_fail,
    the_region_of_bad_beta2_follows_the_line,
    larger_batches_admit_smaller_beta2,
    the_best_beta2_falls_with_the_batch,
]

DEVIATIONS = ledger(
    "zhang2022",
    (
        "experiments on networks",
        "MNIST and CIFAR-10, the loss over a grid of (beta1, beta2) (as we recall them).",
        "An MLP of 2,410 parameters on the 1,797 digits of scikit-learn, batches of 4 with replacement, constant lr, "
        "eps = 1e-8.  A network fails when it ends above its initial loss.  Where the loss is three times the least "
        "of its row is interpolated for each seed, and c is judged by its 95% interval over them.",
        *("N1", "N2", "N3"),
    ),
    (
        "Theorem 3.1, the threshold of beta2",
        "It grows with the number of batches; its constants are hidden, and the best beta2 is not its subject.",
        "The same epochs for every batch size, the step size tuned for every beta2, beta1 = 0.9; the threshold is "
        "where the loss is a quarter above the best.  Intervals of 95% decide; where ranges of the best beta2 touch "
        "nothing is decided.",
        *("N4", "N5"),
    ),
)
