"""What D-Adaptation and Prodigy know of D, the distance from the start x_0 to a minimiser x*.

Let f be convex and g_k a subgradient at x_k; w_k = d_k for D-Adaptation and d_k^2 for Prodigy, and s_{n+1} = sum w_k g_k.

    0 <= sum w_k (f(x_k) - f*) <= sum w_k <g_k, x_k - x*> <= D |s_{n+1}| - sum w_k <g_k, x_0 - x_k>.        (1)

Prodigy's estimate is the last sum over |s_{n+1}|, so it is at most D.  For D-Adaptation x_0 - x_k = gamma_k s_k, and

    gamma_k d_k <g_k, s_k> = gamma_k (|s_{k+1}|^2 - |s_k|^2 - d_k^2 |g_k|^2)/2,

whose sum is at least (gamma_{n+1} |s_{n+1}|^2 - sum gamma_k d_k^2 |g_k|^2)/2 if gamma does not grow; the estimate is
this over |s_{n+1}|.  Neither argument needs a bound on the gradients, and both need all of convexity.

(1) over sum w_k also bounds the gap of the average by sums that a run keeps.  For DoG, with r the distance walked, R the largest
distance from x* and G_k = sum_{i<=k} |g_i|^2,

    r_k <g_k, x_k - x*> = sqrt(G_k) (R_k^2 - R_{k+1}^2)/2 + r_k^2 |g_k|^2/(2 sqrt(G_k)).

Sum by parts: at most sqrt(G) (max R_k^2 - R_n^2)/2 <= 2 sqrt(G) r R, since all x_k are within r of x_0, and r^2 sqrt(G); and
R <= D + r.
"""

from __future__ import annotations

from counterexamples import lipschitz
from paper_checks.theorems.conditions import CONSTANT, CONVEX, EXACT_GRADIENTS, NOT_GROWING
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

_SUMS = {
    "length": "|s|, the norm of the weighted sum of gradients",
    "weight": "sum of the weights of the average",
}

D_ADAPTATION_GAP = Theorem(
    id="defazio2023dadaptation.gap",
    where="dual averaging, bound on the gap",
    statement="The gap of D-Adaptation's average is at most what its own sums and D say.",
    conditions=(CONVEX, EXACT_GRADIENTS, CONSTANT),
    bound="(distance_1*length + penalty/2 - lr*length^2/(2*sqrt(G^2 + squares)))/weight",
    quantity="gap_of_average",
    meaning={
        **_SUMS,
        "penalty": "sum gamma_k d_k^2 |g_k|^2",
        "squares": "sum of |g_k|^2",
        "G": "bound on the norm of the gradients that the method is told, 0 for none",
    },
)

PRODIGY_GAP = Theorem(
    id="mishchenko2023prodigy.gap",
    where="dual averaging, bound on the gap",
    statement="The gap of Prodigy's average is at most what its own sums and D say.",
    conditions=(CONVEX, EXACT_GRADIENTS),
    bound="(distance_1*length - numerator)/weight",
    quantity="gap_of_average",
    meaning={**_SUMS, "numerator": "sum d_k^2 <g_k, x_0 - x_k>"},
)

DOG_GAP = Theorem(
    id="ivgi2023dog.gap",
    where="weighted regret",
    statement="The gap of DoG's average with the distances as weights is at most what its own sums and D say.",
    conditions=(
        CONVEX,
        EXACT_GRADIENTS,
        CONSTANT,
        Condition("lr == 1", "steps of DoG itself"),
        Condition("decay == 0", "the distances as weights"),
    ),
    bound="reach*(2*distance_1 + 3*reach)*sqrt(eps + squares)/weight",
    quantity="gap_of_average",
    meaning={
        "reach": "largest distance walked from the start, that of the last iterate too",
        "squares": "sum of |g_k|^2",
        "eps": "added to that sum",
        "weight": "sum of the distances",
        "decay": "exponent of the polynomial-decay average, 0 for the distances as weights",
    },
)

THEOREMS = [D_ADAPTATION, D_ADAPTATION_GAP, PRODIGY, PRODIGY_GAP, DOG_GAP]
