"""Quantized Adam with local moments: QAdam and Efficient-Adam.

Every worker keeps its own m and v and sends its compressed *update*, with error feedback.  QAdam's
server keeps the weights and broadcasts them quantized; Efficient-Adam's server compresses the mean
update, with feedback of its own.

Neither full text was available to us: the algorithms follow the abstracts and the description of QAdam in
COMP-AMS (arXiv:2205.05632, section 3.2), the order of the indices is ours, and no constant of their theorems
is claimed.  With workers whose objectives differ, local moments lead to a wrong fixed point
(`counterexamples.quantized.different_workers`).
"""

from __future__ import annotations

import math
from typing import Any

from theory_sim.compressors import identity, l1_sign, log_levels
from theory_sim.compressors.compressor import Compressor
from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.adam import of_eps
from theory_sim.optimizers.feedback import feed_back, move_by_reply, unsent
from theory_sim.optimizers.parts import largest, nonzero, of_beta
from theory_sim.rules import checks
from theory_sim.rules.language import Round, Stage


def _weights(
    t: int, lr: float, beta1: float, beta2: float, theta: float, bias_correction: float, c1: float, c2: float
) -> tuple[float, ...]:
    """theta_t and the corrections c1, c2, with alpha_t/c1 and 1/c2 as the coordinates need them."""
    theta_t = beta2 if theta == 0.0 else 1.0 - theta * (1.0 / t)
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = theta_t * c2 + (1.0 - theta_t)
    corrected = bias_correction > 0.0
    return c1, c2, theta_t, lr / c1 if corrected else lr, 1.0 / c2 if corrected else 1.0


def _update(
    g: float, beta1: float, eps_inside: float, eps_outside: float, error_feedback: float, theta_t: float,
    rate: float, boost: float, m: float, v: float, e: float,
) -> tuple[float, ...]:  # fmt: skip
    """p_t = u_t + e_t with u_t = alpha_t m_t / sqrt(v_t + eps)."""
    v = theta_t * v + (1.0 - theta_t) * g * g
    m = beta1 * m + (1.0 - beta1) * g
    update = rate * m / nonzero(math.sqrt(v * boost + eps_inside) + eps_outside)
    return update + error_feedback * e, m, v


def _amsgrad_update(
    g: float, beta1: float, eps_inside: float, eps_outside: float, error_feedback: float, theta_t: float,
    rate: float, boost: float, m: float, v: float, e: float, vhat: float,
) -> tuple[float, ...]:  # fmt: skip
    v = theta_t * v + (1.0 - theta_t) * g * g
    m = beta1 * m + (1.0 - beta1) * g
    vhat = largest(vhat, v)
    update = rate * m / nonzero(math.sqrt(vhat * boost + eps_inside) + eps_outside)
    return update + error_feedback * e, m, v, vhat


def _begin(x: float) -> tuple[float, float]:
    """y_1 = Q_x(x_1)."""
    return x, x


def _step_weights(mean: float, weights: float) -> tuple[float, float]:
    """x_{t+1} = x_t - mean c_t; y_{t+1} = Q_x(x_{t+1})."""
    weights = weights - mean
    return weights, weights


def _receive(reply: float) -> float:
    return reply


def _local_moments(
    name: str,
    weights: bool,
    amsgrad: bool,
    hyper: dict[str, float],
    flags: dict[str, bool],
    eps_mode: str,
    **fields: Any,
) -> Optimizer:
    """Return the optimizer that the two constructors share."""
    send = Stage(_amsgrad_update, ("p", "m", "v", "vhat")) if amsgrad else Stage(_update, ("p", "m", "v"))
    keep = Stage(unsent, ("e",))
    to_weights = Round(
        send,
        Stage(_receive, ("x",)),
        keep,
        Stage(_step_weights, ("p", "weights")),
        Stage(_begin, ("p", "weights")),
    )
    by_updates = Round(send, Stage(move_by_reply, ("x", "E")), keep, Stage(feed_back, ("p",)))
    shared = ("c1", "c2", "theta_t", "rate", "boost")
    named = {"amsgrad": amsgrad, **flags, "weights": weights}
    return Optimizer(
        name,
        to_weights if weights else by_updates,
        hyper={**hyper, **{name: float(checks.flag(name, value)) for name, value in flags.items()}},
        rows=("weights" if weights else "E", *shared),
        worker_rows=("m", "v", "e", "vhat") if amsgrad else ("m", "v", "e"),
        once=_weights,
        shared=shared,
        variant={"eps_mode": eps_mode, **{name: str(bool(value)) for name, value in named.items()}},
        **fields,
    )


def _hyper(beta1: float, beta2: float, eps: float, theta: float | None, eps_mode: str) -> dict[str, float]:
    own = 0.0 if theta is None else checks.number("theta", theta, 0.0, 1.0, open_low=True)
    return {**of_beta(beta1=beta1, beta2=beta2), **of_eps(eps, eps_mode), "theta": own}


@family
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
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """QAdam (Chen, Shen, Huang, Liu 2021, arXiv:2004.14180): quantized updates up, quantized weights down.

    The iterate x of the run is the quantized copy at which gradients are queried; the full-precision weights
    are the state row "weights".

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
        "QAdam",
        True,
        checks.flag("amsgrad", amsgrad),
        _hyper(beta1, beta2, eps, theta, eps_mode),
        {"bias_correction": bias_correction, "error_feedback": error_feedback},
        eps_mode,
        lr=lr,
        schedule=schedule,
        up=up or log_levels(k=2),
        down=down or identity(),
        boxless=True,
        paper="qadam2021",
    )


@family
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
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Efficient-Adam (Chen, Shen, Liu, Luo 2023, arXiv:2205.14473): compression and feedback both ways.

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
        "Efficient-Adam",
        False,
        checks.flag("amsgrad", amsgrad),
        _hyper(beta1, beta2, eps, theta, eps_mode),
        {"bias_correction": bias_correction, "error_feedback": error_feedback},
        eps_mode,
        lr=lr,
        schedule=schedule,
        up=up or l1_sign(),
        down=down or up or l1_sign(),
        paper="efficientadam2023",
    )


OPTIMIZERS = [qadam, efficient_adam]
