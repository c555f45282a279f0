"""SGD and SGD with momentum: heavy ball, moving average, Nesterov, dampened."""

from __future__ import annotations

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.rules import checks


def _sgd(g: float, lr: float, x: float) -> float:
    return x - lr * g


def _heavy_ball(g: float, lr: float, momentum: float, x: float, m: float) -> tuple[float, float]:
    m = momentum * m + g
    return x - lr * m, m


def _ema(g: float, lr: float, momentum: float, x: float, m: float) -> tuple[float, float]:
    m = momentum * m + (1.0 - momentum) * g
    return x - lr * m, m


def _nesterov(g: float, lr: float, momentum: float, x: float, m: float) -> tuple[float, float]:
    m = momentum * m + g
    return x - lr * (g + momentum * m), m


def _dampened(
    g: float, t: int, lr: float, momentum: float, dampening: float, x: float, m: float
) -> tuple[float, float]:
    m = g if t == 1 else momentum * m + (1.0 - dampening) * g
    return x - lr * m, m


CONVENTIONS = {"heavy_ball": _heavy_ball, "ema": _ema}


@family
def gd(lr: float = 0.01, *, schedule: Schedule = CONSTANT) -> Optimizer:
    """Gradient descent: `sgd`, under the name it has when the problem has one component and no noise."""
    return Optimizer("GD", _sgd, lr, schedule=schedule, paper="robbins1951")


@family
def sgd(lr: float = 0.01, *, schedule: Schedule = CONSTANT) -> Optimizer:
    """Stochastic gradient descent."""
    return Optimizer("SGD", _sgd, lr, schedule=schedule, paper="robbins1951")


@family
def sgdm(
    lr: float = 0.01,
    momentum: float = 0.9,
    *,
    convention: str = "heavy_ball",
    m0: float | str = 0.0,
    schedule: Schedule = CONSTANT,
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
        "SGDM",
        CONVENTIONS[convention],
        lr,
        {"momentum": checks.beta("momentum", momentum)},
        rows=("m",),
        schedule=schedule,
        initial={"m": m0},
        variant={"convention": convention},
        paper="polyak1964",
    )


@family
def nesterov(
    lr: float = 0.01, momentum: float = 0.9, *, m0: float | str = 0.0, schedule: Schedule = CONSTANT
) -> Optimizer:
    """SGD with Nesterov's momentum, m = momentum m + g and x -= lr (g + momentum m).

    As torch.optim.SGD(nesterov=True): x is the point where gradients are taken, that of Sutskever et al. 2013
    after its look-ahead.  m0 is as in `sgdm`.
    """
    return Optimizer(
        "Nesterov",
        _nesterov,
        lr,
        {"momentum": checks.beta("momentum", momentum)},
        rows=("m",),
        schedule=schedule,
        initial={"m": m0},
        paper="sutskever2013",
    )


@family
def dampened_sgdm(
    lr: float = 0.01, momentum: float = 0.9, dampening: float = 0.9, *, schedule: Schedule = CONSTANT
) -> Optimizer:
    """SGD with momentum as torch.optim.SGD dampens it: m = momentum m + (1 - dampening) g, but m_1 = g_1.

    With dampening = momentum it is `sgdm` of convention "ema" but for that first step, which is not dampened.

    Parameters
    ----------
    lr, momentum : float
        lr > 0, momentum in [0, 1).
    dampening : float
        In [0, 1]; 0 is the heavy ball.
    schedule : Schedule
    """
    return Optimizer(
        "Dampened SGDM",
        _dampened,
        lr,
        {
            "momentum": checks.beta("momentum", momentum),
            "dampening": checks.number("dampening", dampening, 0.0, 1.0),
        },
        rows=("m",),
        schedule=schedule,
        paper="polyak1964",
    )


OPTIMIZERS = [gd, sgd, sgdm, nesterov, dampened_sgdm]
