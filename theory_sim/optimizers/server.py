"""Distributed Adam with the moments on the server: COMP-AMS and 1-bit Adam.

The workers send compressed gradients (COMP-AMS) or momenta (1-bit Adam) with error feedback.  Uncompressed,
COMP-AMS is Adam on the mean gradient, that is on a mini-batch of one sample per worker.
"""

from __future__ import annotations

import math

from theory_sim.compressors import identity, l1_sign, rms_sign
from theory_sim.compressors.compressor import Compressor
from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.adam import of_eps
from theory_sim.optimizers.feedback import unsent
from theory_sim.optimizers.parts import largest, nonzero, of_beta
from theory_sim.rules import checks
from theory_sim.rules.language import Round, Stage


def _gradient(g: float, error_feedback: float, e: float) -> float:
    return g + error_feedback * e


def _corrections(
    beta1: float, beta2: float, bias_correction: float, c1: float, c2: float
) -> tuple[float, float]:
    """1 - beta1^t and 1 - beta2^t, or 1 without correction."""
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    return c1 if bias_correction > 0.0 else 1.0, c2 if bias_correction > 0.0 else 1.0


def _server(
    mean: float, lr: float, beta1: float, beta2: float, eps_inside: float, eps_outside: float, amsgrad: float,
    c1: float, c2: float, x: float, m: float, v: float, vhat: float,
) -> tuple[float, ...]:  # fmt: skip
    """theta_{t+1} = theta_t - lr m_t / sqrt(vhat_t + eps), the moments being those of the mean message."""
    m = beta1 * m + (1.0 - beta1) * mean
    v = beta2 * v + (1.0 - beta2) * mean * mean
    vhat = largest(vhat, v) if amsgrad > 0.0 else vhat
    top = vhat if amsgrad > 0.0 else v
    return x - lr / c1 * m / nonzero(math.sqrt(top / c2 + eps_inside) + eps_outside), m, v, vhat


COMP_AMS = Round(
    send=Stage(_gradient, ("p",)), keep=Stage(unsent, ("e",)), apply=Stage(_server, ("x", "m", "v", "vhat"))
)


def _momentum(g: float, t: int, beta1: float, warmup: float, m: float, e: float) -> float:
    """p_i = beta1 m + (1 - beta1) g_i + e_i, and the gradient itself while v is warmed up."""
    return g if t <= warmup else e + (beta1 * m + (1.0 - beta1) * g)


def _warm(
    mean: float, t: int, beta1: float, beta2: float, warmup: float, E: float, m: float, v: float
) -> tuple[float, float]:
    """Adam's moments while v is warmed up; then v is frozen and the mean momentum is sent back."""
    warm = t <= warmup
    p = beta1 * m + (1.0 - beta1) * mean if warm else E + mean
    return p, beta2 * v + (1.0 - beta2) * mean * mean if warm else v


def _frozen(p: float, reply: float, lr: float, eps: float, x: float, v: float) -> tuple[float, float, float]:
    """m = C(p) and x = x - lr m / (sqrt(v_warmup) + eps); the server keeps p - C(p)."""
    return x - lr * reply / nonzero(math.sqrt(v) + eps), reply, p - reply


ONEBIT_ADAM = Round(
    send=Stage(_momentum, ("p",)),
    keep=Stage(unsent, ("e",)),
    reply=Stage(_warm, ("p", "v")),
    apply=Stage(_frozen, ("x", "m", "E")),
)


@family
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
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """COMP-AMS (Li, Karimi, Li 2022, arXiv:2205.05632, Algorithm 2): compressed gradients, server AMSGrad.

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
    flags = {
        "bias_correction": checks.flag("bias_correction", bias_correction),
        "amsgrad": checks.flag("amsgrad", amsgrad),
        "error_feedback": checks.flag("error_feedback", error_feedback),
    }
    return Optimizer(
        "COMP-AMS" if amsgrad else "server Adam",
        COMP_AMS,
        lr,
        {
            **of_beta(beta1=beta1, beta2=beta2),
            **of_eps(eps, eps_mode),
            **{name: float(value) for name, value in flags.items()},
        },
        rows=("m", "v", "vhat", "c1", "c2"),
        worker_rows=("e",),
        once=_corrections,
        shared=("c1", "c2"),
        schedule=schedule,
        variant={"eps_mode": eps_mode, **{name: str(value) for name, value in flags.items()}},
        up=up or l1_sign(),
        down=identity(),
        paper="compams2022",
    )


@family
def onebit_adam(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    warmup: int = 100,
    up: Compressor | None = None,
    down: Compressor | None = None,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """1-bit Adam (Tang et al. 2021, arXiv:2102.02888, Algorithm 1): Adam, then compressed momentum, v frozen.

    As in DeepSpeed there is no bias correction, the compressed momentum replaces m, and eps is outside the
    root.  A coordinate that has seen no gradient when v freezes has v = 0 and does not move if eps = 0.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        lr > 0, beta1 and beta2 in [0, 1), eps >= 0.
    warmup : int
        Steps of uncompressed Adam, >= 1.
    up, down : Compressor
        Workers to server and back; default rms_sign().  A server sharded over N ranks is
        down=rms_sign(block=d/N).
    schedule : Schedule
    """
    warm = checks.count("warmup", warmup)
    return Optimizer(
        "1-bit Adam",
        ONEBIT_ADAM,
        lr,
        {
            **of_beta(beta1=beta1, beta2=beta2),
            "eps": checks.number("eps", eps, 0.0),
            "warmup": float(warm),
        },
        rows=("E", "m", "v"),
        worker_rows=("e",),
        schedule=schedule,
        variant={"warmup": str(warm)},
        up=up or rms_sign(),
        down=down or up or rms_sign(),
        warmup=warm,
        paper="onebitadam2021",
    )


OPTIMIZERS = [comp_ams, onebit_adam]
