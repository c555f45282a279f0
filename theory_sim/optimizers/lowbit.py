"""Adam with 8-bit states: the moments are stored through a block-wise code between steps."""

from __future__ import annotations

import math
from typing import Any

from theory_sim import checks
from theory_sim.compressors import dynamic8
from theory_sim.compressors.compressor import Compressor
from theory_sim.optimizer import Optimizer
from theory_sim.schedule import Schedule, constant


def eight_bit_kernel(
    g: Any,
    t: int,
    lr: Any,
    hyper: Any,
    noise: Any,
    state: Any,
    x: Any,
    up: Any,
    up_hyper: Any,
    up_noise: Any,
    down: Any,
    down_hyper: Any,
    down_noise: Any,
) -> None:
    """Rows: m, v as stored, c1, c2, workspace.  Hyper rows: beta1, beta2, eps.  `up` codes m, `down` codes v."""
    if t == 0:
        return
    d, lanes = x.shape
    for lane in range(lanes):
        state[2, 0, lane] = hyper[0, lane] * state[2, 0, lane] + (1.0 - hyper[0, lane])
        state[3, 0, lane] = hyper[1, lane] * state[3, 0, lane] + (1.0 - hyper[1, lane])
    for i in range(d):
        for lane in range(lanes):
            # m_t = beta1 m_{t-1} + (1 - beta1) g_t; v_t = beta2 v_{t-1} + (1 - beta2) g_t^2
            gradient = g[0, i, lane]
            m = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * gradient
            v = hyper[1, lane] * state[1, i, lane] + (1.0 - hyper[1, lane]) * gradient * gradient
            state[0, i, lane] = m
            state[1, i, lane] = v
            scale = math.sqrt(v / state[3, 0, lane]) + hyper[2, lane]
            if scale == 0.0:
                scale = math.inf
            # x_{t+1} = x_t - lr mhat_t / (sqrt(vhat_t) + eps)
            x[i, lane] -= lr[lane] / state[2, 0, lane] * m / scale
    # store Q(m_t) and Q(v_t)
    up(state[0], up_noise, up_hyper, state[4])
    for i in range(d):
        for lane in range(lanes):
            state[0, i, lane] = state[4, i, lane]
    down(state[1], down_noise, down_hyper, state[4])
    for i in range(d):
        for lane in range(lanes):
            state[1, i, lane] = state[4, i, lane]


def eight_bit_adam(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    up: Compressor | None = None,
    down: Compressor | None = None,
    schedule: Schedule | None = None,
) -> Optimizer:
    """8-bit Adam (Dettmers et al. 2022, arXiv:2110.02861): both moments pass through an 8-bit code after every step.

    Bias correction, eps outside the root; the step uses the moments before they are stored again.  Nothing is sent.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        lr > 0, beta1 and beta2 in [0, 1), eps >= 0.
    up, down : Compressor
        The codes of m and of v; default dynamic8(signed=True) and dynamic8(signed=False).
    schedule : Schedule
    """
    return Optimizer(
        name="8-bit Adam",
        step=eight_bit_kernel,
        lr=lr,
        hyper={
            "beta1": checks.beta("beta1", beta1),
            "beta2": checks.beta("beta2", beta2),
            "eps": checks.number("eps", eps, 0.0),
        },
        rows=("m", "v", "c1", "c2", "workspace"),
        schedule=schedule or constant(),
        up=up or dynamic8(),
        down=down or dynamic8(signed=False),
        sends=False,
        paper="dettmers2022",
        family=eight_bit_adam,
        arguments={
            "lr": lr,
            "beta1": beta1,
            "beta2": beta2,
            "eps": eps,
            "up": up,
            "down": down,
            "schedule": schedule,
        },
    )


OPTIMIZERS = [eight_bit_adam]
