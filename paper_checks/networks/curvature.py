"""Curvature along trainings: smoothness against the gradient (arXiv:1905.11881), the edge of stability (2207.14484)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

import theory_sim as ts
from paper_checks.networks.ends import Array, mean_within
from theory_sim.nouns.claim import Evidence, Outcome, all_of, at_least, claim, ledger, undecided
from theory_sim.nouns.training import Training

if TYPE_CHECKING:
    import xarray as xr

_QUICK_STEPS = 240


def _path(network: str, optimizer: ts.Optimizer, sizes: dict[str, int], small: dict[str, int]) -> Training:
    return Training(
        network,
        optimizer,
        steps=1200,
        batch=16,
        seeds=2,
        evaluated=256,
        checkpoints=range(10, 1200, 10),
        probe="smoothness",
        sizes=sizes,
        name=f"zhang2020clipping.{network}",
        quick={
            "steps": _QUICK_STEPS,
            "checkpoints": range(5, _QUICK_STEPS, 5),
            # The gradient on text varies too little in so few steps, whatever the seed.
            "seeds": 1 if network == "transformer" else 4,
            "evaluated": 64,
            "sizes": small,
        },
        large={"steps": 4000, "checkpoints": range(20, 4000, 20), "seeds": 8, "evaluated": 1024},
    )


# The methods of the paper: clipped SGD for the text, SGD for images.
PATHS = (
    _path(
        "transformer",
        ts.clipped_gd(0.3, 0.3),
        {"width": 24, "depth": 1, "context": 24},
        {"width": 12, "depth": 1, "context": 16},
    ),
    _path("cnn", ts.sgd(0.1), {"width": 4}, {"width": 3}),
)


def pairs(grid: xr.Dataset, seed: int) -> tuple[Array, Array]:
    """Return log gradient norms and log smoothness along the path of a seed."""
    one = grid.isel(seed=seed)
    return np.log(one.gradient_norm.values), np.log(one.smoothness.values)


def slopes(grid: xr.Dataset, draws: int = 400) -> Array:
    """Return the exponents (draws,) of smoothness in the gradient norm, by least squares on resampled paths.

    The path of each seed is resampled in blocks of an eighth of its points, as neighbours are alike.
    """
    generator, out = np.random.default_rng(0), []
    paths = [pairs(grid, seed) for seed in range(grid.sizes["seed"])]
    for _ in range(draws):
        x, y = [], []
        for gradient, smoothness in paths:
            length = len(gradient) // 8
            first = generator.integers(0, len(gradient) - length + 1, 8)
            at = (first[:, None] + np.arange(length)).ravel()
            # The scale of a seed is its own.
            x.append(gradient[at] - gradient.mean())
            y.append(smoothness[at] - smoothness.mean())
        out.append(np.polyfit(np.concatenate(x), np.concatenate(y), 1)[0])
    return np.array(out)


def _grows(grid: xr.Dataset) -> Evidence:
    """PASS iff the exponent is above 0.1 with 95% confidence, FAIL iff it is below."""
    values = np.concatenate([np.concatenate(pairs(grid, seed)) for seed in range(grid.sizes["seed"])])
    if not np.isfinite(values).all():
        return at_least(math.nan, 0.0, "a point of the path is lost")
    ranges = [
        np.subtract(*np.quantile(pairs(grid, seed)[0], (0.95, 0.05))) for seed in range(grid.sizes["seed"])
    ]
    spread = float(np.mean(ranges))  # of the pooled paths, as the exponent is
    if spread < math.log(2.0):
        return undecided(
            math.exp(spread), ">= 2", "times that the gradient norm varies along the path; a longer one"
        )
    low, middle, high = np.quantile(slopes(grid), (0.025, 0.5, 0.975))
    note = f"exponent of smoothness in the gradient norm: {middle:.2f}, 95% interval {low:.2f} to {high:.2f}"
    if low <= 0.1 < high:
        return undecided(float(low), "> 0.1", f"{note}; a longer path, or more seeds")
    return at_least(float(low), 0.1, note)


@claim("zhang2020clipping.N1", "section 5, the scatter of the language model", "order", PATHS[0])
def smoothness_grows_with_the_gradient_on_text(grid: xr.Dataset) -> Evidence:
    """Along clipped SGD on a character-level Transformer, local smoothness grows with the norm of the gradient."""
    return _grows(grid)


@claim("zhang2020clipping.N2", "section 5, the scatter of the image model", "order", PATHS[1])
def smoothness_grows_with_the_gradient_on_images(grid: xr.Dataset) -> Evidence:
    """Along SGD on a CNN, local smoothness grows with the norm of the gradient."""
    return _grows(grid)


EDGE = Training(
    "mlp",
    ts.adam(beta2=0.99, eps=1e-7),
    {"lr": (1e-4, 3e-4), "beta1": (0.0, 0.5, 0.9)},
    steps=2500,
    batch=0,
    samples=400,
    seeds=4,
    checkpoints=range(50, 2500, 50),
    probe="sharpness",
    name="cohen2022.edge",
    quick={
        # In 400 steps the sharpness comes to the threshold from 6 of 10 starts at beta1 = 0.15, from fewer at 0.3; at
        # larger steps the loss is so small by then that the sharpness falls again.
        "axes": {"lr": (1e-3,), "beta1": (0.0, 0.15)},
        "seeds": 10,
        "samples": 150,
        "sizes": {"width": 16},
        "steps": 400,
        "checkpoints": range(20, 400, 20),
    },
    large={
        "axes": {"lr": (3e-5, 1e-4, 3e-4), "beta1": (0.0, 0.3, 0.5, 0.7, 0.9)},
        "steps": 10000,
        "checkpoints": range(100, 10000, 100),
        "samples": 1000,
        "sizes": {"width": 64},
    },
)


def threshold(grid: xr.Dataset) -> xr.DataArray:
    """Return (2 + 2 beta1) / ((1 - beta1) lr), where Adam with a fixed preconditioner loses its stability."""
    limit: xr.DataArray = (2.0 + 2.0 * grid.beta1) / ((1.0 - grid.beta1) * grid.lr)
    return limit


def plateaus(grid: xr.Dataset) -> dict[tuple[float, float], Array]:
    """Return the medians of sharpness over threshold after it first came within 10%, for each (lr, beta1).

    One for each seed that did so at least eight checkpoints before the end; pairs without such a seed are missing.
    """
    found: dict[tuple[float, float], list[float]] = {}
    relative = (grid.preconditioned / threshold(grid)).transpose("lr", "beta1", "seed", "checkpoint").values
    for i, j, seed in np.ndindex(relative.shape[:3]):
        path = relative[i, j, seed]
        reached = np.flatnonzero(path >= 0.9)
        if len(reached) and len(path) - reached[0] >= 8:
            pair = float(grid.lr[i]), float(grid.beta1[j])
            found.setdefault(pair, []).append(float(np.median(path[reached[0] :])))
    return {pair: np.array(medians) for pair, medians in found.items()}


def growth(grid: xr.Dataset) -> Array:
    """Return, for each seed, the log of the median sharpness of the second half of the path over that of the first.

    A mean over lr and beta1.
    """
    paths = grid.preconditioned.transpose("seed", "lr", "beta1", "checkpoint").values
    first, second = (np.median(half, axis=-1) for half in np.array_split(paths, 2, axis=-1))
    return np.asarray(np.log(second / first).mean(axis=(1, 2)))


@claim("cohen2022.N1", "section 3, equation 3", "tight", EDGE, constants="recalled")
def preconditioned_sharpness_stays_at_the_edge(grid: xr.Dataset) -> Evidence:
    """Full-batch Adam on an MLP: for two values of beta1 at least, the largest eigenvalue of D^(-1) H rises to (2 + 2 beta1)/((1 - beta1) lr), and from then on its median is within 10% of that, in the mean over starts."""
    if not np.isfinite(grid.preconditioned.values).all():
        return at_least(math.nan, 0.0, "a sharpness is lost")
    found = {pair: medians for pair, medians in plateaus(grid).items() if len(medians) > 1}
    parts = [
        mean_within(one, 0.9, 1.1, f"median of sharpness over threshold at lr = {lr:g}, beta1 = {beta1:g}")
        for (lr, beta1), one in found.items()
    ]
    weights = len({beta1 for _, beta1 in found})
    if weights < 2:
        # Sharpness that still rises may arrive in more steps; sharpness that falls from below does not.
        rising = mean_within(growth(grid), 0.0, math.inf, "log growth of a sharpness below the threshold")
        few = "values of beta1 whose sharpness rises to the threshold, from two starts at least; more steps"
        parts.append(rising if rising.status is Outcome.FAIL else undecided(weights, ">= 2", few))
    return all_of(parts)


CLAIMS = [
    smoothness_grows_with_the_gradient_on_text,
    smoothness_grows_with_the_gradient_on_images,
    preconditioned_sharpness_stays_at_the_edge,
]

DEVIATIONS = [
    *ledger(
        "zhang2020clipping",
        (
            "section 5, networks",
            "AWD-LSTM on PTB with clipping, ResNet20 on CIFAR-10: smoothness grows with the gradient on the first.",
            "A character-level Transformer and a CNN of a few thousand parameters; the estimate is along single "
            "steps, at a fixed evaluation set; an exponent by least squares on logarithms, in blocks.",
            *("N1", "N2"),
        ),
    ),
    *ledger(
        "cohen2022",
        (
            "section 3, equation 3",
            "Networks with millions of parameters on CIFAR-10 and WMT; cross entropy and square loss.",
            "An MLP with tanh on 400 digits, cross entropy, beta2 = 0.99, eps = 1e-7.  Large steps bring the loss to "
            "0 before the sharpness arrives; such runs are not counted.  The mean over starts is judged by its 95% "
            "interval; while fewer than two values of beta1 arrive, the claim is open, and fails if the sharpness falls.",
            "N1",
        ),
    ),
]
