"""Sign methods: signSGD, Signum, majority vote, EF-signSGD, generalized signSGD, extrapolated Signum, Lion, Lion-K.

sign(0) is a named choice, ``at_zero``: 0 (numpy's) or 1 (the convention of the papers' counterexamples).
A NaN or infinite argument has the sign NaN: the term ``0 * m`` keeps it.
"""

from __future__ import annotations

import math
from typing import Any

from theory_sim import checks
from theory_sim.optimizer import Optimizer
from theory_sim.schedule import Schedule, constant

POTENTIALS = ("l1", "smooth_l1", "l2")


def signum_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """x -= lr sign(m)."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            # m_t = beta m_{t-1} + (1 - beta) g_t
            m = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * g[0, i, lane]
            state[0, i, lane] = m
            sign = 1.0 if m > 0.0 else (-1.0 if m < 0.0 else hyper[1, lane])
            # x_{t+1} = x_t - lr_t sign(m_t)
            x[i, lane] -= lr[lane] * (sign + 0.0 * m)


def vote_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """x -= lr sign(sum of the workers' signs)."""
    workers = g.shape[0]
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            state[0, i, lane] = 0.0
        for j in range(workers):
            for lane in range(lanes):
                one = g[j, i, lane]
                sign = 1.0 if one > 0.0 else (-1.0 if one < 0.0 else hyper[0, lane])
                state[0, i, lane] += sign + 0.0 * one
        for lane in range(lanes):
            votes = state[0, i, lane]
            sign = 1.0 if votes > 0.0 else (-1.0 if votes < 0.0 else hyper[0, lane])
            # x_{t+1} = x_t - lr_t sign(sum_w sign(g_t^w))
            x[i, lane] -= lr[lane] * (sign + 0.0 * votes)


def ef_sign_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Scaled sign with error feedback."""
    d, lanes = x.shape
    for lane in range(lanes):
        state[0, 0, lane] = 0.0
    for i in range(d):
        for lane in range(lanes):
            # p_t = lr_t g_t + e_t
            p = lr[lane] * g[0, i, lane] + state[1, i, lane]
            state[1, i, lane] = p
            state[0, 0, lane] += abs(p)
    for i in range(d):
        for lane in range(lanes):
            p = state[1, i, lane]
            sign = 1.0 if p > 0.0 else (-1.0 if p < 0.0 else hyper[0, lane])
            # D_t = ||p_t||_1/d sign(p_t); x_{t+1} = x_t - D_t; e_{t+1} = p_t - D_t
            sent = state[0, 0, lane] / d * (sign + 0.0 * p)
            x[i, lane] -= sent
            state[1, i, lane] = p - sent


def generalized_sign_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Adam with the second moment of the momentum."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            # m_1 = g_1, m_t = beta1 m_{t-1} + (1 - beta1) g_t
            m = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * g[0, i, lane]
            if t == 1:
                m = g[0, i, lane]
            # v_t = beta2 v_{t-1} + (1 - beta2) m_t^2
            v = hyper[1, lane] * state[1, i, lane] + (1.0 - hyper[1, lane]) * m * m
            state[0, i, lane] = m
            state[1, i, lane] = v
            scale = math.sqrt(v) + hyper[2, lane]
            if scale == 0.0:
                scale = math.inf
            # x_{t+1} = x_t - lr_t m_t/sqrt(v_t)
            x[i, lane] -= lr[lane] * m / scale


def extrapolated_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Signum on gradients at the extrapolated point; x is that point, state[1] the iterate."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            beta = hyper[0, lane]
            m = beta * state[0, i, lane] + (1.0 - beta) * g[0, i, lane]
            iterate = state[1, i, lane]
            if t == 1:
                # m_0 = g_0 and y_0 = x_0
                m = g[0, i, lane]
                iterate = x[i, lane]
            sign = 1.0 if m > 0.0 else (-1.0 if m < 0.0 else hyper[1, lane])
            # x_{t+1} = x_t - lr_t sign(m_t)
            moved = iterate - lr[lane] * (sign + 0.0 * m)
            state[0, i, lane] = m
            state[1, i, lane] = moved
            # y_{t+1} = x_{t+1} + beta/(1 - beta) (x_{t+1} - x_t)
            x[i, lane] = moved + beta / (1.0 - beta) * (moved - iterate)


def lion_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Chen et al. 2023, Algorithm 2."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            gradient = g[0, i, lane]
            # c_t = beta1 m_{t-1} + (1 - beta1) g_t
            c = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * gradient
            sign = 1.0 if c > 0.0 else (-1.0 if c < 0.0 else hyper[3, lane])
            # x_t = x_{t-1} - lr_t (sign(c_t) + weight_decay x_{t-1})
            x[i, lane] -= lr[lane] * (sign + 0.0 * c + hyper[2, lane] * x[i, lane])
            # m_t = beta2 m_{t-1} + (1 - beta2) g_t
            state[0, i, lane] = hyper[1, lane] * state[0, i, lane] + (1.0 - hyper[1, lane]) * gradient


def lion_smooth_l1_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Lion-K with K(m) = sum sqrt(m_i^2 + 1), grad K = m/sqrt(m^2 + 1)."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            gradient = g[0, i, lane]
            c = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * gradient
            x[i, lane] -= lr[lane] * (c / math.hypot(c, 1.0) + hyper[2, lane] * x[i, lane])
            state[0, i, lane] = hyper[1, lane] * state[0, i, lane] + (1.0 - hyper[1, lane]) * gradient


def lion_l2_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Lion-K with K(m) = ||m||^2/2, grad K = m."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            gradient = g[0, i, lane]
            c = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * gradient
            x[i, lane] -= lr[lane] * (c + hyper[2, lane] * x[i, lane])
            state[0, i, lane] = hyper[1, lane] * state[0, i, lane] + (1.0 - hyper[1, lane]) * gradient


def _at_zero(value: float) -> float:
    if value not in (0.0, 1.0):
        raise ValueError(f"at_zero = {value!r} must be 0 (numpy's sign) or 1 (ties count as positive).")
    return float(value)


def signsgd(lr: float = 0.01, *, at_zero: float = 0.0, schedule: Schedule | None = None) -> Optimizer:
    """signSGD (Bernstein et al. 2018, arXiv:1802.04434, Algorithm 1): Signum with beta = 0."""
    return Optimizer(
        name="signSGD",
        step=signum_kernel,
        lr=lr,
        hyper={"beta": 0.0, "at_zero": _at_zero(at_zero)},
        rows=("m",),
        schedule=schedule or constant(),
        paper="bernstein2018",
        family=signsgd,
        arguments={"lr": lr, "at_zero": at_zero, "schedule": schedule},
    )


def signum(
    lr: float = 0.01,
    beta: float = 0.9,
    *,
    at_zero: float = 0.0,
    m0: float | str = 0.0,
    schedule: Schedule | None = None,
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
        name="Signum",
        step=signum_kernel,
        lr=lr,
        hyper={"beta": checks.beta("beta", beta), "at_zero": _at_zero(at_zero)},
        rows=("m",),
        schedule=schedule or constant(),
        initial={"m": m0},
        paper="bernstein2018",
        family=signum,
        arguments={"lr": lr, "beta": beta, "at_zero": at_zero, "m0": m0, "schedule": schedule},
    )


def majority_vote(lr: float = 0.01, *, at_zero: float = 0.0, schedule: Schedule | None = None) -> Optimizer:
    """signSGD with majority vote (Bernstein et al. 2018, arXiv:1802.04434, Algorithm 3); workers=M sets the voters."""
    return Optimizer(
        name="Majority vote",
        step=vote_kernel,
        lr=lr,
        hyper={"at_zero": _at_zero(at_zero)},
        rows=("votes",),
        distributed=True,
        schedule=schedule or constant(),
        paper="bernstein2018",
        family=majority_vote,
        arguments={"lr": lr, "at_zero": at_zero, "schedule": schedule},
    )


def ef_signsgd(lr: float = 0.01, *, at_zero: float = 0.0, schedule: Schedule | None = None) -> Optimizer:
    """EF-signSGD (Karimireddy et al. 2019, arXiv:1901.09847, Algorithm 1): scaled sign with error feedback."""
    return Optimizer(
        name="EF-signSGD",
        step=ef_sign_kernel,
        lr=lr,
        hyper={"at_zero": _at_zero(at_zero)},
        rows=("l1", "e"),
        schedule=schedule or constant(),
        paper="karimireddy2019",
        family=ef_signsgd,
        arguments={"lr": lr, "at_zero": at_zero, "schedule": schedule},
    )


def generalized_signsgd(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 0.0,
    *,
    schedule: Schedule | None = None,
) -> Optimizer:
    """Generalized signSGD (Crawshaw et al. 2022, arXiv:2208.11195): v averages m^2, not g^2; beta2 = 0 is Signum.

    m^2 underflows for |m| < 1e-162, where the method stands still.
    """
    return Optimizer(
        name="Generalized signSGD",
        step=generalized_sign_kernel,
        lr=lr,
        hyper={
            "beta1": checks.beta("beta1", beta1),
            "beta2": checks.beta("beta2", beta2),
            "eps": checks.number("eps", eps, 0.0),
        },
        rows=("m", "v"),
        schedule=schedule or constant(),
        paper="crawshaw2022",
        family=generalized_signsgd,
        arguments={"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "schedule": schedule},
    )


def extrapolated_signum(
    lr: float = 0.01,
    beta: float = 0.9,
    *,
    at_zero: float = 0.0,
    schedule: Schedule | None = None,
) -> Optimizer:
    """Signum with gradients at y_t = x_t + beta/(1-beta) (x_t - x_{t-1}), the second-order variant.

    Our stand-in for the accelerated method of Sun et al. 2023 (arXiv:2310.14616).  The Dataset's x is y_t, where
    gradients are taken; the iterate is the state row "iterate".
    """
    return Optimizer(
        name="Extrapolated Signum",
        step=extrapolated_kernel,
        lr=lr,
        hyper={"beta": checks.beta("beta", beta), "at_zero": _at_zero(at_zero)},
        rows=("m", "iterate"),
        schedule=schedule or constant(),
        paper="sun2023",
        family=extrapolated_signum,
        arguments={"lr": lr, "beta": beta, "at_zero": at_zero, "schedule": schedule},
    )


def lion(
    lr: float = 1e-4,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
    *,
    at_zero: float = 0.0,
    schedule: Schedule | None = None,
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
    schedule : Schedule
    """
    return Optimizer(
        name="Lion",
        step=lion_kernel,
        lr=lr,
        hyper={
            "beta1": checks.beta("beta1", beta1),
            "beta2": checks.beta("beta2", beta2),
            "weight_decay": checks.number("weight_decay", weight_decay, 0.0),
            "at_zero": _at_zero(at_zero),
        },
        rows=("m",),
        schedule=schedule or constant(),
        paper="chen2023lion",
        family=lion,
        arguments={
            "lr": lr,
            "beta1": beta1,
            "beta2": beta2,
            "weight_decay": weight_decay,
            "at_zero": at_zero,
            "schedule": schedule,
        },
    )


def lion_k(
    lr: float = 1e-4,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
    *,
    potential: str = "smooth_l1",
    schedule: Schedule | None = None,
) -> Optimizer:
    """Lion-K (Chen et al. 2023, arXiv:2310.05898): Lion with grad K instead of sign, in Lion's order of updates.

    Parameters
    ----------
    lr, beta1, beta2, weight_decay : float
        As in `lion`.
    potential : {"l1", "smooth_l1", "l2"}
        K = ||.||_1 (Lion itself), sum sqrt(m_i^2 + 1), or ||.||^2/2.
    schedule : Schedule
    """
    checks.known("potential", potential, POTENTIALS)
    base = lion(lr, beta1, beta2, weight_decay, schedule=schedule)
    kernels = {"l1": lion_kernel, "smooth_l1": lion_smooth_l1_kernel, "l2": lion_l2_kernel}
    return Optimizer(
        name="Lion-K",
        step=kernels[potential],
        lr=lr,
        hyper=base.hyper,
        rows=base.rows,
        schedule=base.schedule,
        variant={"potential": potential},
        paper="chen2023lionk",
        family=lion_k,
        arguments={
            "lr": lr,
            "beta1": beta1,
            "beta2": beta2,
            "weight_decay": weight_decay,
            "potential": potential,
            "schedule": schedule,
        },
    )


OPTIMIZERS = [
    signsgd,
    signum,
    majority_vote,
    ef_signsgd,
    generalized_signsgd,
    extrapolated_signum,
    lion,
    lion_k,
]
