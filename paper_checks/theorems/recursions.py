"""Exact factors of recursions on quadratics, linear programmes and sums: what they assume, and the number that follows.

Derivations: `counterexamples.newton`, `pdhg`, `normalization`, and below.

WTA-CRS.  A pair i drawn with p_i proportional to its size w_i adds a term of norm W = sum w_i, so that plain sampling has
the variance W^2 V/k, V = 1 - ||XY||^2/W^2 the variance of the terms of norm 1.  With C pairs of mass P kept it is
(1-P)^2 W^2 V'/(k - C), V' that of the others alone, and V >= (1-P) V' since the variance within a part counts with its mass.
"""

from __future__ import annotations

from counterexamples import normalization
from paper_checks.theorems.conditions import CONSTANT, EXACT_GRADIENTS, POSITIVE
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.optimizers.momentum import gd

NEWTON = Theorem(
    id="fu2023.residual",
    where="iterative Newton",
    statement="At an eigenvalue lam of S the residual 1 - lam m_k of iterative Newton squares in every step.",
    conditions=(
        Condition("alpha > 0", "positive start"),
        Condition("alpha*lam^2 < 2", "start below twice the inverse"),
    ),
    bound="(1 - alpha*lam^2)^(2^T)",
    quantity="residual",
    meaning={"alpha": "M_0 = alpha S", "lam": "eigenvalue of S = X^T X"},
)

PDHG = Theorem(
    id="applegate2021.local",
    where="no statement of the paper",
    statement="Near a nondegenerate vertex of a linear programme the distance shrinks by this factor per step, on average.",
    conditions=(Condition("step^2*s_max^2 < 4/3", "step below sqrt(4/3)/s_max"),),
    # the modulus falls up to a squared step of 1 and rises beyond, so an end decides
    bound="Max(sqrt(Max(1 - step^2*s_min^2, 0)), q - 1 + sqrt(Max(q*(q - 1), 0)))",
    quantity="factor",
    where_symbols={"q": "step^2*s_max^2"},
    meaning={
        "step": "tau = sigma",
        "s_max": "largest singular value of the columns of A in the support of the solution",
        "s_min": "smallest singular value of these columns",
    },
)

INNER = Theorem(
    id="chen2024aid.inner",
    where="Theorem 1, constant D_z",
    statement="K steps on the linear system of implicit differentiation leave this share of the error, attained along the "
    "flattest direction.",
    conditions=(
        Condition("mu > 0", "strongly convex lower level"),
        Condition("L*lr <= 1", "step of at most 1/L"),
    ),
    bound="(1 - mu*lr)^K",
    quantity="error",
    meaning={
        "K": "number of inner steps",
        "mu": "least curvature of the lower level",
        "L": "largest curvature of the lower level",
    },
)

WINNERS = Theorem(
    id="liu2023wtacrs.variance",
    where="variance of WTA-CRS",
    statement="Keeping the C likeliest pairs lowers the variance of column-row sampling if their mass exceeds C/k.",
    conditions=(Condition("P > C/k", "the kept pairs have more than their share"),),
    bound="V*k*(1 - P)/(k - C)",
    quantity="variance",
    meaning={
        "P": "probability of the kept pairs in plain sampling",
        "C": "number of pairs that are always taken",
        "k": "number of pairs taken in all",
        "V": "variance of plain sampling with k draws",
    },
)

GROWTH = Theorem(
    id="lyle2024.growth",
    where="growth of the parameters' norm",
    statement="Gradient descent on a scale-invariant function makes w longer in every step, by no more than this.",
    conditions=(POSITIVE, CONSTANT, EXACT_GRADIENTS, Condition("decay == 0", "no weight decay")),
    bound="sqrt(length_1^2 + lr^2*T*(1 - 1/condition)^2/(4*length_1^2))",
    quantity="length_max",
    meaning={
        "decay": "weight decay as a penalty",
        "condition": "largest over smallest eigenvalue of A",
        "length_1": "|w_1|",
    },
    own_problem=True,
    problem=normalization.rayleigh,
    optimizer=lambda: gd(1.0),
    run={"steps": 500},
)

THEOREMS = [NEWTON, PDHG, INNER, WINNERS, GROWTH]
