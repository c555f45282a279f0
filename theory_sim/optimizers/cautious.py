"""Cautious methods: an update moves only the coordinates in which it has the sign of the gradient.

Without rescaling the mask is 1 or 0, and the method acts coordinate by coordinate.  Rescaled, the update of d
coordinates, k of which are kept, is multiplied by d/(k + xi) with the paper's xi = 1; its released code
divides by the mean of the mask instead, a factor d/k, which is 1 where d = 1.
"""

from __future__ import annotations

import math
from typing import Any

from theory_sim.nouns.family import family
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.schedule import CONSTANT, Schedule
from theory_sim.optimizers.adam import Moments
from theory_sim.optimizers.descendants import adamw
from theory_sim.optimizers.momentum import sgdm
from theory_sim.optimizers.parts import nonzero, sign
from theory_sim.optimizers.sign import lion
from theory_sim.rules import checks
from theory_sim.rules.language import Rule, total


def _mask(update: float, g: float) -> float:
    return 1.0 if update * g > 0.0 else 0.0


def _rescaled(kept: float, d: int) -> float:
    return d / (kept + 1.0)


def _of_average(g: float, beta1: float, m: float) -> float:
    """The mask of AdamW, whose corrections and root are positive, and of Lion."""
    return _mask(beta1 * m + (1.0 - beta1) * g, g)


def _of_heavy_ball(g: float, momentum: float, m: float) -> float:
    return _mask(momentum * m + g, g)


def _cautious_adamw(
    g: float, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float,
    x: float, m: float, v: float, c1: float, c2: float, scale: float = 1.0,
) -> Moments:  # fmt: skip
    m = beta1 * m + (1.0 - beta1) * g
    v = beta2 * v + (1.0 - beta2) * g * g
    c1 = beta1 * c1 + (1.0 - beta1)
    c2 = beta2 * c2 + (1.0 - beta2)
    update = scale * _mask(m, g) * (m / c1) / nonzero(math.sqrt(v / c2) + eps)
    return x - lr * (update + weight_decay * x), m, v, c1, c2


def _cautious_lion(
    g: float, lr: float, beta1: float, beta2: float, weight_decay: float, at_zero: float,
    x: float, m: float, scale: float = 1.0,
) -> Moments:  # fmt: skip
    c = beta1 * m + (1.0 - beta1) * g
    update = scale * _mask(c, g) * sign(c, at_zero)
    return x - lr * (update + weight_decay * x), beta2 * m + (1.0 - beta2) * g


def _cautious_sgdm(g: float, lr: float, momentum: float, x: float, m: float, scale: float = 1.0) -> Moments:
    m = momentum * m + g
    return x - lr * scale * _mask(m, g) * m, m


def _cautious(base: Optimizer, rule: Rule, mask: Rule, rescale: bool) -> Optimizer:
    """Return a base method with the rule that masks it."""
    rescaled = checks.flag("rescale", rescale)
    needs: dict[str, Any] = {"reductions": {"kept": total(mask)}, "once": _rescaled, "shared": ("scale",)}
    return Optimizer(
        f"Cautious {base.name}",
        rule,
        base.lr,
        base.hyper,
        rows=(*base.rows, "scale") if rescaled else base.rows,
        schedule=base.schedule,
        variant={"rescale": str(rescaled).lower()},
        paper="liang2024",
        **(needs if rescaled else {}),
    )


@family
def cautious_adamw(
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    *,
    rescale: bool = False,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Cautious AdamW (Liang et al. 2024, arXiv:2411.16085); the decay is not masked.

    Parameters
    ----------
    lr, beta1, beta2, eps, weight_decay : float
        As in `theory_sim.adamw`.
    rescale : bool
        Whether updates are multiplied by d/(k + 1), k of d coordinates being kept.
    schedule : Schedule
    """
    base = adamw(lr, beta1, beta2, eps, weight_decay, schedule=schedule)
    return _cautious(base, _cautious_adamw, _of_average, rescale)


@family
def cautious_lion(
    lr: float = 1e-4,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
    *,
    at_zero: float = 0.0,
    rescale: bool = False,
    schedule: Schedule = CONSTANT,
) -> Optimizer:
    """Cautious Lion (Liang et al. 2024, arXiv:2411.16085); the decay is not masked.

    Parameters
    ----------
    lr, beta1, beta2, weight_decay, at_zero : float
        As in `theory_sim.lion`; where the update or g is 0 nothing is kept.
    rescale : bool
        Whether updates are multiplied by d/(k + 1), k of d coordinates being kept.
    schedule : Schedule
    """
    base = lion(lr, beta1, beta2, weight_decay, at_zero=at_zero, schedule=schedule)
    return _cautious(base, _cautious_lion, _of_average, rescale)


@family
def cautious_sgdm(
    lr: float = 0.01, momentum: float = 0.9, *, rescale: bool = False, schedule: Schedule = CONSTANT
) -> Optimizer:
    """Cautious SGD with momentum, m = momentum m + g (Liang et al. 2024, arXiv:2411.16085).

    Parameters
    ----------
    lr, momentum : float
        As in `theory_sim.sgdm`.
    rescale : bool
        Whether updates are multiplied by d/(k + 1), k of d coordinates being kept.
    schedule : Schedule
    """
    return _cautious(sgdm(lr, momentum, schedule=schedule), _cautious_sgdm, _of_heavy_ball, rescale)


OPTIMIZERS = [cautious_adamw, cautious_lion, cautious_sgdm]
