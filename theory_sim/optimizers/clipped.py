"""Methods that rescale the gradient by its norm: clipping, normalisation, AdamNorm.

Norms are Euclidean over all coordinates; hypot keeps them finite nearly as long as g is, and the term 0 *
norm turns a norm that is not into a NaN instead of a step of length 0.
"""

from __future__ import annotations

import math

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.parts import nonzero, of_beta
from theory_sim.rules import checks
from theory_sim.rules.language import norm, total


def _g(g: float) -> float:
    return g


def _square(g: float) -> float:
    return g * g


def _m(g: float, momentum: float, m: float) -> float:
    return momentum * m + (1.0 - momentum) * g


def _share(threshold: float, length: float) -> float:
    """min(1, threshold/length)."""
    return threshold / max(length, threshold) + 0.0 * length


def _clipped(g: float, lr: float, threshold: float, norm_g: float, x: float) -> float:
    return x - lr * _share(threshold, norm_g) * g


def _normalized(g: float, lr: float, offset: float, norm_g: float, x: float) -> float:
    return x - lr * (g / nonzero(norm_g + offset) + 0.0 * norm_g)


def _started(g: float, t: int, momentum: float, m: float) -> float:
    return g if t == 1 else momentum * m + (1.0 - momentum) * g


def _normalized_momentum(
    g: float, t: int, lr: float, momentum: float, length: float, x: float, m: float
) -> tuple[float, float]:
    """Cutkosky and Mehta 2020, Algorithm 1; m_1 = g_1."""
    m = _started(g, t, momentum, m)
    return x - lr * (m / nonzero(length) + 0.0 * length), m


def _mixed(
    g: float,
    lr: float,
    threshold: float,
    momentum: float,
    mix: float,
    norm_g: float,
    norm_m: float,
    x: float,
    m: float,
) -> tuple[float, float]:
    """Momentum and gradient, each clipped on its own, mixed by a weight."""
    m = _m(g, momentum, m)
    of_m, of_g = _share(threshold, norm_m), _share(threshold, norm_g)
    return x - lr * (mix * of_m * m + (1.0 - mix) * of_g * g), m


def _second_moment(beta2: float, square: float, v: float) -> float:
    return beta2 * v + (1.0 - beta2) * square


def _adam_norm(
    g: float, lr: float, beta1: float, eps: float, v: float, x: float, m: float
) -> tuple[float, float]:
    """Adam with one second moment, of the squared norm, for all coordinates."""
    m = beta1 * m + (1.0 - beta1) * g
    return x - lr * m / nonzero(math.sqrt(v) + eps), m


@family
def clipped_gd(lr: float = 0.1, threshold: float = 1.0, *, schedule: Schedule = CONSTANT) -> Optimizer:
    """Clipped (stochastic) gradient descent.

    h_t = min(lr, threshold lr/||g_t||) in Zhang, He, Sra, Jadbabaie 2020 (arXiv:1905.11881, with
    threshold = gamma) and h_t = lr min(1, c/||g_t||) in Koloskova, Hendrikx, Stich 2023 (arXiv:2305.01588,
    with threshold = c): one rule.

    Parameters
    ----------
    lr : float
        > 0.
    threshold : float
        Largest norm that is not clipped, > 0.
    schedule : Schedule
    """
    return Optimizer(
        "Clipped GD",
        _clipped,
        lr,
        {"threshold": checks.number("threshold", threshold, 0.0, open_low=True)},
        reductions={"norm_g": norm(_g)},
        schedule=schedule,
        paper="zhang2020clipping",
    )


@family
def normalized_gd(lr: float = 0.1, offset: float = 0.0, *, schedule: Schedule = CONSTANT) -> Optimizer:
    """Normalised gradient descent, x -= lr g/(||g|| + offset).

    With threshold lr_c = lr and lr_c = lr/offset its step is within a factor 2 of clipped
    GD's (arXiv:1905.11881).

    Parameters
    ----------
    lr : float
        > 0: the length of a step when offset = 0.
    offset : float
        >= 0.
    schedule : Schedule
    """
    return Optimizer(
        "Normalized GD",
        _normalized,
        lr,
        {"offset": checks.number("offset", offset, 0.0)},
        reductions={"norm_g": norm(_g)},
        schedule=schedule,
        paper="zhang2020clipping",
    )


@family
def normalized_sgdm(lr: float = 0.01, momentum: float = 0.9, *, schedule: Schedule = CONSTANT) -> Optimizer:
    """Normalised SGD with momentum, x -= lr m/||m|| (Cutkosky and Mehta 2020, arXiv:2002.03305, Algorithm 1).

    The length of a step does not tell how sure the gradient is.  Without momentum noise with a usual sign therefore
    drives it away, however small the step; with momentum single gradients suffice.

    Parameters
    ----------
    lr : float
        > 0, the length of a step.
    momentum : float
        In [0, 1); m is a moving average from m_1 = g_1.
    schedule : Schedule
    """
    return Optimizer(
        "Normalized SGDM",
        _normalized_momentum,
        lr,
        {"momentum": checks.beta("momentum", momentum)},
        rows=("m",),
        reductions={"length": norm(_started)},
        schedule=schedule,
        paper="cutkosky2020",
    )


@family
def mixed_clipping(
    lr: float = 0.1,
    threshold: float = 1.0,
    momentum: float = 0.999,
    mix: float = 0.7,
    *,
    schedule: Schedule = CONSTANT,
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
        "Mixed clipping",
        _mixed,
        lr,
        {
            "threshold": checks.number("threshold", threshold, 0.0, open_low=True),
            "momentum": checks.beta("momentum", momentum),
            "mix": checks.number("mix", mix, 0.0, 1.0),
        },
        rows=("m",),
        reductions={"norm_g": norm(_g), "norm_m": norm(_m)},
        schedule=schedule,
        paper="zhang2020improved",
    )


@family
def adam_norm(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 0.0,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Adam with the scalar second moment of ||g||^2, uncorrected (Wang et al. 2024, arXiv:2403.15146)."""
    return Optimizer(
        "AdamNorm",
        _adam_norm,
        lr,
        {
            **of_beta(beta1=beta1, beta2=beta2),
            "eps": checks.number("eps", eps, 0.0),
        },
        rows=("v", "m"),
        reductions={"square": total(_square)},
        once=_second_moment,
        shared=("v",),
        schedule=schedule,
        paper="wang2024separability",
    )


OPTIMIZERS = [clipped_gd, normalized_gd, normalized_sgdm, mixed_clipping, adam_norm]
