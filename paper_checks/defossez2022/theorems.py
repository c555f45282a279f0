"""Theorems of Defossez, Bottou, Bach, Usunier, "A simple convergence proof of Adam and Adagrad"
(arXiv:2003.02395).

Theorem 2 is derived in `paper_checks.defossez2022.claims`.  Theorem 1 (Adagrad) follows from the same four
steps with beta2 = 1 and alpha_n = alpha: eps + w_n <= n R^2, so that alpha/sqrt(eps + w_n) >= alpha/(R
sqrt(N)), and the sum of u_n^2 is at most log(1 + v_N/eps) <= log(1 + N R^2/eps).  Here eps is the initial v
of Adagrad in the sum form.
"""

from __future__ import annotations

import theory_sim as ts
from counterexamples import smooth
from paper_checks.theorems.conditions import BETA2, BETA2_BELOW_ONE, CONSTANT, EPS, UNBIASED
from theory_sim.nouns.theorem import Condition, Theorem

_ASSUMES = (
    "F is bounded below; stochastic gradients are bounded by G in every coordinate.",
    "In expectation over the gradients.",
)

THEOREM_1 = Theorem(
    id="defossez2022.thm1",
    where="Theorem 1 (Adagrad without momentum)",
    statement="The expected squared gradient norm of Adagrad, averaged over the path, is of order d log "
    "N/sqrt(N).",
    conditions=(
        Condition("v0 > 0", "eps above 0"),
        Condition("eps == 0", "nothing added to the root"),
        CONSTANT,
        UNBIASED,
    ),
    bound="2*R*gap_1/(lr*sqrt(T)) + d*R*(4*R + lr*L)*log(1 + T*R^2/v0)/sqrt(T)",
    quantity="gradient_square_mean",
    where_symbols={"R": "G + sqrt(v0)"},
    meaning={"eps": "eps added to the root", "v0": "initial v, the eps of the theorem"},
    assumes=_ASSUMES,
    problem=lambda: smooth.logcosh(4, 1.0),
    optimizer=lambda: ts.adagrad(lr=0.1, v0=1e-8),
    run={"steps": 20_000, "seeds": 8},
)

THEOREM_2 = Theorem(
    id="defossez2022.thm2",
    where="Theorem 2 (Adam without momentum)",
    statement="The expected squared gradient norm of Adam without momentum, averaged over the path, is at "
    "most a term that vanishes like 1/N and one that vanishes with log(1/beta2) and lr.",
    conditions=(
        *BETA2,
        EPS,
        CONSTANT,
        UNBIASED,
    ),
    bound="2*R*gap_1/(lr*T) + (4*d*R^2/sqrt(1 - beta2) + lr*d*R*L/(1 - beta2))"
    "*(log(1 + R^2/((1 - beta2)*eps))/T - log(beta2))",
    quantity="gradient_square_mean",
    where_symbols={"R": "G + sqrt(eps)"},
    assumes=_ASSUMES,
    problem=lambda: smooth.logcosh(4, 1.0),
    optimizer=lambda: ts.accumulating_adam(lr=0.01, beta2=0.9999),
    run={"steps": 20_000, "seeds": 8},
)

THEOREM_4 = Theorem(
    id="defossez2022.thm4",
    where="Theorem 4 (Adam with momentum), constants as we recall them; tau is weighted by 1 - beta1^(N-j)",
    statement="With momentum the bound of Theorem 2 grows by a factor 1/(1 - beta1).",
    conditions=(
        Condition("beta1 >= 0", "beta1 at least 0"),
        Condition("beta1 < beta2", "beta1 below beta2"),
        BETA2_BELOW_ONE,
        EPS,
        Condition("T > beta1/(1 - beta1)", "more steps than the memory of m"),
        CONSTANT,
        UNBIASED,
    ),
    bound="2*R*gap_1/(lr*N) + E*(log(1 + R^2/((1 - beta2)*eps)) - T*log(beta2))/N",
    quantity="gradient_square_mean",
    where_symbols={
        "R": "G + sqrt(eps)",
        "N": "T - beta1/(1 - beta1)",
        "q": "1 - beta1/beta2",
        "E": "lr*d*R*L*(1 - beta1)/(q*(1 - beta2)) + 12*d*R^2*sqrt(1 - beta1)/(q^(3/2)*sqrt(1 - beta2))"
        " + 2*lr^2*d*L^2*beta1/(q*(1 - beta2)^(3/2))",
    },
    assumes=_ASSUMES,
    constants="recalled",
)

THEOREMS = [THEOREM_1, THEOREM_2, THEOREM_4]
