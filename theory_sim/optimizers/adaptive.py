"""Relatives of Adam that change the second moment: AdaGrad, RMSProp, Generic Adam, AdamNC, ADOPT, Adam without EMA.

A denominator of exactly 0 gives no move, as in `theory_sim.optimizers.adam`.
"""

from __future__ import annotations

import math
from typing import Any

from theory_sim import checks
from theory_sim.optimizer import Optimizer
from theory_sim.optimizers.adam import EPS_MODES
from theory_sim.schedule import Schedule, constant


def adagrad_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """x -= lr g / (sqrt(sum of g^2) + eps)."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            # v_t = v_{t-1} + g_t^2
            v = state[0, i, lane] + g[0, i, lane] * g[0, i, lane]
            state[0, i, lane] = v
            scale = math.sqrt(v) + hyper[0, lane]
            if scale == 0.0:
                scale = math.inf
            # x_{t+1} = x_t - lr_t g_t / scale
            x[i, lane] -= lr[lane] * g[0, i, lane] / scale


def rmsprop_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Adam with beta1 = 0, moments uncorrected."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            gradient = g[0, i, lane]
            # v_t = beta2 v_{t-1} + (1 - beta2) g_t^2
            v = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * gradient * gradient
            state[0, i, lane] = v
            scale = math.sqrt(v + hyper[1, lane]) + hyper[2, lane]
            if scale == 0.0:
                scale = math.inf
            # x_{t+1} = x_t - lr_t g_t / scale
            x[i, lane] -= lr[lane] * gradient / scale


def generic_adam_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Generic Adam with theta_t = 1 - min(c/t^r, 1) and beta_t = beta1 decay^(t-1)."""
    d, lanes = x.shape
    for lane in range(lanes):
        # 1 - theta_t
        share = min(hyper[2, lane] * float(t) ** -hyper[3, lane], 1.0)
        for i in range(d):
            gradient = g[0, i, lane]
            beta1 = hyper[0, lane] if t == 1 else state[2, i, lane] * hyper[1, lane]
            # v_t = theta_t v_{t-1} + (1 - theta_t) g_t^2
            v = (1.0 - share) * state[1, i, lane] + share * gradient * gradient
            # m_t = beta_t m_{t-1} + (1 - beta_t) g_t
            m = beta1 * state[0, i, lane] + (1.0 - beta1) * gradient
            state[0, i, lane] = m
            state[1, i, lane] = v
            state[2, i, lane] = beta1
            scale = math.sqrt(v)
            if scale == 0.0:
                scale = math.inf
            # x_{t+1} = x_t - lr_t m_t / sqrt(v_t)
            x[i, lane] -= lr[lane] * m / scale


def adopt_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """ADOPT; step 1 only sets v_0 = g_0^2."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            gradient = g[0, i, lane]
            if t == 1:
                state[1, i, lane] = gradient * gradient
            else:
                scale = max(math.sqrt(state[1, i, lane]), hyper[2, lane])
                if scale == 0.0:
                    scale = math.inf
                # m_t = beta1 m_{t-1} + (1 - beta1) g_t / max(sqrt(v_{t-1}), eps)
                m = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * gradient / scale
                state[0, i, lane] = m
                # x_t = x_{t-1} - lr_t m_t
                x[i, lane] -= lr[lane] * m
                # v_t = beta2 v_{t-1} + (1 - beta2) g_t^2
                state[1, i, lane] = (
                    hyper[1, lane] * state[1, i, lane] + (1.0 - hyper[1, lane]) * gradient * gradient
                )


def accumulating_adam_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Adam without momentum of Defossez et al., eq. (2.2) to (2.4)."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            gradient = g[0, i, lane]
            # v_n = beta2 v_{n-1} + g_n^2
            v = hyper[0, lane] * state[0, i, lane] + gradient * gradient
            # (1 - beta2^n) / (1 - beta2) = sum_{j<n} beta2^j
            weights = hyper[0, lane] * state[1, i, lane] + 1.0
            state[0, i, lane] = v
            state[1, i, lane] = weights
            # x_n = x_{n-1} - alpha_n g_n / sqrt(eps + v_n), alpha_n = alpha sqrt((1 - beta2^n) / (1 - beta2))
            scale = math.sqrt(hyper[1, lane] + v)
            if scale == 0.0:
                scale = math.inf
            x[i, lane] -= lr[lane] * math.sqrt(weights) * gradient / scale


def adagrad(
    lr: float = 0.01, eps: float = 0.0, *, v0: float = 0.0, schedule: Schedule | None = None
) -> Optimizer:
    """AdaGrad in the sum form (Duchi, Hazan, Singer 2011).

    Reddi et al. 2018 write it with the mean of squares and alpha/sqrt(t): the same iterates.
    """
    return Optimizer(
        name="AdaGrad",
        step=adagrad_kernel,
        lr=lr,
        hyper={"eps": checks.number("eps", eps, 0.0)},
        rows=("v",),
        schedule=schedule or constant(),
        initial={"v": v0},
        paper="duchi2011",
        family=adagrad,
        arguments={"lr": lr, "eps": eps, "v0": v0, "schedule": schedule},
    )


def rmsprop(
    lr: float = 0.001,
    beta2: float = 0.99,
    eps: float = 0.0,
    *,
    eps_mode: str = "outside",
    v0: float | str = 0.0,
    schedule: Schedule | None = None,
) -> Optimizer:
    """RMSProp without centring or momentum (Tieleman and Hinton 2012): Adam with beta1 = 0, uncorrected."""
    checks.known("eps_mode", eps_mode, EPS_MODES)
    checks.number("eps", eps, 0.0)
    return Optimizer(
        name="RMSProp",
        step=rmsprop_kernel,
        lr=lr,
        hyper={
            "beta2": checks.beta("beta2", beta2),
            "eps_inside": eps if eps_mode == "inside" else 0.0,
            "eps_outside": eps if eps_mode == "outside" else 0.0,
        },
        rows=("v",),
        schedule=schedule or constant(),
        initial={"v": v0},
        variant={"eps_mode": eps_mode},
        paper="tieleman2012",
        family=rmsprop,
        arguments={
            "lr": lr,
            "beta2": beta2,
            "eps": eps,
            "eps_mode": eps_mode,
            "v0": v0,
            "schedule": schedule,
        },
    )


def generic_adam(
    lr: float = 0.001,
    beta1: float = 0.9,
    c: float = 1.0,
    r: float = 1.0,
    *,
    decay: float = 1.0,
    v0: float = 0.0,
    schedule: Schedule | None = None,
) -> Optimizer:
    """Generic Adam with theta_t = 1 - c/t^r (Zou et al. 2019, arXiv:1811.09358, Algorithm 1; Chen et al. 2022).

    Parameters
    ----------
    lr, beta1 : float
    c, r : float
        0 < c, 0 <= r; theta_t is 0 while c/t^r > 1.
    decay : float
        lambda in (0, 1] of beta_t = beta1 lambda^(t-1).
    v0 : float
        The paper's initial epsilon.
    schedule : Schedule
    """
    return Optimizer(
        name="Generic Adam",
        step=generic_adam_kernel,
        lr=lr,
        hyper={
            "beta1": checks.beta("beta1", beta1),
            "decay": checks.number("decay", decay, 0.0, 1.0, open_low=True),
            "c": checks.number("c", c, 0.0, open_low=True),
            "r": checks.number("r", r, 0.0),
        },
        rows=("m", "v", "beta1_t"),
        schedule=schedule or constant(),
        initial={"v": v0},
        paper="zou2019",
        family=generic_adam,
        arguments={"lr": lr, "beta1": beta1, "c": c, "r": r, "decay": decay, "v0": v0, "schedule": schedule},
    )


def adam_nc(
    lr: float = 0.001,
    beta1: float = 0.9,
    *,
    decay: float = 1.0,
    schedule: Schedule | None = None,
) -> Optimizer:
    """AdamNC with beta2_t = 1 - 1/t, so v_t is the mean of squares (Reddi et al. 2018, Algorithm 3)."""
    return Optimizer(
        name="AdamNC",
        step=generic_adam_kernel,
        lr=lr,
        hyper=generic_adam(lr, beta1, decay=decay).hyper,
        rows=("m", "v", "beta1_t"),
        schedule=schedule or constant(),
        paper="reddi2018",
        family=adam_nc,
        arguments={"lr": lr, "beta1": beta1, "decay": decay, "schedule": schedule},
    )


def adopt(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.9999,
    eps: float = 1e-6,
    *,
    schedule: Schedule | None = None,
) -> Optimizer:
    """ADOPT without clipping (Taniguchi et al. 2024, arXiv:2411.02853, Algorithm 2).

    Our step 1 sets v_0 = g_0^2 and does not move x, so the paper's step t is step t + 1 here, schedules included.
    """
    return Optimizer(
        name="ADOPT",
        step=adopt_kernel,
        lr=lr,
        hyper={
            "beta1": checks.beta("beta1", beta1),
            "beta2": checks.beta("beta2", beta2),
            "eps": checks.number("eps", eps, 0.0),
        },
        rows=("m", "v"),
        schedule=schedule or constant(),
        paper="taniguchi2024",
        family=adopt,
        arguments={"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "schedule": schedule},
    )


def accumulating_adam(
    lr: float = 0.001,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    schedule: Schedule | None = None,
) -> Optimizer:
    """Adam without momentum as analysed by Defossez, Bottou, Bach, Usunier (arXiv:2003.02395, section 2.2)."""
    return Optimizer(
        name="Accumulating Adam",
        step=accumulating_adam_kernel,
        lr=lr,
        hyper={"beta2": checks.beta("beta2", beta2), "eps": checks.number("eps", eps, 0.0)},
        rows=("v", "weights"),
        schedule=schedule or constant(),
        paper="defossez2022",
        family=accumulating_adam,
        arguments={"lr": lr, "beta2": beta2, "eps": eps, "schedule": schedule},
    )


OPTIMIZERS = [adagrad, rmsprop, generic_adam, adam_nc, adopt, accumulating_adam]
