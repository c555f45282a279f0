"""Theorems of Shi, Li, Hong, Sun, "RMSProp converges with proper hyper-parameter" (ICLR 2021).

Theorems 4.1 to 4.4 hide the constants of their rates; what can be decided are their conditions and whether a
run converges.  `FULL_BATCH_RATE` has constants of our own, under bounded gradients.  With v_0 = 0 and m = g,
coordinate by coordinate, g_t^2/v_t <= 1/(1-beta2) and v_t <= G^2, so the descent lemma gives f(x_{t+1}) <=
f(x_t) - (lr_t/G) ||g_t||^2 + lr_t^2 L d/(2 (1-beta2)).  Sum over t <= T, with lr_t = lr t^-s >= lr T^-s and
t^(-2s) <= T^max(1-2s, 0)/t, and sum 1/t <= 1 + log T.
"""

from __future__ import annotations

from collections.abc import Mapping

import theory_sim as ts
from counterexamples import shi, smooth, zhang
from paper_checks.theorems.conditions import (
    BETA2,
    BETA2_BELOW_ONE,
    BOUNDED,
    CYCLIC,
    EXACT_GRADIENTS,
    NO_EPS,
    NO_MOMENTUM,
    NOT_GROWING,
    RESHUFFLED,
    REST,
    ROOT,
    STRONG_GROWTH,
    UNCORRECTED,
    VANISHING,
)
from paper_checks.theorems.values import first_weight, one_large
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.nouns.verdict import Verdict

# v_0 = max_j g_j(x_1)^2, that is 100 (x-a)^2 where the appendix code has 100 (x-a)^2 + 10 (x - 10a/9)^2.
QUADRATICS = ts.rmsprop(lr=0.1, beta2=0.999, v0="max_square", schedule=ts.power(0.5))


def _symbols(problem: Problem, optimizer: Optimizer) -> Mapping[str, float]:
    """Return beta1, bias_correction and m0 where the method fixes them, D1 for f = sum, and the period."""
    found: dict[str, float] = {}
    beta1 = first_weight(optimizer)
    if beta1 is not None:
        found["beta1"] = beta1
    if "beta2" in optimizer.hyper:
        found["bias_correction"] = float(optimizer.arguments.get("bias_correction", False))
    if optimizer.family is ts.rmsprop:
        found["m0"] = 0.0
    if {"n", "D1"} <= problem.facts.keys():
        found["D1_sum"] = problem.facts["D1"] / problem.facts["n"] ** 2
    if one_large(problem) and "n" in problem.facts:
        found["period"] = problem.facts["n"]
    return found


_SMOOTH = ("f is bounded below and every component has an L-Lipschitz gradient.",)

THEOREM_41 = Theorem(
    id="shi2021.thm41",
    where="Theorem 4.1",
    statement="With full gradients RMSProp converges for every beta2 in (0, 1).",
    conditions=(EXACT_GRADIENTS, NO_MOMENTUM, *BETA2, ROOT, *REST),
    quantity="verdict",
    verdict=Verdict.CONVERGED,
    assumes=_SMOOTH,
    constants="read",
    problem=smooth.quadratic,
    optimizer=lambda: ts.rmsprop(lr=0.1, beta2=0.5, schedule=ts.power(0.5)),
    run={"steps": 10_000},
    values=_symbols,
)

THEOREM_41_RATE = Theorem(
    id="shi2021.thm41_rate",
    where="Theorem 4.1, with constants of our own under bounded gradients",
    statement="With full gradients bounded by G, the average squared gradient norm of RMSProp is of order "
    "log T/sqrt(T) for every beta2.",
    conditions=(
        EXACT_GRADIENTS,
        NO_MOMENTUM,
        Condition("v0 >= 0", "v starts at 0 or above"),
        Condition("v0 <= G^2", "v starts at G^2 or below"),
        BETA2_BELOW_ONE,
        NOT_GROWING,
        *NO_EPS,
        UNCORRECTED,
    ),
    bound="G/(lr*T^(1 - s))*(gap_1 + L*d*lr^2*T^Max(1 - 2*s, 0)*(1 + log(T))/(2*(1 - beta2)))",
    quantity="gradient_square_mean",
    assumes=_SMOOTH,
    problem=lambda: smooth.logcosh(4, 0.0),
    optimizer=lambda: ts.rmsprop(lr=0.1, beta2=0.5, schedule=ts.power(0.5)),
    run={"steps": 100_000},
    values=_symbols,
)

THEOREM_42 = Theorem(
    id="shi2021.thm42",
    where="Theorem 4.2",
    statement="With full gradients Adam converges for every beta1 < sqrt(beta2).",
    conditions=(EXACT_GRADIENTS, BOUNDED, *BETA2, ROOT, *REST),
    quantity="verdict",
    verdict=Verdict.CONVERGED,
    assumes=_SMOOTH,
    constants="read",
    problem=smooth.quadratic,
    optimizer=lambda: ts.adam(0.1, 0.6, 0.5, 0.0, bias_correction=False, schedule=ts.power(0.5)),
    run={"steps": 10_000},
    values=_symbols,
)

_T2 = "sqrt(5*d/beta2^n)*d*n^2*D1_sum*((1 - beta2)*(4*n^2/beta2^n - 1)/2 + beta2^(-n/2) - 1)"

THEOREM_43 = Theorem(
    id="shi2021.thm43",
    where="Theorem 4.3 and Corollary 4.1",
    statement="Reshuffled RMSProp converges under strong growth if beta2 is close enough to 1.",
    conditions=(
        RESHUFFLED,
        NO_MOMENTUM,
        *BETA2,
        STRONG_GROWTH,
        ROOT,
        Condition("T2 <= (sqrt(2) - 1)/(2*sqrt(2))", "T_2(beta2) at most (sqrt 2 - 1)/(2 sqrt 2)"),
    ),
    quantity="verdict",
    verdict=Verdict.CONVERGED,
    where_symbols={"T2": _T2},
    assumes=(*_SMOOTH, "In the long run: v forgets v_0 in 1/(1-beta2) steps."),
    constants="read",
    problem=zhang.quadratics,
    optimizer=lambda: QUADRATICS.replace(lr=0.01, beta2=1.0 - 1e-8),
    run={"steps": 20_000, "order": "reshuffled"},
    values=_symbols,
)

THEOREM_44 = Theorem(
    id="shi2021.thm44",
    where="Theorem 4.4",
    statement="Reshuffled Adam converges under strong growth if beta2 is close enough to 1 and beta1 to 0.",
    conditions=(
        RESHUFFLED,
        BOUNDED,
        *BETA2,
        STRONG_GROWTH,
        ROOT,
        Condition("T1 + T2 < 1 - 1/sqrt(2)", "T_1 + T_2 below 1 - 1/sqrt 2"),
    ),
    quantity="verdict",
    verdict=Verdict.CONVERGED,
    where_symbols={
        "T1": "sqrt(5*d/beta2^n)*d*n^2*D1_sum*beta1/beta2^n*((1 - beta1)/(1 - beta1^n) + 1)",
        "T2": _T2,
    },
    assumes=(*_SMOOTH, "In the long run: v forgets v_0 in 1/(1-beta2) steps."),
    constants="read",
    problem=zhang.quadratics,
    optimizer=lambda: ts.adam(
        0.01, 1e-6, 1.0 - 1e-8, 0.0, bias_correction=False, v0="max_square", schedule=ts.power(0.5)
    ),
    run={"steps": 20_000, "order": "reshuffled"},
    values=_symbols,
)

DIVERGENCE = Theorem(
    id="shi2021.divergence",
    where="Section 1, the divergence bound of Reddi et al. as quoted there",
    statement="RMSProp ends at the wrong corner of the period-C problem for beta2 up to an explicit bound.",
    conditions=(
        Condition("period == ratio", "one large slope C in a period of C"),
        NO_MOMENTUM,
        Condition("beta2 >= 0", "beta2 at least 0"),
        Condition("beta2 <= ratio^(-4/(ratio - 2))", "beta2 at most C^(-4/(C-2))"),
        Condition("beta2 <= 1 - (9/(2*ratio))^2", "beta2 at most 1 - (9/(2C))^2"),
        *VANISHING,
        CYCLIC,
        *REST,
        *NO_EPS,
        UNCORRECTED,
    ),
    quantity="verdict",
    verdict=Verdict.DIVERGED,
    meaning={"period": "period of slopes with one large one"},
    constants="read",
    problem=lambda: shi.periodic(10),
    own_problem=True,
    optimizer=lambda: ts.rmsprop(lr=1.0, beta2=0.3, schedule=ts.power(0.5)),
    run={"steps": 10_000},
    values=_symbols,
)

THEOREMS = [THEOREM_41, THEOREM_41_RATE, THEOREM_42, THEOREM_43, THEOREM_44, DIVERGENCE]
