"""Quantized Adam with local moments: QAdam and Efficient-Adam.

Every worker keeps its own m and v and sends its compressed *update*, with error feedback.  QAdam's server keeps the
weights and broadcasts them quantized; Efficient-Adam's server compresses the mean update, with feedback of its own.

Neither full text was available to us: the algorithms follow the abstracts and the description of QAdam in
COMP-AMS (arXiv:2205.05632, section 3.2), the order of the indices is ours, and no constant of their theorems is claimed.
With workers whose objectives differ, local moments lead to a wrong fixed point (`counterexamples.quantized.different_workers`).
"""

from __future__ import annotations

import math
from typing import Any

from theory_sim import checks
from theory_sim.compressors import identity, l1_sign, log_levels
from theory_sim.compressors.compressor import Compressor
from theory_sim.optimizer import Optimizer
from theory_sim.optimizers.adam import EPS_MODES
from theory_sim.schedule import Schedule, constant


def local_moments_kernel(
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
    """Rows: workspace, mean update b, E or the full-precision weights; c1, c2, theta_t, alpha_t/c1, 1/c2 in coordinate 0.

    Then per worker m, v, e[, vhat].  Hyper rows: beta1, beta2, eps inside, eps outside, theta; flags: corrected, amsgrad, error_feedback, weights.
    """
    d, lanes = x.shape
    amsgrad = hyper[6, 0] > 0.0
    weights = hyper[8, 0] > 0.0
    if t == 0:
        if weights:
            for i in range(d):
                for lane in range(lanes):
                    state[2, i, lane] = x[i, lane]
            # y_1 = Q_x(x_1)
            down(state[2], down_noise, down_hyper, x)
        return
    workers = g.shape[0]
    draws = up_noise.shape[0] // workers
    owned = 4 if amsgrad else 3
    over_t = 1.0 / t
    for i in range(d):
        for lane in range(lanes):
            state[1, i, lane] = 0.0
    for lane in range(lanes):
        beta2 = hyper[1, lane] if hyper[4, lane] == 0.0 else 1.0 - hyper[4, lane] * over_t
        c1 = hyper[0, lane] * state[3, 0, lane] + (1.0 - hyper[0, lane])
        c2 = beta2 * state[4, 0, lane] + (1.0 - beta2)
        corrected = hyper[5, 0] > 0.0
        state[3, 0, lane] = c1
        state[4, 0, lane] = c2
        state[5, 0, lane] = beta2
        state[6, 0, lane] = lr[lane] / c1 if corrected else lr[lane]
        state[7, 0, lane] = 1.0 / c2 if corrected else 1.0
    for j in range(workers):
        own = 8 + owned * j
        root = own + 3 if amsgrad else own + 1
        for i in range(d):
            for lane in range(lanes):
                gradient = g[j, i, lane]
                beta2 = state[5, 0, lane]
                # v_t = theta_t v_{t-1} + (1 - theta_t) g_t^2
                v = beta2 * state[own + 1, i, lane] + (1.0 - beta2) * gradient * gradient
                # m_t = beta m_{t-1} + (1 - beta) g_t
                m = hyper[0, lane] * state[own, i, lane] + (1.0 - hyper[0, lane]) * gradient
                state[own, i, lane] = m
                state[own + 1, i, lane] = v
            if amsgrad:
                for lane in range(lanes):
                    # vhat_t = max(vhat_{t-1}, v_t), where a NaN in v_t must not be lost
                    v = state[own + 1, i, lane]
                    state[root, i, lane] = max(state[root, i, lane], v) + 0.0 * v
            for lane in range(lanes):
                scale = math.sqrt(state[root, i, lane] * state[7, 0, lane] + hyper[2, lane]) + hyper[3, lane]
                if scale == 0.0:
                    scale = math.inf
                # u_t = alpha_t m_t / sqrt(v_t + eps); p_t = u_t + e_t
                update = state[6, 0, lane] * state[own, i, lane] / scale
                state[own + 2, i, lane] = update + hyper[7, 0] * state[own + 2, i, lane]
        # c_t = Q_g(u_t + e_t)
        up(state[own + 2], up_noise[j * draws : (j + 1) * draws], up_hyper, state[0])
        for i in range(d):
            for lane in range(lanes):
                # e_{t+1} = u_t + e_t - c_t
                state[own + 2, i, lane] -= state[0, i, lane]
                state[1, i, lane] += state[0, i, lane]
    if weights:
        for i in range(d):
            for lane in range(lanes):
                # x_{t+1} = x_t - mean c_t
                state[2, i, lane] -= state[1, i, lane] / workers
        # y_{t+1} = Q_x(x_{t+1})
        down(state[2], down_noise, down_hyper, x)
        return
    for i in range(d):
        for lane in range(lanes):
            state[2, i, lane] = state[1, i, lane] / workers + hyper[7, 0] * state[2, i, lane]
    # b_t = Q_s(a_t + E_t)
    down(state[2], down_noise, down_hyper, state[0])
    for i in range(d):
        for lane in range(lanes):
            # E_{t+1} = a_t + E_t - b_t; x_{t+1} = x_t - b_t
            state[2, i, lane] -= state[0, i, lane]
            x[i, lane] -= state[0, i, lane]


def _local_moments(weights: bool, arguments: dict[str, Any], **fields: Any) -> Optimizer:
    """Return the optimizer that the two constructors share, from their checked arguments."""
    amsgrad, mode = checks.flag("amsgrad", arguments["amsgrad"]), arguments["eps_mode"]
    checks.known("eps_mode", mode, EPS_MODES)
    eps = checks.number("eps", arguments["eps"], 0.0)
    flags = {
        "bias_correction": checks.flag("bias_correction", arguments["bias_correction"]),
        "amsgrad": amsgrad,
        "error_feedback": checks.flag("error_feedback", arguments["error_feedback"]),
        "weights": weights,
    }
    theta = arguments["theta"]
    return Optimizer(
        step=local_moments_kernel,
        lr=arguments["lr"],
        hyper={
            "beta1": checks.beta("beta1", arguments["beta1"]),
            "beta2": checks.beta("beta2", arguments["beta2"]),
            "eps_inside": eps if mode == "inside" else 0.0,
            "eps_outside": eps if mode == "outside" else 0.0,
            "theta": 0.0 if theta is None else checks.number("theta", theta, 0.0, 1.0, open_low=True),
            **{name: float(value) for name, value in flags.items()},
        },
        rows=("workspace", "update", "weights" if weights else "E", "c1", "c2", "theta", "rate", "boost"),
        worker_rows=("m", "v", "e", "vhat") if amsgrad else ("m", "v", "e"),
        schedule=arguments["schedule"] or constant(),
        variant={"eps_mode": mode, **{name: str(bool(value)) for name, value in flags.items()}},
        distributed=True,
        arguments=arguments,
        **fields,
    )


def qadam(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    up: Compressor | None = None,
    down: Compressor | None = None,
    theta: float | None = None,
    amsgrad: bool = False,
    bias_correction: bool = False,
    eps_mode: str = "inside",
    error_feedback: bool = True,
    schedule: Schedule | None = None,
) -> Optimizer:
    """QAdam (Chen, Shen, Huang, Liu 2021, arXiv:2004.14180): quantized updates up, quantized weights down.

    The iterate x of the run is the quantized copy at which gradients are queried; the full-precision weights are the
    state row "weights".

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        lr > 0, beta1 and beta2 in [0, 1), eps >= 0.
    up : Compressor
        Q_g on lr m / sqrt(v + eps) + e; default log_levels(k=2).
    down : Compressor
        Q_x on the weights; default identity.
    theta : float, optional
        In (0, 1]: beta2_t = 1 - theta/t, the schedule of Generic Adam, instead of beta2.
    amsgrad : bool
        Divide by the running maximum of v.
    bias_correction : bool
    eps_mode : {"inside", "outside"}
        Whether eps is added under the root.
    error_feedback : bool
        False forgets e.
    schedule : Schedule
    """
    return _local_moments(
        True,
        {
            "lr": lr,
            "beta1": beta1,
            "beta2": beta2,
            "eps": eps,
            "up": up,
            "down": down,
            "theta": theta,
            "amsgrad": amsgrad,
            "bias_correction": bias_correction,
            "eps_mode": eps_mode,
            "error_feedback": error_feedback,
            "schedule": schedule,
        },
        name="QAdam",
        up=up or log_levels(k=2),
        down=down or identity(),
        boxless=True,
        paper="qadam2021",
        family=qadam,
    )


def efficient_adam(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    up: Compressor | None = None,
    down: Compressor | None = None,
    theta: float | None = None,
    amsgrad: bool = False,
    bias_correction: bool = False,
    eps_mode: str = "inside",
    error_feedback: bool = True,
    schedule: Schedule | None = None,
) -> Optimizer:
    """Efficient-Adam (Chen, Shen, Liu, Luo 2023, arXiv:2205.14473): updates compressed both ways, feedback both ways.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        lr > 0, beta1 and beta2 in [0, 1), eps >= 0.
    up : Compressor
        Q_w on lr m / sqrt(v + eps) + e; default l1_sign().
    down : Compressor
        Q_s on the mean message plus E; default: the same as up.
    theta, amsgrad, bias_correction, eps_mode, error_feedback, schedule
        As for `qadam`; error_feedback=False forgets e and E.
    """
    return _local_moments(
        False,
        {
            "lr": lr,
            "beta1": beta1,
            "beta2": beta2,
            "eps": eps,
            "up": up,
            "down": down,
            "theta": theta,
            "amsgrad": amsgrad,
            "bias_correction": bias_correction,
            "eps_mode": eps_mode,
            "error_feedback": error_feedback,
            "schedule": schedule,
        },
        name="Efficient-Adam",
        up=up or l1_sign(),
        down=down or up or l1_sign(),
        paper="efficientadam2023",
        family=efficient_adam,
    )


OPTIMIZERS = [qadam, efficient_adam]
