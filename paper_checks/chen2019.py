"""Chen, Liu, Sun, Hong, "On the Convergence of A Class of Adam-Type Algorithms for Non-Convex Optimization" (ICLR 2019,
arXiv:1808.02941): what decides is how much the rate of a coordinate oscillates.

With rates e_t = lr_t/sqrt(v_t), e_0 = 0, no momentum and e_{t-1} known before g_t is drawn at x_t, the descent lemma and
-e_t F g = -e_{t-1} F g + (e_{t-1} - e_t) F g, F = grad f(x_t), give, coordinate by coordinate,

    sum_t E e_{t-1} F_t^2 <= gap_1 + G^2 sum_t E abs(e_t - e_{t-1}) + L/2 sum_t E e_t^2 g_t^2,

and e_{t-1} >= lr_T/G if v <= G^2.  For AMSGrad e_t falls after the first step, so that the oscillation is 2 e_1 - e_T; for Adam
with gradients that keep changing it grows like the sum of lr_t, and the bound says nothing; for AdaFom, whose v is the mean of all
squares, it converges.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import theory_sim as ts
from counterexamples import sequences, smooth
from paper_checks.theorems.conditions import NO_EPS, NO_MOMENTUM, NOT_GROWING, UNBIASED
from theory_sim import random
from theory_sim.nouns.claim import Evidence, all_of, at_least, at_most, claim, ledger, within
from theory_sim.nouns.theorem import Theorem

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[np.float64]]

ENTROPY = 1808
LR, BETA2, WIDTH = 0.1, 0.5, 0.3
STEPS = 1_000

_AMSGRAD = ts.amsgrad(LR, 0.0, BETA2, schedule=ts.power(0.5))

OSCILLATION = Theorem(
    id="chen2019.thm31",
    where="Theorem 3.1, without momentum, constants of our own",
    statement="The mean squared gradient of a method with rates e_t = lr_t/sqrt(v_t) is at most a multiple of the gap, the oscillation of "
    "the rates and the sum of the squared steps.",
    conditions=(NO_MOMENTUM, UNBIASED, NOT_GROWING, *NO_EPS),
    bound="d*G^2/T + G/(lr*T^(1 - s))*(gap_1 + G^2*oscillation + L*squares/2)",
    quantity="gradient_square_mean",
    meaning={
        "oscillation": "sum over t and coordinates of |e_t - e_{t-1}|, e_0 = 0",
        "squares": "sum over t and coordinates of (e_t g_t)^2, the squared steps",
    },
    assumes=("v is at most G^2, as it is without bias correction.", "In expectation over the gradients."),
    problem=lambda: smooth.logcosh(1, WIDTH),
    optimizer=lambda: _AMSGRAD,
    run={"steps": 1_000, "seeds": 8},
)

_SIGNS: dict[str, Any] = {
    "steps": 30_000,
    "seeds": 4,
    "checkpoints": range(1, 30_001),
    "entropy": ENTROPY,
    "quick": {"steps": 10_000, "checkpoints": range(1, 10_001)},
}
# Gradients 3/2 and -1/2 at random: the rate of a step is its size over that of its gradient, which its sign tells.
ADAM, AMSGRAD, ADAFOM = (
    ts.Sweep(sequences.heavy_tailed(0.0, 0.5), optimizer, name=f"chen2019.{name}", **_SIGNS)
    for name, optimizer in (
        ("adam", ts.rmsprop(LR, BETA2, schedule=ts.power(0.5))),
        ("amsgrad", _AMSGRAD),
        ("adafom", ts.adam_nc(LR, 0.0, schedule=ts.power(0.5))),
    )
)
LOGCOSH = ts.Sweep(
    smooth.logcosh(1, WIDTH),
    _AMSGRAD,
    steps=STEPS,
    seeds=8,
    checkpoints=range(1, STEPS + 1),
    running=True,
    entropy=ENTROPY,
    name="chen2019.logcosh",
)


def rates(x: Array) -> Array:
    """Return e_t from a path (seed, t) from 0 on gradients 3/2 and -1/2."""
    moves = np.diff(x, axis=-1, prepend=0.0)
    return np.abs(moves) / np.where(moves < 0.0, 1.5, 0.5)


def oscillation(e: Array) -> Array:
    """Return sum_{s<=t} abs(e_s - e_{s-1}) with e_0 = 0, for every t."""
    return np.asarray(np.abs(np.diff(e, axis=-1, prepend=0.0)).cumsum(axis=-1))


@claim("chen2019.C1", "conditions of Theorem 3.1", "tight", ADAM, AMSGRAD, ADAFOM, constants="derived")
def how_much_rates_oscillate(*grids: xr.Dataset) -> Evidence:
    """On gradients that change at random the oscillation of the rates lr_t/sqrt(v_t) is 2 e_1 - e_T for AMSGrad, grows like
    sqrt(T) for RMSProp, Adam without momentum, and ends for AdaFom."""
    paths = [
        grid.x.transpose("seed", "checkpoint", ...).values.reshape(grid.sizes["seed"], -1) for grid in grids
    ]
    if not all(np.isfinite(x).all() for x in paths):
        return at_least(math.nan, 0.0, "a path that is not finite")
    adam, amsgrad, adafom = (oscillation(rates(x)) for x in paths)
    e = rates(paths[1])
    # AMSGrad's maximum grows in its first steps only; x is a sum of 1e4 steps, so that e carries 1e-12.
    telescoped = np.max(np.abs(amsgrad[:, -1] - (2.0 * e[:, 0] - e[:, -1])))
    T = adam.shape[1]
    parts = [adam[:, T // divisor - 1].mean() for divisor in (16, 4, 1)]
    growth = float((parts[2] - parts[1]) / (parts[1] - parts[0]))
    rest = float(np.max((adafom[:, -1] - adafom[:, T // 2 - 1]) / adafom[:, -1]))
    return all_of(
        [
            at_most(float(telescoped), 1e-9, "AMSGrad: oscillation against 2 e_1 - e_T"),
            # The first steps add a constant; sqrt(T) - sqrt(T/4) is twice sqrt(T/4) - sqrt(T/16).
            within(
                growth,
                2.0,
                0.1,
                "RMSProp: growth of the oscillation from T/4 to T over that from T/16 to T/4",
            ),
            at_most(rest, 0.01, "AdaFom: share of its oscillation in the second half"),
        ]
    )


def seen(grid: xr.Dataset) -> tuple[Array, Array]:
    """Return x_t and g_t of the runs on the noisy log cosh, shape (seed, t), the noise drawn again."""
    x = grid.x.transpose("seed", "checkpoint", ...).values.reshape(grid.sizes["seed"], -1)
    x = np.concatenate([np.ones((len(x), 1)), x[:, :-1]], axis=1)
    noise = []
    for seed in grid.seed.values.tolist():
        stream = int(random.key(ENTROPY, seed))
        noise.append([WIDTH * (2.0 * random.uniform_at(stream, t, 1) - 1.0) for t in range(1, STEPS + 1)])
    return x, np.tanh(x) + np.array(noise)


@claim("chen2019.C2", "Theorem 3.1", "upper", LOGCOSH, constants="derived")
def the_bound_with_its_oscillation(grid: xr.Dataset) -> Evidence:
    """On log cosh with noise the mean squared gradient of AMSGrad without momentum is below the bound that the oscillation and the
    steps of its own runs give, and reaches a hundredth of it; every step is that of rates recomputed from the noise."""
    x, g = seen(grid)
    v = np.zeros(len(x))
    top, e = np.zeros(len(x)), np.empty_like(g)
    for t in range(STEPS):
        v = BETA2 * v + (1.0 - BETA2) * g[:, t] ** 2
        top = np.maximum(top, v)
        e[:, t] = LR / math.sqrt(t + 1.0) / np.sqrt(top)
    follow = float(np.max(np.abs(x[:, 1:] - (x - e * g)[:, :-1])))
    G = 1.0 + WIDTH
    known = {"d": 1, "G": G, "L": 1.0, "lr": LR, "s": 0.5, "T": STEPS, "gap_1": math.log(math.cosh(1.0))}
    totals = {
        "oscillation": float(oscillation(e)[:, -1].mean()),
        "squares": float(((e * g) ** 2).sum(axis=1).mean()),
    }
    ratio = float(grid.gradient_square_mean.isel(checkpoint=-1).mean()) / float(
        OSCILLATION.evaluate({**known, **totals})
    )
    first = float(np.max(np.abs(oscillation(e)[:, -1] - (2.0 * e.max(axis=1) - e[:, -1]))))
    return all_of(
        [
            within(follow, 0.0, 1e-12, "largest difference of a step from that of the recomputed rates"),
            at_most(ratio, 1.0, f"mean squared gradient over the bound, T = {STEPS}"),
            at_least(ratio, 0.01, "the same, no vacuous bound"),
            at_most(first, 1e-9, "oscillation of AMSGrad against 2 max e - e_T"),
        ]
    )


CLAIMS = [how_much_rates_oscillate, the_bound_with_its_oscillation]
THEOREMS = [OSCILLATION]

DEVIATIONS = ledger("chen2019",
    ("Theorem 3.1", "A bound with C_1 sum ||alpha_t g_t/sqrt(v_t)||^2 + C_2 sum ||alpha_t/sqrt(v_t) - alpha_{t-1}/sqrt(v_{t-1})||_1 + C_3 "
     "sum of the squares of the latter + C_4.", "Only its beginning was at hand. Derived here without momentum, where C_3 = 0, with "
     "constants of our own.", "C1", "C2"),
    ("Example of divergence", "Eleven components of which one is convex, on which Adam diverges.",
     "Not run: Reddi's and Zhang's examples are of this kind.", "C1"),
)  # fmt: skip
