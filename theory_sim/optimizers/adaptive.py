"""Relatives of Adam by the second moment: AdaGrad, three RMSProps, Generic Adam, AdamNC, ADOPT, AdaShift, no EMA."""

from __future__ import annotations

import math

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.adam import Moments, of_eps
from theory_sim.optimizers.parts import clip, largest, nonzero, of_beta
from theory_sim.rules import checks


def _adagrad(g: float, lr: float, eps: float, x: float, v: float) -> Moments:
    v = v + g * g
    return x - lr * g / nonzero(math.sqrt(v) + eps), v


def _rmsprop(
    g: float, lr: float, beta2: float, eps_inside: float, eps_outside: float, x: float, v: float
) -> Moments:
    v = beta2 * v + (1.0 - beta2) * g * g
    return x - lr * g / nonzero(math.sqrt(v + eps_inside) + eps_outside), v


def _rmsprop_momentum(
    g: float, lr: float, beta2: float, eps_inside: float, eps_outside: float, momentum: float,
    x: float, v: float, m: float,
) -> Moments:  # fmt: skip
    v = beta2 * v + (1.0 - beta2) * g * g
    m = momentum * m + g / nonzero(math.sqrt(v + eps_inside) + eps_outside)
    return x - lr * m, v, m


def _centered_rmsprop(
    g: float, lr: float, beta2: float, eps_inside: float, eps_outside: float, momentum: float,
    x: float, v: float, mean: float, m: float,
) -> Moments:  # fmt: skip
    """Graves 2013, equations (38) to (42)."""
    v = beta2 * v + (1.0 - beta2) * g * g
    mean = beta2 * mean + (1.0 - beta2) * g
    variance = largest(0.0, v - mean * mean)
    m = momentum * m + g / nonzero(math.sqrt(variance + eps_inside) + eps_outside)
    return x - lr * m, v, mean, m


def _generic_adam(
    g: float, t: int, lr: float, beta1: float, decay: float, c: float, r: float,
    x: float, m: float, v: float, beta1_t: float,
) -> Moments:  # fmt: skip
    """Generic Adam with theta_t = 1 - min(c/t^r, 1) and beta_t = beta1 decay^(t-1)."""
    share = min(c * float(t) ** -r, 1.0)  # 1 - theta_t
    beta1_t = beta1 if t == 1 else beta1_t * decay
    v = (1.0 - share) * v + share * g * g
    m = beta1_t * m + (1.0 - beta1_t) * g
    return x - lr * m / nonzero(math.sqrt(v)), m, v, beta1_t


def _adopt(
    g: float, t: int, lr: float, beta1: float, beta2: float, eps: float, x: float, m: float, v: float
) -> Moments:
    """ADOPT; step 1 only sets v_0 = g_0^2."""
    scale = nonzero(max(math.sqrt(v), eps))
    first = t == 1
    m = m if first else beta1 * m + (1.0 - beta1) * g / scale
    return x if first else x - lr * m, m, g * g if first else beta2 * v + (1.0 - beta2) * g * g


def _clipped_adopt(
    g: float, t: int, lr: float, beta1: float, beta2: float, eps: float, x: float, m: float, v: float
) -> Moments:
    """ADOPT that clips g/sqrt(v) at t^(1/4), t = 1 being the first step that moves."""
    first, bound = t == 1, math.sqrt(math.sqrt(float(t) - 1.0))
    m = m if first else beta1 * m + (1.0 - beta1) * clip(g / nonzero(max(math.sqrt(v), eps)), -bound, bound)
    return x if first else x - lr * m, m, g * g if first else beta2 * v + (1.0 - beta2) * g * g


def _accumulating_adam(
    g: float, lr: float, beta2: float, eps: float, x: float, v: float, weights: float
) -> Moments:
    """Adam without momentum of Defossez et al., eq. (2.2) to (2.4): v sums, and so does the step."""
    v = beta2 * v + g * g
    weights = beta2 * weights + 1.0  # (1 - beta2^n)/(1 - beta2)
    return x - lr * math.sqrt(weights) * g / nonzero(math.sqrt(eps + v)), v, weights


def _adashift(
    g: float, t: int, lr: float, beta1: float, beta2: float, eps: float, shift: float,
    x: float, a: float, b: float, c: float, v: float, weight: float,
) -> Moments:  # fmt: skip
    """AdaShift; a, b and c are the gradients of one, two and three steps before."""
    second = beta1 if shift > 1.0 else 0.0
    third = beta1 * beta1 if shift > 2.0 else 0.0
    m = (g + second * a + third * b) / (1.0 + second + third)
    old = a if shift == 1.0 else (b if shift == 2.0 else c)
    seen = float(t) > shift
    v = beta2 * v + (1.0 - beta2) * old * old if seen else v
    weight = beta2 * weight + (1.0 - beta2) if seen else weight
    move = lr * m / nonzero(math.sqrt(v / weight) + eps) if seen else 0.0 * g
    return x - move, g, a, b, v, weight


@family
def adagrad(
    lr: float = 0.01, eps: float = 0.0, *, v0: float = 0.0, schedule: Schedule = CONSTANT
) -> Optimizer:
    """AdaGrad in the sum form (Duchi, Hazan, Singer 2011).

    Reddi et al. 2018 write it with the mean of squares and alpha/sqrt(t): the same iterates.
    """
    return Optimizer(
        "AdaGrad",
        _adagrad,
        lr,
        {"eps": checks.number("eps", eps, 0.0)},
        rows=("v",),
        schedule=schedule,
        initial={"v": v0},
        paper="duchi2011",
    )


@family
def rmsprop(
    lr: float = 0.001,
    beta2: float = 0.99,
    eps: float = 0.0,
    *,
    eps_mode: str = "outside",
    v0: float | str = 0.0,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """RMSProp without centring or momentum (Tieleman and Hinton 2012): Adam with beta1 = 0, uncorrected."""
    return Optimizer(
        "RMSProp",
        _rmsprop,
        lr,
        {**of_beta(beta2=beta2), **of_eps(eps, eps_mode)},
        rows=("v",),
        schedule=schedule,
        initial={"v": v0},
        variant={"eps_mode": eps_mode},
        paper="tieleman2012",
    )


@family
def rmsprop_momentum(
    lr: float = 0.001,
    beta2: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.9,
    *,
    eps_mode: str = "outside",
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """RMSProp with momentum of the scaled gradients, m = momentum m + g/root(v) and x -= lr m.

    As torch.optim.RMSprop(momentum=...) and optax.rmsprop(momentum=...); keras has the step size in m.

    Parameters
    ----------
    lr, beta2, eps : float
        As in `rmsprop`.
    momentum : float
        In [0, 1).
    eps_mode : {"outside", "inside"}
        sqrt(v) + eps, torch's, or sqrt(v + eps), keras's.
    schedule : Schedule
    """
    return Optimizer(
        "RMSProp with momentum",
        _rmsprop_momentum,
        lr,
        {**of_beta(beta2=beta2, momentum=momentum), **of_eps(eps, eps_mode)},
        rows=("v", "m"),
        schedule=schedule,
        variant={"eps_mode": eps_mode},
        paper="tieleman2012",
    )


@family
def centered_rmsprop(
    lr: float = 0.001,
    beta2: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    *,
    eps_mode: str = "outside",
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """RMSProp by the variance of gradients, v less the square of their mean (Graves 2013, arXiv:1308.0850).

    As torch.optim.RMSprop(centered=True); a variance that rounding made negative is 0 here, and NaN there.
    The paper has eps inside the root and the step size in m.

    Parameters
    ----------
    lr, beta2, eps, momentum, eps_mode
        As in `rmsprop_momentum`.
    schedule : Schedule
    """
    base = rmsprop_momentum(lr, beta2, eps, momentum, eps_mode=eps_mode)
    return Optimizer(
        "Centered RMSProp",
        _centered_rmsprop,
        lr,
        base.hyper,
        rows=("v", "mean", "m"),
        schedule=schedule,
        variant=base.variant,
        paper="graves2013",
    )


@family
def generic_adam(
    lr: float = 0.001,
    beta1: float = 0.9,
    c: float = 1.0,
    r: float = 1.0,
    *,
    decay: float = 1.0,
    v0: float = 0.0,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Generic Adam, theta_t = 1 - c/t^r (Zou et al. 2019, arXiv:1811.09358, Algorithm 1; Chen et al. 2022).

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
        "Generic Adam",
        _generic_adam,
        lr,
        {
            "beta1": checks.beta("beta1", beta1),
            "decay": checks.number("decay", decay, 0.0, 1.0, open_low=True),
            "c": checks.number("c", c, 0.0, open_low=True),
            "r": checks.number("r", r, 0.0),
        },
        rows=("m", "v", "beta1_t"),
        schedule=schedule,
        initial={"v": v0},
        paper="zou2019",
    )


@family
def adam_nc(
    lr: float = 0.001,
    beta1: float = 0.9,
    *,
    decay: float = 1.0,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """AdamNC with beta2_t = 1 - 1/t, so v_t is the mean of squares (Reddi et al. 2018, Algorithm 3)."""
    return Optimizer(
        "AdamNC",
        _generic_adam,
        lr,
        generic_adam(lr, beta1, decay=decay).hyper,
        rows=("m", "v", "beta1_t"),
        schedule=schedule,
        paper="reddi2018",
    )


@family
def adopt(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.9999,
    eps: float = 1e-6,
    *,
    clipped: bool = False,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """ADOPT, clipped or not (Taniguchi et al. 2024, arXiv:2411.02853, Algorithm 2).

    Our step 1 sets v_0 = g_0^2 and does not move x, so the paper's step t is step t + 1 here,
    schedules included.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        The denominator is max(sqrt(v), eps).
    clipped : bool
        Whether g over the denominator is clipped at t^(1/4), the default of libraries, t = 1 being the first
        step that moves; pytorch_optimizer counts it as t = 2.
    schedule : Schedule
    """
    return Optimizer(
        "ADOPT",
        _clipped_adopt if checks.flag("clipped", clipped) else _adopt,
        lr,
        {
            **of_beta(beta1=beta1, beta2=beta2),
            "eps": checks.number("eps", eps, 0.0),
        },
        rows=("m", "v"),
        schedule=schedule,
        variant={"clipped": "true"} if clipped else {},
        paper="taniguchi2024",
    )


@family
def adashift(
    lr: float = 0.001,
    beta1: float = 0.0,
    beta2: float = 0.999,
    eps: float = 0.0,
    shift: int = 1,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """AdaShift without its maximum over a block (Zhou et al. 2019, arXiv:1810.00143, Algorithm 3).

    v averages the squares of the gradients of `shift` steps before, so that it does not contain those that m
    averages, the last `shift` ones with weights 1, beta1, beta1^2.  The first `shift` steps move nothing.

    Use it where a rare large gradient must count in full.  It helps only as far as gradients are independent: in
    periodic order a shift by the period is Adam again.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        As in `theory_sim.adam`; v is corrected.
    shift : {1, 2, 3}
        n of the paper, whose code has 10.
    schedule : Schedule
    """
    if shift not in (1, 2, 3):
        raise ValueError(f"shift = {shift!r} must be 1, 2 or 3.")
    return Optimizer(
        "AdaShift",
        _adashift,
        lr,
        {**of_beta(beta1=beta1, beta2=beta2), "eps": checks.number("eps", eps, 0.0), "shift": float(shift)},
        rows=("a", "b", "c", "v", "weight"),
        schedule=schedule,
        paper="zhou2019",
    )


@family
def accumulating_adam(
    lr: float = 0.001,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Adam without momentum of Defossez, Bottou, Bach, Usunier (arXiv:2003.02395, section 2.2)."""
    return Optimizer(
        "Accumulating Adam",
        _accumulating_adam,
        lr,
        {"beta2": checks.beta("beta2", beta2), "eps": checks.number("eps", eps, 0.0)},
        rows=("v", "weights"),
        schedule=schedule,
        paper="defossez2022",
    )


OPTIMIZERS = [
    adagrad,
    rmsprop,
    rmsprop_momentum,
    centered_rmsprop,
    generic_adam,
    adam_nc,
    adopt,
    adashift,
    accumulating_adam,
]
