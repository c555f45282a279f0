"""SGD and SGD with momentum, both conventions."""

from __future__ import annotations

from theory_sim import checks
from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule


def _sgd(g: float, lr: float, x: float) -> float:
    return x - lr * g


def _heavy_ball(g: float, lr: float, momentum: float, x: float, m: float) -> tuple[float, float]:
    m = momentum * m + g
    return x - lr * m, m


def _ema(g: float, lr: float, momentum: float, x: float, m: float) -> tuple[float, float]:
    m = momentum * m + (1.0 - momentum) * g
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


OPTIMIZERS = [gd, sgd, sgdm]
