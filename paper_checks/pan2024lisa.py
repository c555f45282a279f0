"""Pan et al., "LISA: Layerwise Importance Sampling for Memory-Efficient LLM Fine-Tuning" (arXiv:2403.17919).

The paper has experiments; what is checked is what sampling layers costs where layers do not interact, exactly:
eight layers f = sum x_l^2/2 and gradient descent in the drawn ones.  In each of T/K periods a layer is drawn with
p = active/8, and K steps multiply its x_l by (1 - lr)^K, so that

    E f(x_T)/f(x_1) = (1 - p + p (1 - lr)^(2 K))^(T/K),   E log |x_l| falls by p T |log(1 - lr)|.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from counterexamples.layers import quadratic
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.sweep import Sweep
from theory_sim.optimizers.layerwise import lisa

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]

LAYERS, PERIOD = 8, 20
PROBLEM = quadratic((1.0,) * LAYERS, 1)
START = 0.5 * LAYERS  # f at x_1 = (1, ..., 1)
SLOW = Sweep(
    PROBLEM, lisa(0.009, 1, PERIOD, layers=LAYERS, direction="gradient"), {"active": (1, 2, 4, 8)}, steps=2000, x0=1.0, seeds=512,
    checkpoints=10, name="pan2024lisa.slow", quick={"seeds": 192},
)  # fmt: skip
AT_ONCE = Sweep(
    PROBLEM, lisa(1.0, 1, PERIOD, layers=LAYERS, direction="gradient"), {"active": (1, 2)}, steps=400, x0=1.0, seeds=8192,
    name="pan2024lisa.at_once", quick={"seeds": 2048},
)  # fmt: skip


def expected_share(active: Any, lr: float, steps: Any) -> Array:
    """Return E f(x_T)/f(x_1) for T a multiple of the period."""
    p = np.asarray(active) / LAYERS
    return np.asarray((1.0 - p + p * (1.0 - lr) ** (2 * PERIOD)) ** (np.asarray(steps) // PERIOD))


def updates(grid: xr.Dataset, lr: float) -> Array:
    """Return how many updates each layer got, read off its shrinkage, shape (active, seed, layer)."""
    x = grid.x_final.transpose("active", "seed", "coordinate").values
    return np.asarray(np.log(np.abs(x)) / math.log(1.0 - lr))


def _mean(values: Array, expected: float, note: str) -> Evidence:
    error = values.std(ddof=1) / math.sqrt(len(values))
    # six standard errors; the loss of one active layer is skewed, which doubles the tail
    return within(float(values.mean()), expected, 6.0 * float(error), note)


@claim("pan2024lisa.LI1", "2403.17919, Algorithm 1", "exact", SLOW, AT_ONCE, constants="derived")
def sampling_layers_costs_their_share(slow: xr.Dataset, at_once: xr.Dataset) -> Evidence:
    """LISA gives whole periods of updates, active T in all, so that the log of a layer falls layers/active times as slowly
    in the mean.  E f falls more slowly still, by 1 - p + p (1 - lr)^(2K) in a period; even an lr that solves a layer in
    one step leaves (1 - p)^(T/K), the layers that were never drawn."""
    count = updates(slow, SLOW.optimizer.lr)
    active = slow.active.values
    whole = np.rint(count / PERIOD)
    steps = int(slow.checkpoint.values[-1])
    parts = [
        # 2000 factors rounded by 1e-16, over log(1 - lr) = .009 and a period of 20
        at_most(np.max(np.abs(count / PERIOD - whole)), 1e-8, "updates of a layer, in periods, are whole"),
        at_most(
            np.max(np.abs(whole.sum(axis=-1) * PERIOD - steps * active[:, None])),
            0.0,
            "updates in all, less active T",
        ),
    ]
    for k, drawn in enumerate(active.tolist()):
        share = slow.gap_final.values[k] / START
        expected = float(expected_share(drawn, SLOW.optimizer.lr, steps))
        note = f"E f after {steps} steps over the start, {drawn} of {LAYERS} layers"
        if drawn == LAYERS:
            parts.append(within(share.mean() / expected, 1.0, 1e-9, note))
            continue
        parts.append(_mean(share, expected, note))
        layer = count[k].std(axis=0, ddof=1).max()
        off = np.max(np.abs(count[k].mean(axis=0) - steps * drawn / LAYERS)) / layer * math.sqrt(len(share))
        parts.append(
            at_most(
                off, 6.0, f"standard errors of the updates of a layer off active T/layers, {drawn} layers"
            )
        )
    for k, drawn in enumerate(at_once.active.values.tolist()):
        share = at_once.gap_final.values[k] / START
        expected = float(expected_share(drawn, 1.0, AT_ONCE.steps))
        parts.append(_mean(share, expected, f"E f after 400 steps of lr = 1 over the start, {drawn} layers"))
    typical = math.exp(2.0 * steps / LAYERS * math.log(1.0 - SLOW.optimizer.lr))
    mean = float(expected_share(1, SLOW.optimizer.lr, steps))
    parts.append(at_least(mean / typical, 1.5, "mean over typical share, one layer"))
    return all_of(parts)


CLAIMS = [sampling_layers_costs_their_share]
DEVIATIONS = ledger(
    "pan2024lisa",
    (
        "2403.17919, Algorithm 1",
        "AdamW in the drawn layers, with embedding and head always trained; experiments on language models.",
        "Gradient descent in layers that do not interact, all of which are drawn, so that every number has a closed form. "
        "Whether layers of a network may rest for a while is not in this toy: where layers interact, resting ones slow others down.",
        "LI1",
    ),
)  # fmt: skip
