"""Symbols of theorems that neither a problem nor an optimizer names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from counterexamples import reddi, zhang
from counterexamples.drift import drift
from theory_sim.optimizer import Optimizer
from theory_sim.problem import Problem
from theory_sim.theorem import Condition

# Terms of the drift are at most of the size of abs(m)/sqrt(v) <= C; each carries a few roundings.
_ROUNDING = 8.0 * float(np.finfo(float).eps)

UNCORRECTED = (
    Condition("bias_correction <= 0", "no bias correction"),
    Condition("eps_outside <= 0", "no eps outside the root"),
)
EXACT = Condition("stochastic <= 0", "exact gradients")
UNBIASED = Condition("unbiased >= 1", "unbiased gradients, independent given x_t")
CYCLIC = Condition("cyclic >= 1", "components in cyclic order")
RESHUFFLED = Condition("reshuffled >= 1", "reshuffled components")
RUN_MEANING = {
    "stochastic": "0 if every step sees the gradient of the objective, 1 if it is drawn or that of a part",
    "unbiased": "1 if the gradient of a step is that of the objective in expectation, given x_t, 0 if not",
    "cyclic": "1 if components come in cyclic order, 0 if not",
    "reshuffled": "1 if every epoch is a random permutation of the components, 0 if not",
}
NO_EPS = (Condition("eps_inside <= 0", "no eps inside the root"),)


def first_weight(optimizer: Optimizer) -> float | None:
    """Return beta1, 0 for an optimizer that only has beta2; None if it has neither."""
    if "beta1" in optimizer.hyper:
        return optimizer.hyper["beta1"]
    return 0.0 if "beta2" in optimizer.hyper else None


def one_large(problem: Problem) -> bool:
    """Return whether one component gradient of n is large and the others are equal and of the other sign."""
    return problem.gradient in (reddi.periodic_gradient, zhang.piecewise_gradient)


def drift_of(problem: Problem, optimizer: Optimizer) -> Mapping[str, float]:
    """Return ``drift``, D(beta1, beta2; n, C) of `counterexamples.drift`.

    It is left out, so that a theorem is UNDECIDED, if a fact is missing, the gradients are of another form, or rounding could
    hide its sign.
    """
    beta1, beta2 = first_weight(optimizer), optimizer.hyper.get("beta2")
    if beta1 is None or beta2 is None or not {"n", "ratio"} <= problem.facts.keys() or not one_large(problem):
        return {}
    n, C = int(problem.facts["n"]), float(problem.facts["ratio"])
    value = float(drift(beta1, beta2, n, C))
    return {"drift": value} if abs(value) > _ROUNDING * n * max(C, 1.0) else {}
