"""Adam against SGD with momentum, and the blocks of the Hessian, on a Transformer and a CNN (arXiv:2402.16788)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import theory_sim as ts
from paper_checks.networks.ends import EDGE, Array, at_an_edge, ending, half_width, lost, mean_within, tuned
from theory_sim.nouns.claim import Evidence, all_of, at_least, claim, ledger, undecided
from theory_sim.nouns.training import Training
from theory_sim.wire.networks.spectra import densities, jensen_shannon

if TYPE_CHECKING:
    import xarray as xr

_ADAM_LR, _SGDM_LR = (1e-3, 3e-3, 0.01, 0.03), (0.01, 0.03, 0.1, 0.3, 1.0)
_TEXT = {"width": 32, "depth": 2, "context": 32}
_TEXT_QUICK = {"width": 16, "depth": 1, "context": 16}
_PHOTO, _PHOTO_QUICK = {"width": 6}, {"width": 4}


def _rival(
    network: str, method: str, optimizer: ts.Optimizer, lr: Sequence[float], quick: Sequence[float]
) -> Training:
    text = network == "transformer"
    steps = 800 if text else 600
    return Training(
        network,
        optimizer,
        {"lr": lr},
        batch=16,
        seeds=3,
        evaluated=2048,
        sizes=_TEXT if text else _PHOTO,
        **ending(steps, *range(0, steps, steps // 10)),
        name=f"zhang2024transformers.{network}_{method}",
        quick={
            "sizes": _TEXT_QUICK if text else _PHOTO_QUICK,
            "axes": {"lr": quick},
            "batch": 8,
            # 80 steps say nothing of the CNN, on which SGDM has hardly begun: one seed, from which N2 concludes nothing.
            "seeds": 6 if text else 1,
            "evaluated": 512,
            **ending(80, 0, 20, 40),
        },
        large={
            "sizes": {"width": 64, "depth": 4, "context": 64} if text else {"width": 16},
            "batch": 64,
            "seeds": 8,
            **ending(3 * steps, *range(0, 3 * steps, 3 * steps // 10)),
        },
    )


RIVALS = tuple(
    _rival(network, method, optimizer, lr, quick)
    for network in ("transformer", "cnn")
    for method, optimizer, lr, quick in (
        ("adam", ts.adam(eps=1e-8), _ADAM_LR, (3e-3, 0.01, 0.03, 0.1)),
        ("sgdm", ts.sgdm(momentum=0.9), _SGDM_LR, (0.03, 0.1, 0.3, 1.0)),
    )
)


def lag(adam: xr.Dataset, sgdm: xr.Dataset) -> Array:
    """Return the share of Adam's progress that SGDM has not made at the end, both tuned, for each seed."""
    start = adam.loss.isel(lr=0, checkpoint=0).values
    ahead, behind = tuned(adam).values, tuned(sgdm).values
    return np.asarray((behind - ahead) / (start - ahead))


@claim("zhang2024transformers.N1", "figure 1", "order", *RIVALS[:2])
def adam_beats_sgdm_on_a_transformer(adam: xr.Dataset, sgdm: xr.Dataset) -> Evidence:
    """On a character-level Transformer, tuned Adam ends below tuned SGD with momentum, by 2% of its progress in the mean over seeds."""
    if lost(adam, sgdm):
        return at_least(math.nan, 0.0, "a loss is lost")
    if at_an_edge(adam, sgdm):
        return undecided("edge", "inside", EDGE)
    return mean_within(lag(adam, sgdm), 0.02, math.inf, "share of Adam's progress that SGDM lacks")


@claim("zhang2024transformers.N2", "figure 1", "order", *RIVALS)
def the_gap_is_that_of_the_transformer(
    adam: xr.Dataset, sgdm: xr.Dataset, cnn_adam: xr.Dataset, cnn_sgdm: xr.Dataset
) -> Evidence:
    """The share of tuned Adam's progress that tuned SGD with momentum lacks is larger on the Transformer than on the CNN."""
    grids = (adam, sgdm, cnn_adam, cnn_sgdm)
    if lost(*grids):
        return at_least(math.nan, 0.0, "a loss is lost")
    if at_an_edge(*grids):
        return undecided("edge", "inside", EDGE)
    text, photo = lag(adam, sgdm), lag(cnn_adam, cnn_sgdm)
    note = f"difference of the shares; Transformer {text.mean():.3g}, CNN {photo.mean():.3g}"
    error = math.hypot(half_width(text), half_width(photo))
    gap = float(text.mean() - photo.mean())
    if abs(gap) < error:
        return undecided(gap, "> 0", f"{note}, +- {error:.3g}: more seeds")
    return at_least(gap, 0.0, note)


def _spectra(network: str, sizes: dict[str, int]) -> Training:
    return Training(
        network,
        ts.adam(),
        steps=0,
        seeds=3,
        probe="spectrum",
        evaluated=256,
        sizes=sizes,
        name=f"zhang2024transformers.{network}_spectra",
        quick={
            "evaluated": 32,
            "sizes": {"width": 8, "depth": 1, "context": 8} if network == "transformer" else {"width": 6},
        },
        large={"seeds": 8, "evaluated": 1024},
    )


SPECTRA = (
    _spectra("transformer", {"width": 16, "depth": 2, "context": 16}),
    _spectra("cnn", {"width": 6}),
)
_BINS = 40


def masses(grid: xr.Dataset, seed: int, logarithmic: bool) -> Array:
    """Return the spectral mass (blocks, bins) of every block at the start.

    The bins are the same for all blocks of a network: 40 of equal width between its extreme Ritz values, or 20 of
    equal ratio on each side of 0, over five decades of the largest.
    """
    start = grid.isel(seed=seed, checkpoint=0)
    nodes, weights = start.nodes.values, start.weights.values
    top = np.abs(nodes).max()
    positive = np.geomspace(1e-5 * top, top, _BINS // 2 + 1)
    edges = np.concatenate([-positive[::-1], positive[1:]])
    return densities(
        nodes, weights, edges if logarithmic else np.linspace(nodes.min(), nodes.max(), _BINS + 1)
    )


def heterogeneity(grid: xr.Dataset, logarithmic: bool) -> Array:
    """Return, for each seed, the mean Jensen-Shannon distance of the spectra of two blocks."""
    found = []
    for seed in range(grid.sizes["seed"]):
        mass = masses(grid, seed, logarithmic)
        i, j = np.triu_indices(len(mass), 1)
        found.append(jensen_shannon(mass[i], mass[j]).mean())
    return np.array(found)


@claim("zhang2024transformers.N3", "section 2, figures 2 and 3", "order", *SPECTRA)
def blocks_of_a_transformer_differ_more(transformer: xr.Dataset, cnn: xr.Dataset) -> Evidence:
    """At the start the blocks of the Hessian of a Transformer have spectra farther apart, by Jensen-Shannon, than those of a CNN, whatever the bins."""
    parts = []
    for name, logarithmic in (("equal ratios", True), ("equal widths", False)):
        text, photo = (heterogeneity(grid, logarithmic) for grid in (transformer, cnn))
        gap, error = float(text.mean() - photo.mean()), math.hypot(half_width(text), half_width(photo))
        note = f"bins of {name}: Transformer {text.mean():.3g}, CNN {photo.mean():.3g}, +- {error:.2g}"
        open_ = abs(gap) < error
        parts.append(undecided(gap, "> 0", f"{note}; more seeds") if open_ else at_least(gap, 0.0, note))
    return all_of(parts)


CLAIMS = [
    adam_beats_sgdm_on_a_transformer,
    the_gap_is_that_of_the_transformer,
    blocks_of_a_transformer_differ_more,
]

DEVIATIONS = ledger(
    "zhang2024transformers",
    (
        "figure 1",
        "BERT, ViT and others against VGG and ResNet: SGD is far behind Adam on the first, level on the second.",
        "A Transformer of 29,000 parameters on characters and a CNN of 1,900 on digits, both methods with a tuned "
        "constant lr, beta1 = momentum = 0.9; compared is the share of Adam's progress, by its 95% interval over seeds.",
        *("N1", "N2"),
    ),
    (
        "section 2, figures 2 and 3",
        "The bins of the densities, and the blocks, as we recall them: one block for each matrix of weights.",
        "Densities are Gauss quadratures (Lanczos with full reorthogonalisation, four random vectors), binned without "
        "a kernel in two ways; embeddings and positions are blocks too, biases and gains are not.  At this size the "
        "distances differ by factors of 1.3 and 1.7 only.",
        "N3",
    ),
)
