"""Sign methods: signSGD and its generalized and EF forms, Signum, majority vote, extrapolation, Lion, Lion-K.

sign(0) is a named choice, ``at_zero``: 0 (numpy's) or 1 (the convention of the papers' counterexamples).
"""

from __future__ import annotations

import math

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.parts import nonzero, of_beta, sign, zero_or_one
from theory_sim.rules import checks
from theory_sim.rules.language import Rule, total


def _signum(g: float, lr: float, beta: float, at_zero: float, x: float, m: float) -> tuple[float, float]:
    m = beta * m + (1.0 - beta) * g
    return x - lr * sign(m, at_zero), m


def _vote(g: float, at_zero: float) -> float:
    return sign(g, at_zero)


def _majority(lr: float, at_zero: float, votes: float, x: float) -> float:
    return x - lr * sign(votes, at_zero)


def _disturbed_vote(g: float, j: int, adversaries: float, at_zero: float) -> float:
    """The vote of worker j; the first ones send the opposite of theirs."""
    return -sign(g, at_zero) if float(j) < adversaries else sign(g, at_zero)


def _size(g: float, lr: float, e: float) -> float:
    return abs(lr * g + e)


def _ef_sign(
    g: float, lr: float, at_zero: float, l1: float, d: int, x: float, e: float
) -> tuple[float, float]:
    """D_t = ||p_t||_1/d sign(p_t) of p_t = lr_t g_t + e_t; x_{t+1} = x_t - D_t, e_{t+1} = p_t - D_t."""
    p = lr * g + e
    sent = l1 / d * sign(p, at_zero)
    return x - sent, p - sent


def _generalized(
    g: float, t: int, lr: float, beta1: float, beta2: float, eps: float, x: float, m: float, v: float
) -> tuple[float, float, float]:
    """Adam with the second moment of the momentum; m_1 = g_1."""
    m = g if t == 1 else beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * m * m
    return x - lr * m / nonzero(math.sqrt(v) + eps), m, v


def _extrapolated(
    g: float, t: int, lr: float, beta: float, at_zero: float, x: float, m: float, iterate: float
) -> tuple[float, float, float]:
    """Signum on gradients at the extrapolated point x; m_0 = g_0 and y_0 = x_0."""
    m = g if t == 1 else beta * m + (1.0 - beta) * g
    before = x if t == 1 else iterate
    moved = before - lr * sign(m, at_zero)
    return moved + beta / (1.0 - beta) * (moved - before), m, moved


def _lion(
    g: float, lr: float, beta1: float, beta2: float, weight_decay: float, at_zero: float, x: float, m: float
) -> tuple[float, float]:
    """Chen et al. 2023, Algorithm 2."""
    c = beta1 * m + (1.0 - beta1) * g
    return x - lr * (sign(c, at_zero) + weight_decay * x), beta2 * m + (1.0 - beta2) * g


def _lion_smooth_l1(
    g: float, lr: float, beta1: float, beta2: float, weight_decay: float, x: float, m: float
) -> tuple[float, float]:
    """Lion-K with K(m) = sum sqrt(m_i^2 + 1), grad K = m/sqrt(m^2 + 1)."""
    c = beta1 * m + (1.0 - beta1) * g
    return x - lr * (c / math.hypot(c, 1.0) + weight_decay * x), beta2 * m + (1.0 - beta2) * g


def _lion_l2(
    g: float, lr: float, beta1: float, beta2: float, weight_decay: float, x: float, m: float
) -> tuple[float, float]:
    """Lion-K with K(m) = ||m||^2/2, grad K = m."""
    c = beta1 * m + (1.0 - beta1) * g
    return x - lr * (c + weight_decay * x), beta2 * m + (1.0 - beta2) * g


POTENTIALS: dict[str, Rule] = {"l1": _lion, "smooth_l1": _lion_smooth_l1, "l2": _lion_l2}


@family
def signsgd(lr: float = 0.01, *, at_zero: float = 0.0, schedule: Schedule = CONSTANT) -> Optimizer:
    """signSGD (Bernstein et al. 2018, arXiv:1802.04434, Algorithm 1): Signum with beta = 0."""
    return Optimizer(
        "signSGD",
        _signum,
        lr,
        {"beta": 0.0, "at_zero": zero_or_one(at_zero)},
        rows=("m",),
        schedule=schedule,
        paper="bernstein2018",
    )


@family
def signum(
    lr: float = 0.01,
    beta: float = 0.9,
    *,
    at_zero: float = 0.0,
    m0: float | str = 0.0,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Signum, the sign of the momentum (Bernstein et al. 2018, arXiv:1802.04434, Algorithm 2).

    Parameters
    ----------
    lr, beta : float
        lr > 0, beta in [0, 1).
    at_zero : {0, 1}
        sign(0).
    m0 : float or str
        Initial momentum.
    schedule : Schedule
    """
    return Optimizer(
        "Signum",
        _signum,
        lr,
        {"beta": checks.beta("beta", beta), "at_zero": zero_or_one(at_zero)},
        rows=("m",),
        schedule=schedule,
        initial={"m": m0},
        paper="bernstein2018",
    )


@family
def majority_vote(lr: float = 0.01, *, at_zero: float = 0.0, schedule: Schedule = CONSTANT) -> Optimizer:
    """signSGD with majority vote (Bernstein et al. 2018, arXiv:1802.04434, Algorithm 3).

    workers=M sets the voters.
    """
    return Optimizer(
        "Majority vote",
        _majority,
        lr,
        {"at_zero": zero_or_one(at_zero)},
        reductions={"votes": total(_vote, over="workers")},
        schedule=schedule,
        paper="bernstein2018",
    )


@family
def disturbed_vote(
    lr: float = 0.01, adversaries: int = 1, *, at_zero: float = 0.0, schedule: Schedule = CONSTANT
) -> Optimizer:
    """Majority vote of which some workers send the opposite sign (Bernstein et al. 2019, arXiv:1810.05291).

    Fewer than half of them slow it down, more turn it round.  Workers with different data mislead a vote without any
    adversary: it follows the median of their gradients.

    Parameters
    ----------
    lr : float
        > 0.
    adversaries : int
        How many of the workers, >= 0; workers=M sets the voters.
    at_zero : {0, 1}
        sign(0).
    schedule : Schedule
    """
    return Optimizer(
        "Disturbed vote",
        _majority,
        lr,
        {
            "at_zero": zero_or_one(at_zero),
            "adversaries": float(checks.count("adversaries", adversaries, 0)),
        },
        reductions={"votes": total(_disturbed_vote, over="workers")},
        schedule=schedule,
        paper="bernstein2019",
    )


@family
def ef_signsgd(lr: float = 0.01, *, at_zero: float = 0.0, schedule: Schedule = CONSTANT) -> Optimizer:
    """EF-signSGD (Karimireddy et al. 2019, arXiv:1901.09847, Algorithm 1): scaled signs with feedback."""
    return Optimizer(
        "EF-signSGD",
        _ef_sign,
        lr,
        {"at_zero": zero_or_one(at_zero)},
        rows=("e",),
        reductions={"l1": total(_size)},
        schedule=schedule,
        paper="karimireddy2019",
    )


@family
def generalized_signsgd(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 0.0,
    *,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Generalized signSGD (Crawshaw et al. 2022, arXiv:2208.11195): v averages m^2; beta2 = 0 is Signum.

    m^2 underflows for |m| < 1e-162, where the method stands still.
    """
    return Optimizer(
        "Generalized signSGD",
        _generalized,
        lr,
        {
            **of_beta(beta1=beta1, beta2=beta2),
            "eps": checks.number("eps", eps, 0.0),
        },
        rows=("m", "v"),
        schedule=schedule,
        paper="crawshaw2022",
    )


@family
def extrapolated_signum(
    lr: float = 0.01,
    beta: float = 0.9,
    *,
    at_zero: float = 0.0,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Signum with gradients at y_t = x_t + beta/(1-beta) (x_t - x_{t-1}), the second-order variant.

    Our stand-in for the accelerated method of Sun et al. 2023 (arXiv:2310.14616).  The Dataset's x is y_t,
    where gradients are taken; the iterate is the state row "iterate".
    """
    return Optimizer(
        "Extrapolated Signum",
        _extrapolated,
        lr,
        {"beta": checks.beta("beta", beta), "at_zero": zero_or_one(at_zero)},
        rows=("m", "iterate"),
        schedule=schedule,
        paper="sun2023",
    )


@family
def lion(
    lr: float = 1e-4,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
    *,
    at_zero: float = 0.0,
    m0: float | str = 0.0,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Lion (Chen et al. 2023, arXiv:2302.06675, Algorithm 2).

    Parameters
    ----------
    lr, beta1, beta2 : float
        lr > 0, betas in [0, 1).
    weight_decay : float
        lambda >= 0, decoupled: it multiplies lr.
    at_zero : {0, 1}
        sign(0).
    m0 : float or str
        Initial momentum.
    schedule : Schedule
    """
    return Optimizer(
        "Lion",
        _lion,
        lr,
        {
            **of_beta(beta1=beta1, beta2=beta2),
            "weight_decay": checks.number("weight_decay", weight_decay, 0.0),
            "at_zero": zero_or_one(at_zero),
        },
        rows=("m",),
        schedule=schedule,
        initial={"m": m0},
        paper="chen2023lion",
    )


@family
def lion_k(
    lr: float = 1e-4,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
    *,
    potential: str = "smooth_l1",
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Lion-K (Chen et al. 2023, arXiv:2310.05898): Lion with grad K for sign, in Lion's order of updates.

    Parameters
    ----------
    lr, beta1, beta2, weight_decay : float
        As in `lion`.
    potential : {"l1", "smooth_l1", "l2"}
        K = ||.||_1 (Lion itself), sum sqrt(m_i^2 + 1), or ||.||^2/2.
    schedule : Schedule
    """
    checks.known("potential", potential, POTENTIALS)
    base = lion(lr, beta1, beta2, weight_decay)
    return Optimizer(
        "Lion-K",
        POTENTIALS[potential],
        lr,
        base.hyper,
        rows=base.rows,
        schedule=schedule,
        variant={"potential": potential},
        paper="chen2023lionk",
    )


OPTIMIZERS = [
    signsgd,
    signum,
    majority_vote,
    disturbed_vote,
    ef_signsgd,
    generalized_signsgd,
    extrapolated_signum,
    lion,
    lion_k,
]
