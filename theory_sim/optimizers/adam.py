"""Adam and AMSGrad, with every variant found in the wild under those names.

Bias correction divides the moments by c_t = 1 - beta**t.  The kernels keep c_t as a state row, c_t = beta c_{t-1}
+ (1 - beta): a sum of positive terms, so nothing cancels for beta near 1 and no power is taken per step.

A denominator of exactly 0 (no gradient seen yet, or v underflowed at the optimum) gives no move.
"""

from __future__ import annotations

import math
from typing import Any

from theory_sim import checks
from theory_sim.optimizer import Optimizer
from theory_sim.schedule import Schedule, constant

EPS_MODES = ("outside", "inside")
AMSGRAD_VARIANTS = ("paper", "torch", "optax", "keras")


def adam_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """x -= lr m / (sqrt(v + eps_inside) + eps_outside), moments uncorrected."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            gradient = g[0, i, lane]
            # m_t = beta1 m_{t-1} + (1 - beta1) g_t
            m = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * gradient
            # v_t = beta2 v_{t-1} + (1 - beta2) g_t^2
            v = hyper[1, lane] * state[1, i, lane] + (1.0 - hyper[1, lane]) * gradient * gradient
            state[0, i, lane] = m
            state[1, i, lane] = v
            scale = math.sqrt(v + hyper[2, lane]) + hyper[3, lane]
            if scale == 0.0:
                scale = math.inf
            # x_{t+1} = x_t - lr_t m_t / scale
            x[i, lane] -= lr[lane] * m / scale


def adam_corrected_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """x -= lr mhat / (sqrt(vhat + eps_inside) + eps_outside) with mhat = m / (1 - beta1^t), vhat likewise."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            gradient = g[0, i, lane]
            # m_t = beta1 m_{t-1} + (1 - beta1) g_t
            m = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * gradient
            # v_t = beta2 v_{t-1} + (1 - beta2) g_t^2
            v = hyper[1, lane] * state[1, i, lane] + (1.0 - hyper[1, lane]) * gradient * gradient
            # 1 - beta1^t and 1 - beta2^t
            c1 = hyper[0, lane] * state[2, i, lane] + (1.0 - hyper[0, lane])
            c2 = hyper[1, lane] * state[3, i, lane] + (1.0 - hyper[1, lane])
            state[0, i, lane] = m
            state[1, i, lane] = v
            state[2, i, lane] = c1
            state[3, i, lane] = c2
            scale = math.sqrt(v / c2 + hyper[2, lane]) + hyper[3, lane]
            if scale == 0.0:
                scale = math.inf
            # x_{t+1} = x_t - lr_t mhat_t / scale
            x[i, lane] -= lr[lane] * (m / c1) / scale


def amsgrad_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Reddi, Kale, Kumar 2018, Algorithm 2, with beta1_t = beta1 decay^(t-1)."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            gradient = g[0, i, lane]
            beta1 = hyper[0, lane] if t == 1 else state[3, i, lane] * hyper[4, lane]
            # m_t = beta1_t m_{t-1} + (1 - beta1_t) g_t
            m = beta1 * state[0, i, lane] + (1.0 - beta1) * gradient
            # v_t = beta2 v_{t-1} + (1 - beta2) g_t^2
            v = hyper[1, lane] * state[1, i, lane] + (1.0 - hyper[1, lane]) * gradient * gradient
            # vhat_t = max(vhat_{t-1}, v_t)
            top = max(state[2, i, lane], v)
            state[0, i, lane] = m
            state[1, i, lane] = v
            state[2, i, lane] = top
            state[3, i, lane] = beta1
            scale = math.sqrt(top + hyper[2, lane]) + hyper[3, lane]
            if scale == 0.0:
                scale = math.inf
            # x_{t+1} = x_t - lr_t m_t / scale
            x[i, lane] -= lr[lane] * m / scale


def amsgrad_torch_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Maximum of the raw second moment, then both corrections, then eps (torch.optim.Adam(amsgrad=True))."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            gradient = g[0, i, lane]
            m = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * gradient
            v = hyper[1, lane] * state[1, i, lane] + (1.0 - hyper[1, lane]) * gradient * gradient
            top = max(state[2, i, lane], v)
            c1 = hyper[0, lane] * state[3, i, lane] + (1.0 - hyper[0, lane])
            c2 = hyper[1, lane] * state[4, i, lane] + (1.0 - hyper[1, lane])
            state[0, i, lane] = m
            state[1, i, lane] = v
            state[2, i, lane] = top
            state[3, i, lane] = c1
            state[4, i, lane] = c2
            scale = math.sqrt(top / c2 + hyper[2, lane]) + hyper[3, lane]
            if scale == 0.0:
                scale = math.inf
            x[i, lane] -= lr[lane] * (m / c1) / scale


def amsgrad_optax_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Maximum of the bias-corrected second moment (optax.amsgrad)."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            gradient = g[0, i, lane]
            m = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * gradient
            v = hyper[1, lane] * state[1, i, lane] + (1.0 - hyper[1, lane]) * gradient * gradient
            c1 = hyper[0, lane] * state[3, i, lane] + (1.0 - hyper[0, lane])
            c2 = hyper[1, lane] * state[4, i, lane] + (1.0 - hyper[1, lane])
            top = max(state[2, i, lane], v / c2)
            state[0, i, lane] = m
            state[1, i, lane] = v
            state[2, i, lane] = top
            state[3, i, lane] = c1
            state[4, i, lane] = c2
            scale = math.sqrt(top + hyper[2, lane]) + hyper[3, lane]
            if scale == 0.0:
                scale = math.inf
            x[i, lane] -= lr[lane] * (m / c1) / scale


def amsgrad_keras_kernel(g: Any, t: int, lr: Any, hyper: Any, noise: Any, state: Any, x: Any) -> None:
    """Maximum of the raw second moment, eps added before the corrections (keras.optimizers.Adam(amsgrad=True))."""
    d, lanes = x.shape
    for i in range(d):
        for lane in range(lanes):
            gradient = g[0, i, lane]
            m = hyper[0, lane] * state[0, i, lane] + (1.0 - hyper[0, lane]) * gradient
            v = hyper[1, lane] * state[1, i, lane] + (1.0 - hyper[1, lane]) * gradient * gradient
            top = max(state[2, i, lane], v)
            c1 = hyper[0, lane] * state[3, i, lane] + (1.0 - hyper[0, lane])
            c2 = hyper[1, lane] * state[4, i, lane] + (1.0 - hyper[1, lane])
            state[0, i, lane] = m
            state[1, i, lane] = v
            state[2, i, lane] = top
            state[3, i, lane] = c1
            state[4, i, lane] = c2
            scale = math.sqrt(top + hyper[2, lane]) + hyper[3, lane]
            if scale == 0.0:
                scale = math.inf
            # alpha_t = lr sqrt(1 - beta2^t) / (1 - beta1^t)
            x[i, lane] -= lr[lane] * (math.sqrt(c2) / c1) * m / scale


def hyper_rows(beta1: float, beta2: float, eps: float, eps_mode: str) -> dict[str, float]:
    """Return the rows of the Adam kernels; eps fills the row of its mode and 0 the other."""
    checks.known("eps_mode", eps_mode, EPS_MODES)
    checks.number("eps", eps, 0.0)
    return {
        "beta1": checks.beta("beta1", beta1),
        "beta2": checks.beta("beta2", beta2),
        "eps_inside": eps if eps_mode == "inside" else 0.0,
        "eps_outside": eps if eps_mode == "outside" else 0.0,
    }


def adam(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    bias_correction: bool = True,
    eps_mode: str = "outside",
    m0: float | str = 0.0,
    v0: float | str = 0.0,
    schedule: Schedule | None = None,
) -> Optimizer:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, Algorithm 1; without correction: Reddi et al. 2018, 1904.09237).

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        lr > 0, betas in [0, 1), eps >= 0.
    bias_correction : bool
        Whether the moments are divided by 1 - beta**t.
    eps_mode : {"outside", "inside"}
        sqrt(v) + eps, or sqrt(v + eps).
    m0, v0 : float or {"mean_gradient", "max_square"}
        Initial moments; the names evaluate the component gradients at the start.
    schedule : Schedule
        Default: constant.
    """
    hyper = hyper_rows(beta1, beta2, eps, eps_mode)
    checks.flag("bias_correction", bias_correction)
    return Optimizer(
        name="Adam",
        step=adam_corrected_kernel if bias_correction else adam_kernel,
        lr=lr,
        hyper=hyper,
        rows=("m", "v", "c1", "c2") if bias_correction else ("m", "v"),
        schedule=schedule or constant(),
        initial={"m": m0, "v": v0},
        variant={"bias_correction": str(bool(bias_correction)).lower(), "eps_mode": eps_mode},
        paper="kingma2015" if bias_correction else "reddi2018",
        family=adam,
        arguments={
            "lr": lr,
            "beta1": beta1,
            "beta2": beta2,
            "eps": eps,
            "bias_correction": bias_correction,
            "eps_mode": eps_mode,
            "m0": m0,
            "v0": v0,
            "schedule": schedule,
        },
    )


def amsgrad(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 0.0,
    *,
    variant: str = "paper",
    decay: float = 1.0,
    eps_mode: str = "outside",
    schedule: Schedule | None = None,
) -> Optimizer:
    """AMSGrad (Reddi, Kale, Kumar 2018, arXiv:1904.09237, Algorithm 2) and its three library versions.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        As in `adam`.
    variant : {"paper", "torch", "optax", "keras"}
        paper: no bias correction.  torch: maximum of the raw v, then correction.  optax: maximum of the
        corrected v.  keras: as torch, with eps added to the uncorrected root.
    decay : float
        lambda in (0, 1] of beta1_t = beta1 lambda^(t-1) (Corollary 1); only for the paper's variant.
    eps_mode : {"outside", "inside"}
    schedule : Schedule
    """
    checks.known("variant", variant, AMSGRAD_VARIANTS)
    checks.number("decay", decay, 0.0, 1.0, open_low=True)
    if decay != 1.0 and variant != "paper":
        raise ValueError(f"decay = {decay} is defined for variant='paper' only, not {variant!r}.")
    hyper = hyper_rows(beta1, beta2, eps, eps_mode)
    kernels = {
        "paper": amsgrad_kernel,
        "torch": amsgrad_torch_kernel,
        "optax": amsgrad_optax_kernel,
        "keras": amsgrad_keras_kernel,
    }
    paper = variant == "paper"
    return Optimizer(
        name="AMSGrad",
        step=kernels[variant],
        lr=lr,
        hyper={**hyper, "decay": decay} if paper else hyper,
        rows=("m", "v", "vhat", "beta1_t") if paper else ("m", "v", "vhat", "c1", "c2"),
        schedule=schedule or constant(),
        variant={"variant": variant, "eps_mode": eps_mode},
        paper="reddi2018",
        family=amsgrad,
        arguments={
            "lr": lr,
            "beta1": beta1,
            "beta2": beta2,
            "eps": eps,
            "variant": variant,
            "decay": decay,
            "eps_mode": eps_mode,
            "schedule": schedule,
        },
    )


OPTIMIZERS = [adam, amsgrad]
