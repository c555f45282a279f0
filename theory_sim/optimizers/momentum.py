"""SGD and SGD with momentum, both conventions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from theory_sim import checks
from theory_sim.optimizer import Optimizer
from theory_sim.schedule import Schedule, constant

CONVENTIONS = ("heavy_ball", "ema")


def sgd_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """x -= lr g."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            # x_{t+1} = x_t - lr_t g_t
            x[i, lane] -= lr[lane] * g[0, i, lane]


def heavy_ball_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """m = momentum m + g; x -= lr m."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            # m_t = momentum m_{t-1} + g_t
            state[0, i, lane] = hyper[0, lane] * state[0, i, lane] + g[0, i, lane]
            # x_{t+1} = x_t - lr_t m_t
            x[i, lane] -= lr[lane] * state[0, i, lane]


def ema_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """m = momentum m + (1 - momentum) g; x -= lr m."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            # m_t = momentum m_{t-1} + (1 - momentum) g_t
            state[0, i, lane] = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * g[0, i, lane]
            # x_{t+1} = x_t - lr_t m_t
            x[i, lane] -= lr[lane] * state[0, i, lane]


def gd(lr: float = 0.01, *, schedule: Schedule | None = None) -> Optimizer:
    """Gradient descent: `sgd`, under the name it has when the problem has one component and no noise."""
    return replace(sgd(lr, schedule=schedule), name="GD", family=gd)


def sgd(lr: float = 0.01, *, schedule: Schedule | None = None) -> Optimizer:
    """Stochastic gradient descent."""
    return Optimizer(
        name="SGD",
        step=sgd_kernel,
        lr=lr,
        schedule=schedule or constant(),
        paper="robbins1951",
        family=sgd,
        arguments={"lr": lr, "schedule": schedule},
    )


def sgdm(
    lr: float = 0.01,
    momentum: float = 0.9,
    *,
    convention: str = "heavy_ball",
    m0: float | str = 0.0,
    schedule: Schedule | None = None,
) -> Optimizer:
    """SGD with momentum (Polyak 1964).

    Parameters
    ----------
    lr, momentum : float
        lr > 0, momentum in [0, 1).
    convention : {"heavy_ball", "ema"}
        heavy_ball: m = momentum m + g, as torch.optim.SGD.  ema: m = momentum m + (1 - momentum) g, as most
        theory papers.  With the same lr the steps of the first are 1/(1 - momentum) times longer.
    m0 : float or {"mean_gradient", "max_square"}
        Initial momentum.
    schedule : Schedule
    """
    checks.known("convention", convention, CONVENTIONS)
    return Optimizer(
        name="SGDM",
        step=heavy_ball_kernel if convention == "heavy_ball" else ema_kernel,
        lr=lr,
        hyper={"momentum": checks.beta("momentum", momentum)},
        rows=("m",),
        schedule=schedule or constant(),
        initial={"m": m0},
        variant={"convention": convention},
        paper="polyak1964",
        family=sgdm,
        arguments={"lr": lr, "momentum": momentum, "convention": convention, "m0": m0, "schedule": schedule},
    )


OPTIMIZERS = [gd, sgd, sgdm]
