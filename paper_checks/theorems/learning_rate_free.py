"""What D-Adaptation and Prodigy know of D, the distance from the start x_0 to a minimiser x*.

Let f be convex and g_k a subgradient at x_k; w_k = d_k for D-Adaptation and d_k^2 for Prodigy, and s_{n+1} = sum w_k g_k.

    0 <= sum w_k (f(x_k) - f*) <= sum w_k <g_k, x_k - x*> <= D |s_{n+1}| - sum w_k <g_k, x_0 - x_k>.        (1)

Prodigy's estimate is the last sum over |s_{n+1}|, so it is at most D.  For D-Adaptation x_0 - x_k = gamma_k s_k, and

    gamma_k d_k <g_k, s_k> = gamma_k (|s_{k+1}|^2 - |s_k|^2 - d_k^2 |g_k|^2)/2,

whose sum is at least (gamma_{n+1} |s_{n+1}|^2 - sum gamma_k d_k^2 |g_k|^2)/2 if gamma does not grow; the estimate is
this over |s_{n+1}|.  Neither argument needs a bound on the gradients, and both need all of convexity.
"""

from __future__ import annotations

from counterexamples import lipschitz
from paper_checks.theorems.conditions import CONVEX, EXACT_GRADIENTS, NOT_GROWING
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.optimizers.learning_rate_free import dadaptation, prodigy

_BELOW = Condition("d0 <= distance_1", "the first estimate is not above D")

D_ADAPTATION = Theorem(
    id="defazio2023dadaptation.estimate",
    where="dual averaging, estimate of D",
    statement="On a convex function with exact subgradients no estimate of D-Adaptation exceeds D.",
    conditions=(CONVEX, EXACT_GRADIENTS, NOT_GROWING, _BELOW),
    bound="distance_1",
    quantity="estimate_max",
    problem=lipschitz.absolute,
    optimizer=dadaptation,
    run={"steps": 1000},
)

PRODIGY = Theorem(
    id="mishchenko2023prodigy.estimate",
    where="dual averaging, estimate of D",
    statement="On a convex function with exact subgradients no estimate of Prodigy exceeds D.",
    conditions=(CONVEX, EXACT_GRADIENTS, _BELOW),
    bound="distance_1",
    quantity="estimate_max",
    problem=lipschitz.absolute,
    optimizer=prodigy,
    run={"steps": 1000},
)

THEOREMS = [D_ADAPTATION, PRODIGY]
