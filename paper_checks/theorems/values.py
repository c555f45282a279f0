"""Symbols of theorems that neither a problem nor an optimizer names."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from counterexamples import reddi, zhang
from counterexamples.drift import drift
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.optimizers.momentum import gd, sgd, sgdm

DRIFT = {"drift": "D(beta1, beta2; n, ratio), left out where rounding hides its sign"}
# Terms of the drift are at most of the size of abs(m)/sqrt(v) <= C; each carries a few roundings.
_ROUNDING = 8.0 * float(np.finfo(float).eps)


def first_weight(optimizer: Optimizer) -> float | None:
    """Return beta1, 0 for an optimizer that only has beta2; None if it has neither."""
    if "beta1" in optimizer.hyper:
        return optimizer.hyper["beta1"]
    return 0.0 if "beta2" in optimizer.hyper else None


def heavy_ball(optimizer: Optimizer) -> dict[str, float | Fraction]:
    """Return alpha, momentum and m0 of x_{t+1} = x_t - alpha g_t + momentum (x_t - x_{t-1}), if known."""
    if optimizer.family in (gd, sgd):
        return {"alpha": optimizer.lr, "momentum": 0.0, "m0": 0.0}
    if optimizer.family is not sgdm:
        return {}
    lr, momentum = (Fraction(str(value)) for value in (optimizer.lr, optimizer.hyper["momentum"]))
    return {"alpha": lr * (1 - momentum) if optimizer.variant["convention"] == "ema" else lr}


def one_large(problem: Problem) -> bool:
    """Return whether one component gradient of n is large and the others are equal and of the other sign."""
    return problem.gradient in (reddi.periodic_gradient, zhang.piecewise_gradient)


def drift_of(problem: Problem, optimizer: Optimizer) -> Mapping[str, float]:
    """Return ``drift``, D(beta1, beta2; n, C) of `counterexamples.drift`.

    It is left out, so that a theorem is UNDECIDED, if a fact is missing, the gradients are of another form,
    or rounding could hide its sign.
    """
    beta1, beta2 = first_weight(optimizer), optimizer.hyper.get("beta2")
    if beta1 is None or beta2 is None or not {"n", "ratio"} <= problem.facts.keys() or not one_large(problem):
        return {}
    n, C = int(problem.facts["n"]), float(problem.facts["ratio"])
    value = float(drift(beta1, beta2, n, C))
    return {"drift": value} if abs(value) > _ROUNDING * n * max(C, 1.0) else {}
