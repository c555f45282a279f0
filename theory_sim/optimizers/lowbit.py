"""Adam with 8-bit states: the moments are stored through a block-wise code between steps."""

from __future__ import annotations

import math

from theory_sim.compressors import dynamic8
from theory_sim.compressors.compressor import Compressor
from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.parts import nonzero, of_beta
from theory_sim.rules import checks


def _corrections(beta1: float, beta2: float, c1: float, c2: float) -> tuple[float, float]:
    """1 - beta1^t and 1 - beta2^t."""
    return beta1 * c1 + (1.0 - beta1), beta2 * c2 + (1.0 - beta2)


def _adam(
    g: float,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    c1: float,
    c2: float,
    x: float,
    m: float,
    v: float,
) -> tuple[float, float, float]:
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    return x - lr / c1 * m / nonzero(math.sqrt(v / c2) + eps), m, v


@family
def eight_bit_adam(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    up: Compressor | None = None,
    down: Compressor | None = None,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """8-bit Adam (Dettmers et al. 2022, arXiv:2110.02861): the moments pass an 8-bit code after every step.

    Bias correction, eps outside the root; the step uses the moments before they are stored
    again.  Nothing is sent.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        lr > 0, beta1 and beta2 in [0, 1), eps >= 0.
    up, down : Compressor
        The codes of m and of v; default dynamic8(signed=True) and dynamic8(signed=False).
    schedule : Schedule
    """
    return Optimizer(
        "8-bit Adam",
        _adam,
        lr,
        {
            **of_beta(beta1=beta1, beta2=beta2),
            "eps": checks.number("eps", eps, 0.0),
        },
        rows=("m", "v", "c1", "c2"),
        once=_corrections,
        shared=("c1", "c2"),
        schedule=schedule,
        up=up or dynamic8(),
        down=down or dynamic8(signed=False),
        stored=("m", "v"),
        paper="dettmers2022",
    )


OPTIMIZERS = [eight_bit_adam]
