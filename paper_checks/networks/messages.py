"""Adam with quantized updates on an MLP, with and without error feedback (arXiv:2004.14180)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

import theory_sim as ts
from paper_checks.networks.ends import ending, final, lost, mean_within
from theory_sim.compressors import identity, log_levels
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger
from theory_sim.nouns.training import Training

if TYPE_CHECKING:
    import xarray as xr

_LR = (1e-3, 3e-3, 0.01)
_QUICK = {"seeds": 8, **ending(400)}
_ONE = {"lr": (3e-3,)}  # of 0.01 the losses of two runs differ by 16% for their noise alone, of 0.003 by 1%
_LARGE = {"seeds": 16, **ending(2000)}
WHOLE = Training(
    "mlp",
    ts.qadam(up=identity(64)),
    {"lr": _LR},
    seeds=4,
    **ending(800),
    name="qadam2021.whole",
    quick={"axes": _ONE, **_QUICK},
    large=_LARGE,
)
QUANTIZED = Training(
    "mlp",
    ts.qadam(up=log_levels(0)),
    {"error_feedback": (False, True), "up.k": (0, 1, 2), "lr": _LR},
    seeds=4,
    **ending(800),
    name="qadam2021.quantized",
    quick={"axes": {"error_feedback": (False, True), "up.k": (0, 2), **_ONE}, **_QUICK},
    large=_LARGE,
)


def costs(whole: xr.Dataset, quantized: xr.Dataset) -> xr.DataArray:
    """Return, for each seed, the log of the final loss over that without quantization, a mean over lr."""
    ratio = final(quantized) / final(whole)
    found: xr.DataArray = ratio.copy(data=np.log(ratio.values)).mean("lr", skipna=False)
    return found


def cost(whole: xr.Dataset, quantized: xr.Dataset) -> xr.DataArray:
    """Return the final loss over that without quantization, a geometric mean over lr and seeds."""
    mean: xr.DataArray = costs(whole, quantized).mean("seed", skipna=False)
    return mean.copy(data=np.exp(mean.values))


@claim("qadam2021.N1", "experiments: quantized gradients with error feedback", "upper", WHOLE, QUANTIZED)
def feedback_makes_quantized_updates_free(whole: xr.Dataset, quantized: xr.Dataset) -> Evidence:
    """On the digits, an MLP trained by QAdam with error feedback ends within 15% of the loss without quantization, in the mean over seeds, with one, two or three levels."""
    if lost(whole, quantized):
        return at_most(math.nan, 1.15, "a loss is lost")
    found, most = costs(whole, quantized).sel(error_feedback=True), math.log(1.15)
    return all_of(
        [
            mean_within(found.sel({"up.k": k}).values, -most, most, f"log of the ratio of losses at k = {k}")
            for k in found["up.k"].values
        ]
    )


@claim("qadam2021.N2", "experiments: quantized gradients without error feedback", "lower", WHOLE, QUANTIZED)
def without_feedback_one_level_costs(whole: xr.Dataset, quantized: xr.Dataset) -> Evidence:
    """Without error feedback, updates of one level, 0 or +-1 times the largest, end at 1.3 times the loss at least, in the mean over seeds."""
    if lost(whole, quantized):
        return at_least(math.nan, 1.3, "a loss is lost")
    found = costs(whole, quantized).sel({"error_feedback": False, "up.k": 0})
    return mean_within(found.values, math.log(1.3), math.inf, "log of the ratio of losses at k = 0")


CLAIMS = [feedback_makes_quantized_updates_free, without_feedback_one_level_costs]

DEVIATIONS = ledger(
    "qadam2021",
    (
        "experiments on networks",
        "ResNet and VGG on CIFAR, several workers, schedules of lr and theta.",
        "An MLP of 2,410 parameters on digits, one worker, one message for each parameter of the network, constant "
        "lr, beta1 = 0.9, beta2 = 0.999, no bias correction.  Means are judged by their 95% intervals over seeds; the quick "
        "tier has lr = 0.003 only, as its 400 steps at 0.01 end in noise.",
        *("N1", "N2"),
    ),
)
