"""SGD with compressed messages: error feedback, EF21, and plain distributed compressed gradient descent.

N workers send one message per round to a server, which averages them.  State rows of a worker follow the server's.
"""

from __future__ import annotations

from typing import Any

from theory_sim import checks
from theory_sim.compressors import identity, top_k
from theory_sim.compressors.compressor import Compressor
from theory_sim.optimizer import Optimizer
from theory_sim.schedule import Schedule, constant


def ef_sgd_kernel(
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
    """Rows: workspace c, the server's sum b and error E; per worker e."""
    if t == 0:
        return
    workers = g.shape[0]
    d, lanes = x.shape
    draws = up_noise.shape[0] // workers
    for i in range(d):
        for lane in range(lanes):
            state[1, i, lane] = 0.0
    for j in range(workers):
        e = 3 + j
        for i in range(d):
            for lane in range(lanes):
                # p_t = lr_t g_t + e_t
                state[e, i, lane] = lr[lane] * g[j, i, lane] + hyper[0, lane] * state[e, i, lane]
        up(state[e], up_noise[j * draws : (j + 1) * draws], up_hyper, state[0])
        for i in range(d):
            for lane in range(lanes):
                # e_{t+1} = p_t - C(p_t)
                state[e, i, lane] -= state[0, i, lane]
                state[1, i, lane] += state[0, i, lane]
    for i in range(d):
        for lane in range(lanes):
            state[2, i, lane] = state[1, i, lane] / workers + hyper[0, lane] * state[2, i, lane]
    down(state[2], down_noise, down_hyper, state[0])
    for i in range(d):
        for lane in range(lanes):
            state[2, i, lane] -= state[0, i, lane]
            # x_{t+1} = x_t - C(mean of C(p_t) + E_t)
            x[i, lane] -= state[0, i, lane]


def ef21_kernel(
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
    """Rows: workspaces p and c; per worker its public gradient h."""
    if t == 0:
        return
    workers = g.shape[0]
    d, lanes = x.shape
    draws = up_noise.shape[0] // workers
    for j in range(workers):
        h = 2 + j
        for i in range(d):
            for lane in range(lanes):
                state[0, i, lane] = g[j, i, lane] - state[h, i, lane]
        up(state[0], up_noise[j * draws : (j + 1) * draws], up_hyper, state[1])
        for i in range(d):
            for lane in range(lanes):
                # g_i^t = g_i^{t-1} + C(grad f_i(x^t) - g_i^{t-1})
                state[h, i, lane] += state[1, i, lane]
    for i in range(d):
        for lane in range(lanes):
            state[0, i, lane] = 0.0
        for j in range(workers):
            for lane in range(lanes):
                state[0, i, lane] += state[2 + j, i, lane]
        for lane in range(lanes):
            # x^{t+1} = x^t - lr mean_i g_i^t
            x[i, lane] -= lr[lane] * (state[0, i, lane] / workers)


def ef_sgd(
    lr: float = 0.01,
    *,
    up: Compressor | None = None,
    down: Compressor | None = None,
    error_feedback: bool = True,
    schedule: Schedule | None = None,
) -> Optimizer:
    """SGD whose workers send C(lr g + e) and keep the rest e (Karimireddy et al. 2019, arXiv:1901.09847, Algorithm 2).

    One worker with up=l1_sign(word=64) and down=identity(word=64) is `theory_sim.ef_signsgd`, which stays for the choice of
    sign(0) and because it passes no messages.

    Parameters
    ----------
    lr : float
        lr > 0; it is inside the memory, so the memory has the units of x.
    up, down : Compressor
        Workers to server, default top_k(k=1), and server to workers, default identity; the server feeds its own
        error back too.
    error_feedback : bool
        False forgets every error: compressed (distributed) gradient descent.
    schedule : Schedule
    """
    feedback = checks.flag("error_feedback", error_feedback)
    return Optimizer(
        name="EF-SGD" if feedback else "compressed SGD",
        step=ef_sgd_kernel,
        lr=lr,
        hyper={"error_feedback": float(feedback)},
        rows=("workspace", "sum", "E"),
        worker_rows=("e",),
        schedule=schedule or constant(),
        variant={"error_feedback": str(feedback)},
        distributed=True,
        up=up or top_k(k=1),
        down=down or identity(),
        paper="karimireddy2019",
        family=ef_sgd,
        arguments={
            "lr": lr,
            "up": up,
            "down": down,
            "error_feedback": error_feedback,
            "schedule": schedule,
        },
    )


def ef21(
    lr: float = 0.01,
    *,
    up: Compressor | None = None,
    schedule: Schedule | None = None,
) -> Optimizer:
    """EF21 (Richtarik, Sokolov, Fatkhullin 2021, arXiv:2106.05203, Algorithm 2): workers send C(gradient - last estimate).

    The first message is C(grad f_i(x_1)), so that g_i^0 = C(grad f_i(x^0)) in the paper's numbering.

    Parameters
    ----------
    lr : float
        lr > 0.
    up : Compressor
        A contraction; default top_k(k=1).
    schedule : Schedule
    """
    return Optimizer(
        name="EF21",
        step=ef21_kernel,
        lr=lr,
        rows=("workspace", "sent"),
        worker_rows=("h",),
        schedule=schedule or constant(),
        distributed=True,
        up=up or top_k(k=1),
        down=identity(),
        paper="ef21",
        family=ef21,
        arguments={"lr": lr, "up": up, "schedule": schedule},
    )


OPTIMIZERS = [ef_sgd, ef21]
