"""Schedule-free SGD and AdamW (Defazio et al. 2024, arXiv:2405.15682).

The Dataset's x is the paper's y_t, where gradients are taken; its x_t, which is to be evaluated, is the state
row "average", and its z_t is the row "z".  The average weighs z_{t+1} by lr_t^2 over the sum of these, as
Algorithm 1 and the libraries do; with one step size it is the mean of z_2, ..., z_{t+1}: the first step drops
the start, which the paper's c_{t+1} = 1/(t+1) keeps.  Where step sizes decrease, the libraries weigh by the
largest so far.
"""

from __future__ import annotations

import math

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.adam import Moments
from theory_sim.optimizers.descendants import of_moments
from theory_sim.optimizers.parts import nonzero, of_decay
from theory_sim.rules import checks


def _sgd(
    g: float, t: int, lr: float, beta: float, x: float, z: float, average: float, weights: float
) -> Moments:
    if t == 1:
        z = average = x
    z = z - lr * g
    weights = weights + lr * lr
    average = average + lr * lr / weights * (z - average)
    return z + beta * (average - z), z, average, weights


def _adamw(
    g: float, t: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float,
    x: float, z: float, average: float, weights: float, v: float, c2: float,
) -> Moments:  # fmt: skip
    """Defazio et al. 2024, Algorithm 1."""
    if t == 1:
        z = average = x
    v = beta2 * v + (1.0 - beta2) * g * g
    c2 = beta2 * c2 + (1.0 - beta2)
    z = z - lr * (g / nonzero(math.sqrt(v / c2) + eps) + weight_decay * x)
    weights = weights + lr * lr
    average = average + lr * lr / weights * (z - average)
    return z + beta1 * (average - z), z, average, weights, v, c2


@family
def schedule_free_sgd(lr: float = 1.0, beta: float = 0.9, *, schedule: Schedule = CONSTANT) -> Optimizer:
    """Schedule-free SGD: gradients at (1 - beta) z + beta average (Defazio et al. 2024, arXiv:2405.15682).

    The Dataset's x is that point; the point to evaluate is the state row "average".

    Parameters
    ----------
    lr, beta : float
        lr > 0, beta in [0, 1): 0 is Polyak's averaging, 1 would be primal averaging.
    schedule : Schedule
        A warm-up, if anything.
    """
    return Optimizer(
        "Schedule-free SGD",
        _sgd,
        lr,
        {"beta": checks.beta("beta", beta)},
        rows=("z", "average", "weights"),
        schedule=schedule,
        boxless=True,
        paper="defazio2024",
    )


@family
def schedule_free_adamw(
    lr: float = 0.0025,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Schedule-free AdamW, as the released code (Defazio et al. 2024, arXiv:2405.15682, Algorithm 1).

    The Dataset's x is the point where gradients are taken; the point to evaluate is the state row "average".
    v is corrected before eps is added; the paper puts sqrt(1 - beta2^t) into the step size instead, and so
    into the weights of the average.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        beta1 is the beta of `schedule_free_sgd`; the update has no momentum of its own.
    weight_decay : float
        >= 0, decoupled, of the point where gradients are taken.
    schedule : Schedule
        A warm-up, if anything.
    """
    return Optimizer(
        "Schedule-free AdamW",
        _adamw,
        lr,
        {**of_moments(eps, beta1=beta1, beta2=beta2), **of_decay(weight_decay)},
        rows=("z", "average", "weights", "v", "c2"),
        schedule=schedule,
        boxless=True,
        paper="defazio2024",
    )


OPTIMIZERS = [schedule_free_sgd, schedule_free_adamw]
