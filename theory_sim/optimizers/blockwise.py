"""Methods that know the blocks of the parameters: Adam-mini, MoFO, one step size for each block, a frozen Adam.

A block is `block` successive coordinates, the last one may be shorter; 0 means that all are one block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.parts import nonzero, of_beta, of_decay
from theory_sim.rules import checks

RANKINGS = ("momentum", "gradient", "scaled")


def frozen_rule(g: float, t: int, lr: float, x: float, v: float) -> tuple[float, float]:
    """x_{t+1} = x_t - lr g_t/|g_1|."""
    v = abs(g) if t == 1 else v
    return x - lr * g / nonzero(v), v


def blockwise_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """x_l = x_l - lr rate_l g_l, with as many blocks of equal length as there are rates."""
    d, lanes = x.shape
    size = -(-d // hyper.shape[0])
    for i in range(d):
        for lane in range(lanes):
            x[i, lane] -= lr[lane] * hyper[i // size, lane] * g[0, i, lane]


def adam_mini_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Rows: m, v, c1, c2, the mean square of a block.  Hyper rows: block, beta1, beta2, eps, weight_decay."""
    d, lanes = x.shape
    size = d if hyper[0, 0] == 0.0 else int(hyper[0, 0])
    for first in range(0, d, size):
        last = min(first + size, d)
        for lane in range(lanes):
            state[4, first, lane] = 0.0
        for i in range(first, last):
            for lane in range(lanes):
                state[4, first, lane] += g[0, i, lane] * g[0, i, lane]
        for i in range(first, last):
            for lane in range(lanes):
                beta1, beta2 = hyper[1, lane], hyper[2, lane]
                mean = state[4, first, lane] / (last - first)
                # v_b = beta2 v_b + (1 - beta2) mean(g_b^2), the same in every coordinate of the block
                m = beta1 * state[0, i, lane] + (1.0 - beta1) * g[0, i, lane]
                v = beta2 * state[1, i, lane] + (1.0 - beta2) * mean
                c1 = beta1 * state[2, i, lane] + (1.0 - beta1)
                c2 = beta2 * state[3, i, lane] + (1.0 - beta2)
                scale = math.sqrt(v / c2) + hyper[3, lane]
                scale = scale if scale != 0.0 else math.inf
                kept = x[i, lane] - lr[lane] * hyper[4, lane] * x[i, lane]
                x[i, lane] = kept - lr[lane] * (m / c1) / scale
                state[0, i, lane], state[1, i, lane] = m, v
                state[2, i, lane], state[3, i, lane] = c1, c2


def mofo_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Rows: m, v, c1, c2, the largest sizes of a block.

    Hyper rows: block, fraction, what ranks (0 momentum, 1 gradient, 2 scaled), beta1, beta2, eps, weight_decay.
    """
    d, lanes = x.shape
    size = d if hyper[0, 0] == 0.0 else int(hyper[0, 0])
    for i in range(d):
        for lane in range(lanes):
            beta1, beta2 = hyper[3, lane], hyper[4, lane]
            state[0, i, lane] = beta1 * state[0, i, lane] + (1.0 - beta1) * g[0, i, lane]
            state[1, i, lane] = beta2 * state[1, i, lane] + (1.0 - beta2) * g[0, i, lane] * g[0, i, lane]
            state[2, i, lane] = beta1 * state[2, i, lane] + (1.0 - beta1)
            state[3, i, lane] = beta2 * state[3, i, lane] + (1.0 - beta2)
    for first in range(0, d, size):
        last = min(first + size, d)
        for lane in range(lanes):
            k = max(int(hyper[1, lane] * (last - first)), 1)
            for i in range(first, last):
                root = math.sqrt(state[1, i, lane] / state[3, i, lane]) + hyper[5, lane]
                value = abs(g[0, i, lane] if hyper[2, lane] == 1.0 else state[0, i, lane])
                value = value / (root if root != 0.0 else math.inf) if hyper[2, lane] == 2.0 else value
                # the k largest sizes so far, in decreasing order
                j = min(i - first, k - 1)
                if i - first < k or value > state[4, first + k - 1, lane]:
                    while j > 0 and state[4, first + j - 1, lane] < value:
                        state[4, first + j, lane] = state[4, first + j - 1, lane]
                        j -= 1
                    state[4, first + j, lane] = value
            threshold = state[4, first + k - 1, lane]
            for i in range(first, last):
                root = math.sqrt(state[1, i, lane] / state[3, i, lane]) + hyper[5, lane]
                root = root if root != 0.0 else math.inf
                value = abs(g[0, i, lane] if hyper[2, lane] == 1.0 else state[0, i, lane])
                value = value / root if hyper[2, lane] == 2.0 else value
                m = state[0, i, lane] / state[2, i, lane]
                # >=: whoever ties with the k-th moves too; 0 m keeps a NaN
                chosen = m if value >= threshold else 0.0 * m
                kept = x[i, lane] - lr[lane] * hyper[6, lane] * x[i, lane]
                x[i, lane] = kept - lr[lane] * chosen / root


@family
def frozen_adam(lr: float = 0.001, *, schedule: Schedule = CONSTANT) -> Optimizer:
    """Adam with beta1 = 0, beta2 = 1 and v_0 = g_0^2 (Zhang et al. 2024, arXiv:2402.16788, Theorem 1).

    The denominator is the first gradient's size forever, so this is gradient descent with the diagonal
    preconditioner 1/|g_1|: what is left of Adam when only its effect on the condition number is asked for.

    Parameters
    ----------
    lr : float
        > 0.
    schedule : Schedule

    Notes
    -----
    "beta2 = 1" is also read as the sum of squares, which is `adagrad` and behaves otherwise: its step keeps
    falling where gradients grow.
    """
    return Optimizer(
        "frozen Adam", frozen_rule, lr, rows=("v",), schedule=schedule, paper="zhang2024transformers"
    )


@family
def blockwise_gd(
    lr: float = 1.0, rates: Sequence[float] = (0.5, 0.01, 0.0002), *, schedule: Schedule = CONSTANT
) -> Optimizer:
    """Gradient descent with a step size for each block (Zhang et al. 2024, arXiv:2406.16793, section 2).

    Parameters
    ----------
    lr : float
        > 0, a factor of all of them.
    rates : sequence of float
        > 0, one for each block of d/len(rates) coordinates; by default 2/(lambda_max + lambda_min) of the blocks {1, 2, 3},
        {99, 100, 101}, {4998, 4999, 5000}.
    schedule : Schedule
    """
    hyper = {f"rate_{b}": checks.number("rates", rate, 0.0, open_low=True) for b, rate in enumerate(rates)}
    if not hyper:
        raise ValueError("rates is empty; give a step size for each block.")
    return Optimizer("blockwise GD", blockwise_kernel, lr, hyper, schedule=schedule, paper="zhang2024mini")


@family
def adam_mini(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    block: int = 0,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Adam-mini (Zhang et al. 2024, arXiv:2406.16793): one second moment for each block, the mean of its g^2.

    It keeps the momentum of Adam and a single adaptive step size for each block, so its second moment takes
    almost no memory.  Blocks of one coordinate make it Adam; one block and beta2 = 0 make it normalised gradient
    descent with momentum.

    Parameters
    ----------
    lr, beta1, beta2, eps, weight_decay : float
        lr > 0, betas in [0, 1), eps >= 0; weight decay is decoupled, as in `adamw`.
    block : int
        Coordinates of a block, 0: all are one block.  The paper's partition follows the dense diagonal blocks of the
        Hessian: a head of query and key, an output neuron of other layers, a token of the embedding.
    schedule : Schedule

    Notes
    -----
    What the toy supports (`counterexamples.quadratics`): on a Hessian of three dense blocks one step size for each
    block suffices, and Adam's further ones cost it, since they do not fit a dense block.  Where blocks are diagonal
    they do fit, and without momentum Adam beats any single step size.  Toys say nothing of memory, speed or loss of a network.
    """
    return Optimizer(
        "Adam-mini",
        adam_mini_kernel,
        lr,
        {
            "block": checks.count("block", block, 0),
            **of_beta(beta1=beta1, beta2=beta2),
            "eps": checks.number("eps", eps, 0.0),
            **of_decay(weight_decay),
        },
        rows=("m", "v", "c1", "c2", "square"),
        schedule=schedule,
        variant={"block": str(block)},
        paper="zhang2024mini",
    )


@family
def mofo(
    lr: float = 0.001,
    fraction: float = 0.15,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    block: int = 0,
    ranked: str = "momentum",
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """MoFO (Chen et al. 2024, arXiv:2407.20999): Adam that moves, in each block, the coordinates of largest |m|.

    Made for fine-tuning: what does not move is not forgotten.  Both moments are kept for all coordinates; only
    the step is filtered, and it is filtered by the momentum itself, not by m/sqrt(v).

    Parameters
    ----------
    lr : float
    fraction : float
        In (0, 1], the alpha of the paper: the share of a block that moves: max(1, floor(fraction n)) of n
        coordinates, and whoever ties with the last of them.  Published runs have .05 to .2; 1 is AdamW.
    beta1, beta2, eps, weight_decay : float
        As in `adam_mini`; the decay acts on every coordinate.
    block : int
        Coordinates of a block, 0: all are one block.  In the published code every tensor is a block.
    ranked : {"momentum", "gradient", "scaled"}
        What decides: |m|, |g| or |m|/sqrt(v).
    schedule : Schedule

    Notes
    -----
    What the toys support (`counterexamples.finetuning`): at the same loss fewer coordinates move and the distance from
    the start is smaller in the 1-norm.  In the 2-norm it is larger than Adam's once the fraction is small, steps to
    the same loss grow several times, and where coordinates tie exactly all of them move.  Forgetting itself is not
    in these toys.
    """
    checks.known("ranked", ranked, RANKINGS)
    return Optimizer(
        "MoFO",
        mofo_kernel,
        lr,
        {
            "block": checks.count("block", block, 0),
            "fraction": checks.number("fraction", fraction, 0.0, 1.0, open_low=True),
            "ranked": float(RANKINGS.index(ranked)),
            **of_beta(beta1=beta1, beta2=beta2),
            "eps": checks.number("eps", eps, 0.0),
            **of_decay(weight_decay),
        },
        rows=("m", "v", "c1", "c2", "size"),
        schedule=schedule,
        variant={"block": str(block), "ranked": ranked},
        paper="chen2024mofo",
    )


OPTIMIZERS = [frozen_adam, blockwise_gd, adam_mini, mofo]
