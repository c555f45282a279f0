"""Methods that rescale the gradient by its norm: clipping, normalisation, AdamNorm.

Norms are Euclidean over all coordinates.  The first state row of a kernel holds the norm (AdamNorm: its square) of a
step in its coordinate 0, so that every loop runs over contiguous lanes; hypot keeps it finite nearly as long as g is,
and the term 0 * norm turns a norm that is not into a NaN instead of a step of length 0.
"""

from __future__ import annotations

import math
from typing import Any

from theory_sim import checks
from theory_sim.optimizer import Optimizer
from theory_sim.schedule import Schedule, constant


def clipped_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """x -= lr min(1, threshold/||g||) g."""
    d, lanes = x.shape
    for lane in range(lanes):
        state[0, 0, lane] = 0.0
    for i in range(d):
        for lane in range(lanes):
            state[0, 0, lane] = math.hypot(state[0, 0, lane], g[0, i, lane])
    for i in range(d):
        for lane in range(lanes):
            norm = state[0, 0, lane]
            # h_t = lr min(1, threshold/||g_t||); x_{t+1} = x_t - h_t g_t
            x[i, lane] -= lr[lane] * (hyper[0, lane] / max(norm, hyper[0, lane]) + 0.0 * norm) * g[0, i, lane]


def normalized_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """x -= lr g/(||g|| + offset); no move where that is 0/0."""
    d, lanes = x.shape
    for lane in range(lanes):
        state[0, 0, lane] = 0.0
    for i in range(d):
        for lane in range(lanes):
            state[0, 0, lane] = math.hypot(state[0, 0, lane], g[0, i, lane])
    for i in range(d):
        for lane in range(lanes):
            scale = state[0, 0, lane] + hyper[0, lane]
            if scale == 0.0:
                scale = math.inf
            # x_{t+1} = x_t - lr g_t/(||g_t|| + offset)
            x[i, lane] -= lr[lane] * (g[0, i, lane] / scale + 0.0 * state[0, 0, lane])


def mixed_clipping_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Momentum and gradient, each clipped on its own, mixed by a weight."""
    d, lanes = x.shape
    for lane in range(lanes):
        state[0, 0, lane] = 0.0
        state[1, 0, lane] = 0.0
    for i in range(d):
        for lane in range(lanes):
            # m_t = momentum m_{t-1} + (1 - momentum) g_t
            m = hyper[1, lane] * state[2, i, lane] + (1.0 - hyper[1, lane]) * g[0, i, lane]
            state[2, i, lane] = m
            state[0, 0, lane] = math.hypot(state[0, 0, lane], g[0, i, lane])
            state[1, 0, lane] = math.hypot(state[1, 0, lane], m)
    for i in range(d):
        for lane in range(lanes):
            threshold = hyper[0, lane]
            of_g = threshold / max(state[0, 0, lane], threshold) + 0.0 * state[0, 0, lane]
            of_m = threshold / max(state[1, 0, lane], threshold) + 0.0 * state[1, 0, lane]
            # x_{t+1} = x_t - lr [mix min(1, threshold/||m_t||) m_t + (1 - mix) min(1, threshold/||g_t||) g_t]
            direction = (
                hyper[2, lane] * of_m * state[2, i, lane] + (1.0 - hyper[2, lane]) * of_g * g[0, i, lane]
            )
            x[i, lane] -= lr[lane] * direction


def adam_norm_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Adam with one second moment, of the squared norm, for all coordinates."""
    d, lanes = x.shape
    for lane in range(lanes):
        state[0, 0, lane] = 0.0
    for i in range(d):
        for lane in range(lanes):
            state[0, 0, lane] += g[0, i, lane] * g[0, i, lane]
    for lane in range(lanes):
        # v_t = beta2 v_{t-1} + (1 - beta2) ||g_t||^2
        state[1, 0, lane] = hyper[1, lane] * state[1, 0, lane] + (1.0 - hyper[1, lane]) * state[0, 0, lane]
    for i in range(d):
        for lane in range(lanes):
            # m_t = beta1 m_{t-1} + (1 - beta1) g_t
            m = hyper[0, lane] * state[2, i, lane] + (1.0 - hyper[0, lane]) * g[0, i, lane]
            state[2, i, lane] = m
            scale = math.sqrt(state[1, 0, lane]) + hyper[2, lane]
            if scale == 0.0:
                scale = math.inf
            # x_{t+1} = x_t - lr_t m_t/(sqrt(v_t) + eps)
            x[i, lane] -= lr[lane] * m / scale


def clipped_gd(lr: float = 0.1, threshold: float = 1.0, *, schedule: Schedule | None = None) -> Optimizer:
    """Clipped (stochastic) gradient descent.

    h_t = min(lr, threshold lr/||g_t||) in Zhang, He, Sra, Jadbabaie 2020 (arXiv:1905.11881, with threshold = gamma)
    and h_t = lr min(1, c/||g_t||) in Koloskova, Hendrikx, Stich 2023 (arXiv:2305.01588, with threshold = c): one rule.

    Parameters
    ----------
    lr : float
        > 0.
    threshold : float
        Largest norm that is not clipped, > 0.
    schedule : Schedule
    """
    return Optimizer(
        name="Clipped GD",
        step=clipped_kernel,
        lr=lr,
        hyper={"threshold": checks.number("threshold", threshold, 0.0, open_low=True)},
        rows=("norm",),
        schedule=schedule or constant(),
        paper="zhang2020clipping",
        family=clipped_gd,
        arguments={"lr": lr, "threshold": threshold, "schedule": schedule},
    )


def normalized_gd(lr: float = 0.1, offset: float = 0.0, *, schedule: Schedule | None = None) -> Optimizer:
    """Normalised gradient descent, x -= lr g/(||g|| + offset).

    With threshold lr_c = lr and lr_c = lr/offset its step is within a factor 2 of clipped GD's (arXiv:1905.11881).

    Parameters
    ----------
    lr : float
        > 0: the length of a step when offset = 0.
    offset : float
        >= 0.
    schedule : Schedule
    """
    return Optimizer(
        name="Normalized GD",
        step=normalized_kernel,
        lr=lr,
        hyper={"offset": checks.number("offset", offset, 0.0)},
        rows=("norm",),
        schedule=schedule or constant(),
        paper="zhang2020clipping",
        family=normalized_gd,
        arguments={"lr": lr, "offset": offset, "schedule": schedule},
    )


def mixed_clipping(
    lr: float = 0.1,
    threshold: float = 1.0,
    momentum: float = 0.999,
    mix: float = 0.7,
    *,
    schedule: Schedule | None = None,
) -> Optimizer:
    """Mixed clipping of Zhang, Jin, Fang, Wang 2020 (arXiv:2010.02519); mix = 1 is momentum clipping.

    The paper's form min(lr, gamma/||.||) with gamma = threshold lr; the released code replaces the minimum by
    lr/(1 + lr ||.||/gamma).

    Parameters
    ----------
    lr, threshold : float
        > 0.
    momentum : float
        In [0, 1).
    mix : float
        nu in [0, 1], the weight of the momentum.
    schedule : Schedule
    """
    return Optimizer(
        name="Mixed clipping",
        step=mixed_clipping_kernel,
        lr=lr,
        hyper={
            "threshold": checks.number("threshold", threshold, 0.0, open_low=True),
            "momentum": checks.beta("momentum", momentum),
            "mix": checks.number("mix", mix, 0.0, 1.0),
        },
        rows=("norm", "momentum_norm", "m"),
        schedule=schedule or constant(),
        paper="zhang2020improved",
        family=mixed_clipping,
        arguments={"lr": lr, "threshold": threshold, "momentum": momentum, "mix": mix, "schedule": schedule},
    )


def adam_norm(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 0.0,
    *,
    schedule: Schedule | None = None,
) -> Optimizer:
    """Adam with the scalar second moment of ||g||^2, without bias correction (Wang et al. 2024, arXiv:2403.15146)."""
    return Optimizer(
        name="AdamNorm",
        step=adam_norm_kernel,
        lr=lr,
        hyper={
            "beta1": checks.beta("beta1", beta1),
            "beta2": checks.beta("beta2", beta2),
            "eps": checks.number("eps", eps, 0.0),
        },
        rows=("square", "v", "m"),
        schedule=schedule or constant(),
        paper="wang2024separability",
        family=adam_norm,
        arguments={"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "schedule": schedule},
    )


OPTIMIZERS = [clipped_gd, normalized_gd, mixed_clipping, adam_norm]
