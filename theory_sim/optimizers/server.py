"""Distributed Adam with the moments on the server: COMP-AMS and 1-bit Adam.

The workers send compressed gradients (COMP-AMS) or momenta (1-bit Adam) with error feedback.  Uncompressed, COMP-AMS is
Adam on the mean gradient, that is on a mini-batch of one sample per worker.
"""

from __future__ import annotations

import math
from typing import Any

from theory_sim import checks
from theory_sim.compressors import identity, l1_sign, rms_sign
from theory_sim.compressors.compressor import Compressor
from theory_sim.optimizer import Optimizer
from theory_sim.optimizers.adam import EPS_MODES
from theory_sim.schedule import Schedule, constant


def comp_ams_kernel(
    g: Any,
    t: int,
    lr: Any,
    hyper: Any,
    noise: Any,
    state: Any,
    x: Any,
    up: Any,
    up_hyper: Any,
    up_noise: Any,
    down: Any,
    down_hyper: Any,
    down_noise: Any,
) -> None:
    """Rows: workspace, mean gradient, m, v, vhat, c1, c2; per worker e.

    Hyper rows: beta1, beta2, eps inside, eps outside; flags: corrected, amsgrad, error_feedback.
    """
    if t == 0:
        return
    workers = g.shape[0]
    d, lanes = x.shape
    draws = up_noise.shape[0] // workers
    for i in range(d):
        for lane in range(lanes):
            state[1, i, lane] = 0.0
    for lane in range(lanes):
        c1 = hyper[0, lane] * state[5, 0, lane] + (1.0 - hyper[0, lane])
        c2 = hyper[1, lane] * state[6, 0, lane] + (1.0 - hyper[1, lane])
        state[5, 0, lane] = c1 if hyper[4, 0] > 0.0 else 1.0
        state[6, 0, lane] = c2 if hyper[4, 0] > 0.0 else 1.0
    for j in range(workers):
        e = 7 + j
        for i in range(d):
            for lane in range(lanes):
                state[e, i, lane] = g[j, i, lane] + hyper[6, 0] * state[e, i, lane]
        # gt_i = C(g_i + e_i)
        up(state[e], up_noise[j * draws : (j + 1) * draws], up_hyper, state[0])
        for i in range(d):
            for lane in range(lanes):
                # e_i = e_i + g_i - gt_i
                state[e, i, lane] -= state[0, i, lane]
                state[1, i, lane] += state[0, i, lane]
    for i in range(d):
        for lane in range(lanes):
            gradient = state[1, i, lane] / workers
            m = hyper[0, lane] * state[2, i, lane] + (1.0 - hyper[0, lane]) * gradient
            v = hyper[1, lane] * state[3, i, lane] + (1.0 - hyper[1, lane]) * gradient * gradient
            state[2, i, lane] = m
            state[3, i, lane] = v
            if hyper[5, 0] > 0.0:
                # vhat_t = max(vhat_{t-1}, v_t); a NaN in v must not be lost
                v = max(state[4, i, lane], v) + 0.0 * v
                state[4, i, lane] = v
            scale = math.sqrt(v / state[6, 0, lane] + hyper[2, lane]) + hyper[3, lane]
            if scale == 0.0:
                scale = math.inf
            # theta_{t+1} = theta_t - lr m_t / sqrt(vhat_t + eps)
            x[i, lane] -= lr[lane] / state[5, 0, lane] * m / scale


def onebit_adam_kernel(
    g: Any,
    t: int,
    lr: Any,
    hyper: Any,
    noise: Any,
    state: Any,
    x: Any,
    up: Any,
    up_hyper: Any,
    up_noise: Any,
    down: Any,
    down_hyper: Any,
    down_noise: Any,
) -> None:
    """Rows: workspace, mean message and server error E, m, v; per worker e.  Hyper rows: beta1, beta2, eps, warmup."""
    if t == 0:
        return
    workers = g.shape[0]
    d, lanes = x.shape
    draws = up_noise.shape[0] // workers
    warm = t <= hyper[3, 0]
    for i in range(d):
        for lane in range(lanes):
            state[1, i, lane] = 0.0
    for j in range(workers):
        e = 5 + j
        if warm:
            for i in range(d):
                for lane in range(lanes):
                    state[1, i, lane] += g[j, i, lane]
        else:
            for i in range(d):
                for lane in range(lanes):
                    # p_i = beta1 m + (1 - beta1) g_i + e_i
                    m = hyper[0, lane] * state[3, i, lane] + (1.0 - hyper[0, lane]) * g[j, i, lane]
                    state[e, i, lane] += m
            up(state[e], up_noise[j * draws : (j + 1) * draws], up_hyper, state[0])
            for i in range(d):
                for lane in range(lanes):
                    # e_i = p_i - C(p_i)
                    state[e, i, lane] -= state[0, i, lane]
                    state[1, i, lane] += state[0, i, lane]
    if warm:
        for i in range(d):
            for lane in range(lanes):
                gradient = state[1, i, lane] / workers
                state[3, i, lane] = hyper[0, lane] * state[3, i, lane] + (1.0 - hyper[0, lane]) * gradient
                v = hyper[1, lane] * state[4, i, lane] + (1.0 - hyper[1, lane]) * gradient * gradient
                state[4, i, lane] = v
    else:
        for i in range(d):
            for lane in range(lanes):
                state[2, i, lane] += state[1, i, lane] / workers
        # m = C(mean C(p_i) + E), with v frozen
        down(state[2], down_noise, down_hyper, state[3])
        for i in range(d):
            for lane in range(lanes):
                state[2, i, lane] -= state[3, i, lane]
    for i in range(d):
        for lane in range(lanes):
            scale = math.sqrt(state[4, i, lane]) + hyper[2, lane]
            if scale == 0.0:
                scale = math.inf
            # x = x - lr m / (sqrt(v_warmup) + eps)
            x[i, lane] -= lr[lane] * state[3, i, lane] / scale


def comp_ams(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    up: Compressor | None = None,
    amsgrad: bool = True,
    bias_correction: bool = False,
    eps_mode: str = "inside",
    error_feedback: bool = True,
    schedule: Schedule | None = None,
) -> Optimizer:
    """COMP-AMS (Li, Karimi, Li 2022, arXiv:2205.05632, Algorithm 2): compressed gradients, AMSGrad on the server.

    With up=identity() it is distributed Adam with server moments; with amsgrad=False, a one-bit `up` and bias
    correction it is the naive one-bit Adam, whose v sees the flat magnitudes of the messages.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        lr > 0, beta1 and beta2 in [0, 1), eps >= 0.
    up : Compressor
        C on g + e, in units of the gradient; default l1_sign().  The weights come back in full precision.
    amsgrad : bool
        Divide by the running maximum of v.
    bias_correction : bool
    eps_mode : {"inside", "outside"}
    error_feedback : bool
        False forgets e.
    schedule : Schedule
    """
    checks.known("eps_mode", eps_mode, EPS_MODES)
    eps = checks.number("eps", eps, 0.0)
    flags = {
        "bias_correction": checks.flag("bias_correction", bias_correction),
        "amsgrad": checks.flag("amsgrad", amsgrad),
        "error_feedback": checks.flag("error_feedback", error_feedback),
    }
    return Optimizer(
        name="COMP-AMS" if amsgrad else "server Adam",
        step=comp_ams_kernel,
        lr=lr,
        hyper={
            "beta1": checks.beta("beta1", beta1),
            "beta2": checks.beta("beta2", beta2),
            "eps_inside": eps if eps_mode == "inside" else 0.0,
            "eps_outside": eps if eps_mode == "outside" else 0.0,
            **{name: float(value) for name, value in flags.items()},
        },
        rows=("workspace", "gradient", "m", "v", "vhat", "c1", "c2"),
        worker_rows=("e",),
        schedule=schedule or constant(),
        variant={"eps_mode": eps_mode, **{name: str(value) for name, value in flags.items()}},
        distributed=True,
        up=up or l1_sign(),
        down=identity(),
        paper="compams2022",
        family=comp_ams,
        arguments={
            "lr": lr,
            "beta1": beta1,
            "beta2": beta2,
            "eps": eps,
            "up": up,
            "amsgrad": amsgrad,
            "bias_correction": bias_correction,
            "eps_mode": eps_mode,
            "error_feedback": error_feedback,
            "schedule": schedule,
        },
    )


def onebit_adam(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    warmup: int = 100,
    up: Compressor | None = None,
    down: Compressor | None = None,
    schedule: Schedule | None = None,
) -> Optimizer:
    """1-bit Adam (Tang et al. 2021, arXiv:2102.02888, Algorithm 1): Adam, then compressed momentum with v frozen.

    As in DeepSpeed there is no bias correction, the compressed momentum replaces m, and eps is outside the root.  A
    coordinate that has seen no gradient when v freezes has v = 0 and does not move if eps = 0.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        lr > 0, beta1 and beta2 in [0, 1), eps >= 0.
    warmup : int
        Steps of uncompressed Adam, >= 1.
    up, down : Compressor
        Workers to server and back; default rms_sign().  A server sharded over N ranks is down=rms_sign(block=d/N).
    schedule : Schedule
    """
    warm = checks.count("warmup", warmup)
    return Optimizer(
        name="1-bit Adam",
        step=onebit_adam_kernel,
        lr=lr,
        hyper={
            "beta1": checks.beta("beta1", beta1),
            "beta2": checks.beta("beta2", beta2),
            "eps": checks.number("eps", eps, 0.0),
            "warmup": float(warm),
        },
        rows=("workspace", "message", "E", "m", "v"),
        worker_rows=("e",),
        schedule=schedule or constant(),
        variant={"warmup": str(warm)},
        distributed=True,
        up=up or rms_sign(),
        down=down or up or rms_sign(),
        warmup=warm,
        paper="onebitadam2021",
        family=onebit_adam,
        arguments={
            "lr": lr,
            "beta1": beta1,
            "beta2": beta2,
            "eps": eps,
            "warmup": warmup,
            "up": up,
            "down": down,
            "schedule": schedule,
        },
    )


OPTIMIZERS = [comp_ams, onebit_adam]
