"""Descendants of Adam: AdamW, NAdam, RAdam, AdaMax, AdaBelief, Yogi, AdaBound, Adan, AdEMAMix.

As in `theory_sim.optimizers.adam`, c1, c2 and c3 are 1 - beta**t, and eps stands outside the root unless said
otherwise.  Decoupled weight decay is that of the libraries: it multiplies the step size of the step, schedule
included, and the iterate before the step.
"""

from __future__ import annotations

import math

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.adam import Moments
from theory_sim.optimizers.parts import clip, largest, nonzero, of_beta, of_decay, sign
from theory_sim.rules import checks

ROWS = ("m", "v", "c1", "c2")


def adamw_rule(
    g: float, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float,
    x: float, m: float, v: float, c1: float, c2: float,
) -> Moments:  # fmt: skip
    """Loshchilov and Hutter 2019, Algorithm 2."""
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    return x - lr * (m / c1 / nonzero(math.sqrt(v / c2) + eps) + weight_decay * x), m, v, c1, c2


def _momentum(t: int, beta1: float, momentum_decay: float) -> float:
    """mu_t of NAdam."""
    decayed: float = 0.96 ** (float(t) * momentum_decay)
    return beta1 * (1.0 - 0.5 * decayed)


def _nadam(
    g: float, t: int, lr: float, beta1: float, beta2: float, eps: float, momentum_decay: float,
    x: float, m: float, v: float, product: float, c2: float,
) -> Moments:  # fmt: skip
    """Dozat 2016, Algorithm 2."""
    now, then = _momentum(t, beta1, momentum_decay), _momentum(t + 1, beta1, momentum_decay)
    product = product * now
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    c2 = beta2 * c2 + (1.0 - beta2)
    mhat = then * m / (1.0 - product * then) + (1.0 - now) * g / (1.0 - product)
    return x - lr * mhat / nonzero(math.sqrt(v / c2) + eps), m, v, product, c2


def _radam(
    g: float, t: int, lr: float, beta1: float, beta2: float, eps: float, threshold: float,
    x: float, m: float, v: float, c1: float, c2: float,
) -> Moments:  # fmt: skip
    """Liu et al. 2020, Algorithm 2."""
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    longest = 2.0 / (1.0 - beta2) - 1.0
    rho = longest - 2.0 * float(t) * (1.0 - c2) / c2
    if not rho > threshold:
        return x - lr * (m / c1), m, v, c1, c2
    r = math.sqrt((rho - 4.0) * (rho - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * rho))
    return x - lr * r * (m / c1) * math.sqrt(c2) / nonzero(math.sqrt(v) + eps), m, v, c1, c2


def _adamax(
    g: float, lr: float, beta1: float, beta2: float, eps: float, x: float, m: float, u: float, c1: float
) -> Moments:
    """Kingma and Ba 2015, Algorithm 2."""
    m = beta1 * m + (1.0 - beta1) * g
    u = largest(beta2 * u, abs(g) + eps)
    c1 = beta1 * c1 + (1.0 - beta1)
    return x - lr * (m / c1) / nonzero(u), m, u, c1


def _adabelief(
    g: float, lr: float, beta1: float, beta2: float, eps: float,
    x: float, m: float, s: float, c1: float, c2: float,
) -> Moments:  # fmt: skip
    """Zhuang et al. 2020, Algorithm 2."""
    m = beta1 * m + (1.0 - beta1) * g
    s = beta2 * s + (1.0 - beta2) * (g - m) * (g - m) + eps
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    return x - lr * (m / c1) / nonzero(math.sqrt(s / c2) + eps), m, s, c1, c2


def _yogi(
    g: float, lr: float, beta1: float, beta2: float, eps: float, x: float, m: float, v: float
) -> Moments:
    """Zaheer et al. 2018, Algorithm 2."""
    m = beta1 * m + (1.0 - beta1) * g
    v = v - (1.0 - beta2) * sign(v - g * g, 0.0) * g * g
    return x - lr * m / nonzero(math.sqrt(v) + eps), m, v


def _corrected_yogi(
    g: float, lr: float, beta1: float, beta2: float, eps: float,
    x: float, m: float, v: float, c1: float, c2: float,
) -> Moments:  # fmt: skip
    m = beta1 * m + (1.0 - beta1) * g
    v = v - (1.0 - beta2) * sign(v - g * g, 0.0) * g * g
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    return x - lr * (m / c1) / nonzero(math.sqrt(v / c2) + eps), m, v, c1, c2


def _adabound(
    g: float, t: int, lr: float, beta1: float, beta2: float, eps: float, ratio: float, gamma: float,
    x: float, m: float, v: float, c1: float, c2: float,
) -> Moments:  # fmt: skip
    """Luo et al. 2019, Algorithm 2, as released."""
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    low = ratio * lr * (1.0 - 1.0 / (gamma * float(t) + 1.0))
    high = ratio * lr * (1.0 + 1.0 / (gamma * float(t)))
    root = math.sqrt(v) + eps
    rate = lr * math.sqrt(c2) / c1 / root if root > 0.0 else high
    return x - clip(rate, low, high) * m, m, v, c1, c2


def _bounded_adam(
    g: float, t: int, lr: float, beta1: float, beta2: float, low: float, high: float, gamma: float,
    x: float, m: float, v: float,
) -> Moments:  # fmt: skip
    """Luo et al. 2019, Algorithm 2, as printed; rates are in units of lr_t."""
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    limit, half = 0.5 * (low + high), 0.5 * (high - low) / (gamma * float(t) + 1.0)
    root = math.sqrt(v)
    rate = clip(1.0 / root, limit - half, limit + half) if root > 0.0 else limit + half
    return x - lr * rate * m, m, v


def _adan(
    g: float, t: int, lr: float, beta1: float, beta2: float, beta3: float, eps: float, weight_decay: float,
    x: float, m: float, v: float, n: float, before: float, c1: float, c2: float, c3: float,
) -> Moments:  # fmt: skip
    """Xie et al. 2024, Algorithm 1, with 1 - beta for the paper's beta, and corrected."""
    change = 0.0 * g if t == 1 else g - before
    look = g + beta2 * change
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * change
    n = beta3 * n + (1.0 - beta3) * look * look
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    c3 = beta3 * c3 + (1.0 - beta3)
    move = lr * (m / c1 + beta2 * (v / c2)) / nonzero(math.sqrt(n / c3) + eps)
    return (x - move) / (1.0 + lr * weight_decay), m, v, n, g, c1, c2, c3


def _ademamix(
    g: float, lr: float, beta1: float, beta2: float, beta3: float, alpha: float, eps: float,
    weight_decay: float, x: float, m: float, slow: float, v: float, c1: float, c2: float,
) -> Moments:  # fmt: skip
    """Pagliardini et al. 2025, Algorithm 1."""
    m = beta1 * m + (1.0 - beta1) * g
    slow = beta3 * slow + (1.0 - beta3) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    mixed = (m / c1 + alpha * slow) / nonzero(math.sqrt(v / c2) + eps)
    return x - lr * (mixed + weight_decay * x), m, slow, v, c1, c2


def of_moments(eps: float, **betas: float) -> dict[str, float]:
    """Return the weights of moving averages and eps >= 0, each checked."""
    return {**of_beta(**betas), "eps": checks.number("eps", eps, 0.0)}


@family
def adamw(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """AdamW, Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101).

    As torch.optim.AdamW.  In the paper the decay is multiplied by the factor of the schedule only: its
    lambda is lr weight_decay here.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        As in `theory_sim.adam`.
    weight_decay : float
        >= 0.
    schedule : Schedule
    """
    hyper = {**of_moments(eps, beta1=beta1, beta2=beta2), **of_decay(weight_decay)}
    return Optimizer("AdamW", adamw_rule, lr, hyper, rows=ROWS, schedule=schedule, paper="loshchilov2019")


@family
def nadam(
    lr: float = 0.002,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    momentum_decay: float = 0.004,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """NAdam, Adam with Nesterov's momentum (Dozat 2016, Algorithm 2), as torch.optim.NAdam.

    mu_t = beta1 (1 - 0.96^(t momentum_decay)/2), and the correction divides by products of mu_t; m still
    averages with beta1, where the paper has mu_t.  optax.nadam has no mu_t: it corrects m by 1 - beta1^(t+1).

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        As in `theory_sim.adam`.
    momentum_decay : float
        >= 0; 0 keeps mu_t at beta1/2.
    schedule : Schedule
    """
    hyper = of_moments(eps, beta1=beta1, beta2=beta2)
    return Optimizer(
        "NAdam",
        _nadam,
        lr,
        {**hyper, "momentum_decay": checks.number("momentum_decay", momentum_decay, 0.0)},
        rows=("m", "v", "product", "c2"),
        schedule=schedule,
        initial={"product": 1.0},
        paper="dozat2016",
    )


@family
def radam(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    threshold: float = 5.0,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """RAdam, rectified Adam (Liu et al. 2020, arXiv:1908.03265, Algorithm 2), as torch.optim.RAdam.

    While rho_t <= threshold, the length of the average behind v, it is SGD with corrected momentum.  eps is
    added to the root before the correction, as in torch; optax.radam adds it after, and rectifies from rho_t
    >= threshold.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        As in `theory_sim.adam`.
    threshold : float
        >= 4, which is the paper's; libraries have 5, where no step is rectified for beta2 <= 2/3.
    schedule : Schedule
    """
    hyper = of_moments(eps, beta1=beta1, beta2=beta2)
    return Optimizer(
        "RAdam",
        _radam,
        lr,
        {**hyper, "threshold": checks.number("threshold", threshold, 4.0)},
        rows=ROWS,
        schedule=schedule,
        paper="liu2020",
    )


@family
def adamax(
    lr: float = 0.002,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """AdaMax, Adam with the infinity norm (Kingma and Ba 2015, arXiv:1412.6980, Algorithm 2).

    u = max(beta2 u, |g| + eps) as in torch.optim.Adamax and optax.adamax; the paper has no eps.
    """
    hyper = of_moments(eps, beta1=beta1, beta2=beta2)
    return Optimizer(
        "AdaMax", _adamax, lr, hyper, rows=("m", "u", "c1"), schedule=schedule, paper="kingma2015"
    )


@family
def adabelief(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-16,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """AdaBelief (Zhuang et al. 2020, arXiv:2010.07468, Algorithm 2): s averages (g - m)^2.

    eps is where the paper has it, twice: in every step it joins s and so accumulates, and it stands outside
    the root; optax.adabelief calls these eps_root and eps.
    """
    hyper = of_moments(eps, beta1=beta1, beta2=beta2)
    return Optimizer(
        "AdaBelief", _adabelief, lr, hyper, rows=("m", "s", "c1", "c2"), schedule=schedule, paper="zhuang2020"
    )


@family
def yogi(
    lr: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-3,
    *,
    bias_correction: bool = True,
    m0: float = 0.0,
    v0: float = 1e-6,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Yogi (Zaheer et al. 2018, Algorithm 2): v moves by (1 - beta2) g^2 towards g^2.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        As in `theory_sim.adam`.
    bias_correction : bool
        Whether the moments are divided by 1 - beta**t, as in libraries, initial values included; the paper
        does not correct.
    m0, v0 : float
        Initial moments; optax.yogi starts both at 1e-6.
    schedule : Schedule
    """
    corrected = checks.flag("bias_correction", bias_correction)
    return Optimizer(
        "Yogi",
        _corrected_yogi if corrected else _yogi,
        lr,
        of_moments(eps, beta1=beta1, beta2=beta2),
        rows=ROWS if corrected else ("m", "v"),
        schedule=schedule,
        initial={"m": m0, "v": checks.number("v0", v0, 0.0)},
        variant={"bias_correction": str(corrected).lower()},
        paper="zaheer2018",
    )


@family
def adabound(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    final_lr: float = 0.1,
    gamma: float = 0.001,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """AdaBound (Luo et al. 2019, arXiv:1902.09843, Algorithm 2), as its released code.

    The rate of a coordinate is clipped to final_lr (1 - 1/(gamma t + 1)) and final_lr (1 + 1/(gamma t)).  The
    code corrects m and v within the rate that is clipped, adds eps before the correction, and lets the
    schedule scale the bounds too; the paper corrects nothing and divides the clipped rate by sqrt(t).

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        As in `theory_sim.adam`.
    final_lr, gamma : float
        > 0: the step size of SGD that the rates end at, and how fast.
    schedule : Schedule
    """
    hyper = of_moments(eps, beta1=beta1, beta2=beta2)
    checks.number("lr", lr, 0.0, open_low=True)
    ratio = checks.number("final_lr", final_lr, 0.0, open_low=True) / lr
    return Optimizer(
        "AdaBound",
        _adabound,
        lr,
        {**hyper, "ratio": ratio, "gamma": checks.number("gamma", gamma, 0.0, open_low=True)},
        rows=ROWS,
        schedule=schedule,
        paper="luo2019",
    )


@family
def bounded_adam(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    low: float = 0.5,
    high: float = 2.0,
    gamma: float = 0.001,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """AdaBound as its paper prints it, with bounds that start anywhere (Luo et al. 2019, Algorithm 2).

    x -= lr_t clip(1/sqrt(v), l_t, u_t) m, nothing corrected, with l_t and u_t = (low + high)/2 -+ (high -
    low)/(2 (gamma t + 1)), which meet as t grows: the paper's eta_l, eta_u and alpha are lr times these.

    For about 1/gamma steps it is Adam with clipped rates, with Adam's failures, and then SGD with momentum.

    Parameters
    ----------
    lr, beta1, beta2 : float
        As in `theory_sim.adam`.
    low, high : float
        0 < low <= high, between which a rate is at the start.
    gamma : float
        > 0, how fast they meet.
    schedule : Schedule
    """
    low = checks.number("low", low, 0.0, open_low=True)
    return Optimizer(
        "Bounded Adam",
        _bounded_adam,
        lr,
        {
            **of_beta(beta1=beta1, beta2=beta2),
            "low": low,
            "high": checks.number("high", high, low),
            "gamma": checks.number("gamma", gamma, 0.0, open_low=True),
        },
        rows=("m", "v"),
        schedule=schedule,
        paper="luo2019",
    )


@family
def adan(
    lr: float = 0.001,
    beta1: float = 0.98,
    beta2: float = 0.92,
    beta3: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Adan (Xie et al. 2024, arXiv:2208.06677, Algorithm 1), with the bias corrections of its released code.

    The betas are those of the code, 1 minus the paper's.  optax.adan weighs changes of the gradient by 1 -
    beta2 where the paper's 1 - beta2 is this beta2.

    Parameters
    ----------
    lr, beta1, beta2, beta3, eps : float
        Weights of g, of its changes, and of the squares.
    weight_decay : float
        >= 0, proximal: x is divided by 1 + lr weight_decay after the step.
    schedule : Schedule
    """
    return Optimizer(
        "Adan",
        _adan,
        lr,
        {**of_moments(eps, beta1=beta1, beta2=beta2, beta3=beta3), **of_decay(weight_decay)},
        rows=("m", "v", "n", "before", "c1", "c2", "c3"),
        schedule=schedule,
        paper="xie2024",
    )


@family
def ademamix(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    beta3: float = 0.9999,
    alpha: float = 5.0,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """AdEMAMix (Pagliardini et al. 2025, arXiv:2409.03137, Algorithm 1), alpha and beta3 without warm-up.

    Parameters
    ----------
    lr, beta1, beta2 : float
        As in `theory_sim.adam`.
    beta3 : float
        Weight of the slow average, which is not corrected.
    alpha : float
        >= 0, how much the slow average counts.
    eps : float
        As in `theory_sim.adam`.
    weight_decay : float
        >= 0, decoupled.
    schedule : Schedule
    """
    hyper = of_moments(eps, beta1=beta1, beta2=beta2, beta3=beta3)
    return Optimizer(
        "AdEMAMix",
        _ademamix,
        lr,
        {**hyper, "alpha": checks.number("alpha", alpha, 0.0), **of_decay(weight_decay)},
        rows=("m", "slow", "v", "c1", "c2"),
        schedule=schedule,
        paper="pagliardini2025",
    )


OPTIMIZERS = [adamw, nadam, radam, adamax, adabelief, yogi, adabound, bounded_adam, adan, ademamix]
