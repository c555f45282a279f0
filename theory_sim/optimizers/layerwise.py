"""Methods that treat layers as wholes: LARS and LAMB normalise the step of each, LISA trains a few at a time.

A layer is `block` successive coordinates, the last one may be shorter; 0 means that all are one layer.
"""

from __future__ import annotations

import math
from typing import Any

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.parts import of_beta, of_decay
from theory_sim.rules import checks

DIRECTIONS = ("moments", "gradient")


def trust_ratio(size: float, length: float, low: float, high: float) -> float:
    """Return phi(size)/length, phi clips to [low, high]; 1 where either is 0, as public code has it."""
    scale = min(max(size, low), high)
    return scale / length if scale > 0.0 and length > 0.0 else 1.0


def lars_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Rows: m, the norms of a layer.  Hyper rows: block, beta1, weight_decay, low, high."""
    d, lanes = x.shape
    size = d if hyper[0, 0] == 0.0 else int(hyper[0, 0])
    for first in range(0, d, size):
        last = min(first + size, d)
        for lane in range(lanes):
            beta1, weight, length = hyper[1, lane], 0.0, 0.0
            for i in range(first, last):
                slope = g[0, i, lane] + hyper[2, lane] * x[i, lane]
                state[0, i, lane] = beta1 * state[0, i, lane] + (1.0 - beta1) * slope
                # hypot: squares of tiny gradients vanish
                weight = math.hypot(weight, x[i, lane])
                length = math.hypot(length, state[0, i, lane])
            ratio = trust_ratio(weight, length, hyper[3, lane], hyper[4, lane])
            for i in range(first, last):
                x[i, lane] -= lr[lane] * ratio * state[0, i, lane]


def lamb_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Rows: m, v, c1, c2, u.  Hyper rows: block, beta1, beta2, eps, weight_decay, low, high."""
    d, lanes = x.shape
    size = d if hyper[0, 0] == 0.0 else int(hyper[0, 0])
    for first in range(0, d, size):
        last = min(first + size, d)
        for lane in range(lanes):
            beta1, beta2, weight, length = hyper[1, lane], hyper[2, lane], 0.0, 0.0
            for i in range(first, last):
                m = beta1 * state[0, i, lane] + (1.0 - beta1) * g[0, i, lane]
                v = beta2 * state[1, i, lane] + (1.0 - beta2) * g[0, i, lane] * g[0, i, lane]
                c1 = beta1 * state[2, i, lane] + (1.0 - beta1)
                c2 = beta2 * state[3, i, lane] + (1.0 - beta2)
                scale = math.sqrt(v / c2) + hyper[3, lane]
                scale = scale if scale != 0.0 else math.inf
                u = (m / c1) / scale + hyper[4, lane] * x[i, lane]
                weight = math.hypot(weight, x[i, lane])
                length = math.hypot(length, u)
                state[0, i, lane], state[1, i, lane] = m, v
                state[2, i, lane], state[3, i, lane] = c1, c2
                state[4, i, lane] = u
            ratio = trust_ratio(weight, length, hyper[5, lane], hyper[6, lane])
            for i in range(first, last):
                x[i, lane] -= lr[lane] * ratio * state[4, i, lane]


def lisa_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Rows: m, v, c1, c2, drawn.  Hyper rows: active, period, direction, beta1, beta2, eps, weight_decay."""
    d, lanes = x.shape
    layers = noise.shape[0]
    size = -(-d // layers)
    for i in range(d):
        for lane in range(lanes):
            if (t - 1) % int(hyper[1, lane]) == 0:
                # drawn if fewer than `active` layers have a smaller uniform
                before = 0
                for other in range(layers):
                    if noise[other, lane] < noise[i // size, lane]:
                        before += 1
                state[4, i, lane] = 1.0 if before < hyper[0, lane] else 0.0
            if state[4, i, lane] == 0.0:
                continue
            if hyper[2, lane] == 1.0:
                x[i, lane] -= lr[lane] * g[0, i, lane]
                continue
            beta1, beta2 = hyper[3, lane], hyper[4, lane]
            m = beta1 * state[0, i, lane] + (1.0 - beta1) * g[0, i, lane]
            v = beta2 * state[1, i, lane] + (1.0 - beta2) * g[0, i, lane] * g[0, i, lane]
            c1 = beta1 * state[2, i, lane] + (1.0 - beta1)
            c2 = beta2 * state[3, i, lane] + (1.0 - beta2)
            scale = math.sqrt(v / c2) + hyper[5, lane]
            scale = scale if scale != 0.0 else math.inf
            kept = x[i, lane] - lr[lane] * hyper[6, lane] * x[i, lane]
            x[i, lane] = kept - lr[lane] * (m / c1) / scale
            state[0, i, lane], state[1, i, lane] = m, v
            state[2, i, lane], state[3, i, lane] = c1, c2


def _clip(low: float, high: float) -> dict[str, float]:
    """Return the ends of phi, checked."""
    low = checks.number("low", low, 0.0)
    return {"low": low, "high": checks.number("high", high, low)}


@family
def lars(
    lr: float = 0.01,
    beta1: float = 0.9,
    weight_decay: float = 0.0,
    low: float = 0.0,
    high: float = 10.0,
    *,
    block: int = 0,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """LARS (You et al. 2017, as in You et al. 2020, arXiv:1904.00962, Algorithm 1): each layer moves by lr phi(||x||).

    m = beta1 m + (1 - beta1)(g + weight_decay x), and then x = x - lr phi(||x||) m/||m||, layer by layer.

    Parameters
    ----------
    lr : float
        > 0; with phi the identity, the relative change of a layer in one step.
    beta1, weight_decay : float
        beta1 in [0, 1); the decay is part of the gradient.
    low, high : float
        phi clips ||x|| to [low, high], 0 <= low <= high.  The theorem needs low > 0; low = high makes steps of one length.
    block : int
        Coordinates of a layer, 0: all are one layer.
    schedule : Schedule

    Notes
    -----
    What the toys support (`counterexamples.layers`): layers whose curvatures differ by a thousand advance at the same
    relative speed, so one lr serves all, where gradient descent's lr is capped by the stiffest layer; neither the
    scale of the loss nor that of a layer's gradient matters.  The price is gradient descent's linear convergence: a
    constant lr leaves every layer at a distance of order lr phi, so lr must decay.  Large batches, warm-up and
    networks are not in these toys.  Public code leaves biases out and has a trust coefficient, 0.001, beside lr.
    """
    return Optimizer(
        "LARS",
        lars_kernel,
        lr,
        {
            "block": checks.count("block", block, 0),
            **of_beta(beta1=beta1),
            **of_decay(weight_decay),
            **_clip(low, high),
        },
        rows=("m",),
        schedule=schedule,
        variant={"block": str(block)},
        paper="you2020lamb",
    )


@family
def lamb(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    low: float = 0.0,
    high: float = 10.0,
    *,
    block: int = 0,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """LAMB (You et al. 2020, arXiv:1904.00962, Algorithm 2): Adam's direction, each layer with a step of lr phi(||x||).

    u = Adam's m/(sqrt v + eps) + weight_decay x, with bias correction, and then x = x - lr phi(||x||) u/||u||.

    Parameters
    ----------
    lr, beta1, beta2, eps, weight_decay : float
        As in `adamw`; the decay joins the direction before it is normalised.
    low, high : float
        phi clips ||x|| to [low, high], 0 <= low <= high.  Public code has 0 and 10.
    block : int
        Coordinates of a layer, 0: all are one layer.
    schedule : Schedule

    Notes
    -----
    What the toys support (`counterexamples.layers`): as LARS, and inside a layer the coordinates get Adam's treatment;
    without moments a step is the sign, scaled to length lr phi.  Where a layer is 0 or gets no gradient, the ratio
    is 1, as in public code: the first step of a layer that starts at 0 is Adam's.  Whether large batches train
    networks as well is not a question that these toys answer.
    """
    return Optimizer(
        "LAMB",
        lamb_kernel,
        lr,
        {
            "block": checks.count("block", block, 0),
            **of_beta(beta1=beta1, beta2=beta2),
            "eps": checks.number("eps", eps, 0.0),
            **of_decay(weight_decay),
            **_clip(low, high),
        },
        rows=("m", "v", "c1", "c2", "u"),
        schedule=schedule,
        variant={"block": str(block)},
        paper="you2020lamb",
    )


@family
def lisa(
    lr: float = 0.001,
    active: int = 2,
    period: int = 20,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    layers: int = 8,
    direction: str = "moments",
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """LISA (Pan et al. 2024, arXiv:2403.17919): a few layers are drawn, trained for `period` steps, and drawn anew.

    Made for fine-tuning: the gradients and moments of frozen layers need no memory.

    Parameters
    ----------
    lr : float
    active : int
        Layers that are drawn, uniformly and without replacement.
    period : int
        Steps between draws.
    beta1, beta2, eps, weight_decay : float
        Of AdamW in the drawn layers.  The moments of the others rest and are taken up again.
    layers : int
        Layers of d/layers coordinates each, rounded up.
    direction : {"moments", "gradient"}
        Whether a drawn layer moves by AdamW or by its gradient.
    schedule : Schedule

    Notes
    -----
    What the toy supports (`paper_checks.pan2024lisa`): where layers do not interact, a typical run needs layers/active
    times the steps, and nothing is biased.  The mean over runs is worse than the typical run, and no lr helps: a
    layer is never drawn in T steps with the probability (1 - active/layers)^(T/period), so there should be many
    more draws than layers.  In the published code embedding and head are always trained; here every layer is drawn.
    """
    checks.known("direction", direction, DIRECTIONS)
    checks.count("layers", layers)
    return Optimizer(
        "LISA",
        lisa_kernel,
        lr,
        {
            "active": checks.count("active", active, 1, layers),
            "period": checks.count("period", period),
            "direction": float(DIRECTIONS.index(direction)),
            **of_beta(beta1=beta1, beta2=beta2),
            "eps": checks.number("eps", eps, 0.0),
            **of_decay(weight_decay),
        },
        rows=("m", "v", "c1", "c2", "drawn"),
        draws=layers,
        schedule=schedule,
        variant={"direction": direction},
        paper="pan2024lisa",
    )


OPTIMIZERS = [lars, lamb, lisa]
