"""Theorems of Reddi, Kale, Kumar, "On the Convergence of Adam and Beyond" (ICLR 2018, arXiv:1904.09237).

Theorems 1, 2 and 6 share one argument, repeated here because its constants are ours.  A block starts with the
large slope: m_0 >= m_1 >= ... in a block, so x first falls and then rises.  If x = 1 at the start of a block
and the total displacement, projection aside, is not to the left, the projection ends the block at x = 1:
clamping at -1 only shortens the fall.  A block that starts at 1 costs at least 2 (C - (n-1)), and so in
proportion does a part of it.

Theorem 2.  With v_0 = m_0 = 0 and the condition on m, the m and v that a block inherits lie between 0 and
their periodic values, m <= 0 and v increasing.  Hence at k steps into a block that starts at step t, in units
of the small slope, m_k <= (1-beta1) C beta1^k - (1 - beta1^k), (1-beta2) C^2 beta2^k <= v_k <= 1 +
(C^2-1)(1-beta2) beta2^k/(1-beta2^n). The fall is at most lr_t (1-beta1)/(sqrt(1-beta2) (1-gamma)); the rise
is at least its part from k = h = floor(n/2) on, sum_{k>=h} lr_{t+k} mu/sqrt(w), and sum_{k>=h} lr_{t+k}/lr_t
is smallest at t = 1.

Theorem 6 at n = 3, beta1 = 0, in the same units, e = eps/small^2: the fall is at most lr_t C/sqrt((1-beta2)
C^2 + e), and the two rises are lr_{t+1}/sqrt(v_{t+1} + e) and lr_{t+2}/sqrt(v_{t+2} + e) with v exact in the
first block and, later, v_{t+1} <= 1 + beta2 (C^2-1), v_{t+2} <= 1 + beta2^2 (C^2-1); lr_{t+k}/lr_t increases
with t, so the first and the second block decide. Theorem 1 is e = 0: at s <= 1/2 both inequalities hold for
every C > 2 and beta2 <= 1/(1+C^2).
"""

from __future__ import annotations

import theory_sim as ts
from counterexamples import reddi
from paper_checks.theorems.conditions import (
    BETA1,
    BETA2,
    BOUNDED,
    CYCLIC,
    NO_EPS,
    NO_EPS_OUTSIDE,
    NO_MOMENTUM,
    NOT_GROWING,
    REST,
    ROOT,
    SUMMABLE,
    UNCORRECTED,
    VANISHING,
)
from paper_checks.theorems.values import DRIFT, drift_of
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.nouns.verdict import Verdict
from theory_sim.optimizers.adam import amsgrad
from theory_sim.optimizers.adaptive import adam_nc

SCHEDULE = ts.power(0.5)


def paper_adam(beta1: float, beta2: float, eps: float = 0.0) -> ts.Optimizer:
    """The paper's Adam at 0.5/sqrt(t): no bias correction, eps inside the root as in its eq. (3)."""
    return ts.adam(0.5, beta1, beta2, eps, bias_correction=False, eps_mode="inside", schedule=SCHEDULE)


_STARTS = Condition("x0 >= 1", "the start is the wrong corner, x_1 = 1")
_RATIO = Condition("ratio > n - 1", "the optimum is -1")
_THREE = Condition("n == 3", "period 3")
_UNIT_RATIO = Condition("ratio > 2", "the optimum is -1")
_ADAM = (*REST, *NO_EPS, UNCORRECTED)
_ASSUMES = ("The large slope comes first in a period, on the box [-1, 1].",)

THEOREM_1 = Theorem(
    id="reddi2018.thm1",
    where="Theorem 1, and its proof for every beta2 below the one stated",
    statement="On slopes (C, -1, -1) Adam with beta1 = 0 and a small beta2 is at the wrong corner at the "
    "start of every block of three, so that its average regret does not vanish.",
    conditions=(
        _THREE,
        _UNIT_RATIO,
        NO_MOMENTUM,
        Condition("beta2 <= 1/(1 + ratio^2)", "beta2 at most 1/(1+C^2)"),
        Condition("s <= 1/2", "the step size falls at most like 1/sqrt(t)"),
        _STARTS,
        CYCLIC,
        *_ADAM,
    ),
    bound="small*(2*ratio - 4)/3",
    side="lower",
    quantity="regret_mean",
    assumes=_ASSUMES,
    problem=lambda: reddi.periodic(3.0, period=3, x0=1.0),
    own_problem=True,
    optimizer=lambda: paper_adam(0.0, 0.1),
    run={"steps": 3_000},
)

THEOREM_2 = Theorem(
    id="reddi2018.thm2",
    where="Theorem 2, with explicit conditions of our own",
    statement="For every beta1 < sqrt(beta2) there is a C for which Adam on the period-C problem is at the "
    "wrong corner at the start of every period; the last condition says how large.",
    conditions=(
        BOUNDED,
        _RATIO,
        SUMMABLE,
        _STARTS,
        CYCLIC,
        *_ADAM,
        Condition(
            "(1 - beta1)*ratio*beta1^(n - 1) <= 1 - beta1^(n - 1)",
            "m forgets the large slope within a period",
        ),
        Condition("rise >= fall", "the small slopes carry x back within a period"),
    ),
    bound="2*small*(ratio - n + 1)/n",
    side="lower",
    quantity="regret_mean",
    where_symbols={
        "gamma": "beta1/sqrt(beta2)",
        "h": "floor(n/2)",
        "fall": "(1 - beta1)/(sqrt(1 - beta2)*(1 - gamma))",
        "mu": "1 - beta1^h*(1 + (1 - beta1)*ratio)",
        "w": "1 + (ratio^2 - 1)*(1 - beta2)*beta2^h/(1 - beta2^n)",
        "rise": "((n + 1)^(1 - s) - (h + 1)^(1 - s))/(1 - s)*mu/sqrt(w)",
    },
    assumes=_ASSUMES,
    problem=lambda: reddi.periodic(200.0, x0=1.0),
    own_problem=True,
    optimizer=lambda: paper_adam(0.0, 0.9),
    run={"steps": 20_000},
)

THEOREM_2_EXACT = Theorem(
    id="reddi2018.thm2_exact",
    where="Theorem 2, exact for vanishing steps",
    statement="Adam on the period-C problem ends at the wrong corner if its drift over a period points "
    "there.",
    conditions=(
        BOUNDED,
        _RATIO,
        Condition("drift < 0", "the drift over a period is negative"),
        *VANISHING,
        CYCLIC,
        *NO_EPS,
    ),
    quantity="verdict",
    verdict=Verdict.DIVERGED,
    meaning=DRIFT,
    assumes=_ASSUMES,
    problem=lambda: reddi.periodic(21.0),
    own_problem=True,
    covers=("bias_correction",),
    optimizer=lambda: paper_adam(0.0, 0.97),
    run={"steps": 100_000},
    values=drift_of,
)


THEOREM_3 = Theorem(
    id="reddi2018.thm3",
    where="Theorem 3, with the constants of a machine-checked proof",
    statement="If the slope C is drawn with probability (1+delta)/(C+1), else -1, and C is large, the "
    "expected step never points to the optimum: the expected suboptimality never falls below that of the "
    "start.",
    conditions=(
        BOUNDED,
        Condition("slope > 0", "the optimum is -1"),
        Condition("domain == 0", "the iterate is not confined"),
        Condition("workers == 1", "one slope per step"),
        Condition("C/small >= 2*(1 + delta)", "C at least 2 (1 + delta)"),
        Condition(
            "C/small >= 4*(1 + delta)^3*B^2/(1 - beta1)^2", "C at least 4 (1 + delta)^3 B^2/(1-beta1)^2"
        ),
        *_ADAM,
    ),
    bound="slope*(1 + x0)",
    side="lower",
    quantity="gap_mean",
    where_symbols={
        "delta": "slope/small",
        "gamma": "beta1/sqrt(beta2)",
        "K": "2*(1 - beta1)/sqrt(beta2*(1 - beta2))",
        "B": "1/sqrt(1 - beta2) + beta1*K/(1 - gamma)",
    },
    meaning={"C": "large slope"},
    assumes=("Slopes are independent.", "In expectation over the slopes."),
    constants="read",
    problem=lambda: reddi.stochastic(320.0, delta=1.0, domain=False),
    own_problem=True,
    optimizer=lambda: paper_adam(0.0, 0.9),
    run={"steps": 200, "seeds": 1_000},
)

_ONLINE = (
    ROOT,
    BETA1,
)
_INSIDE = Condition("Abs(x0) <= D_inf/2", "the start is in the box")
_AMSGRAD = (
    *BETA2,
    BOUNDED,
    *NO_EPS,
)
_DECAYING = Condition("decay < 1", "beta1_t decays geometrically")
_CONVEX = (
    "Every loss is convex on a box of l_inf diameter D_inf.",
    "Regret against any fixed point of the box.",
)
_DATA = {
    "roots": "sum over coordinates of sqrt(vhat_T) (AMSGrad) or sqrt(v_T) (AdamNC)",
    "weighted": "sum over t and coordinates of beta1_t sqrt(vhat_t)/lr_t",
    "norms": "sum over coordinates of the l_2 norm of the gradients 1 ... T",
}

THEOREM_4 = Theorem(
    id="reddi2018.thm4",
    where="Theorem 4, revised: second coefficient D^2/(1-beta1)^2, where the 2018 text has D^2/(2 (1-beta1))",
    statement="The average regret of AMSGrad with 0 <= beta1_t <= beta1 is at most a sum of three terms that "
    "the gradients seen determine.",
    conditions=(*_ONLINE, *_AMSGRAD, _INSIDE),
    bound="(D_inf^2*sqrt(T)/(lr*(1 - beta1))*roots + D_inf^2/(1 - beta1)^2*weighted"
    " + lr*sqrt(1 + log(T))/((1 - beta1)^2*(1 - gamma)*sqrt(1 - beta2))*norms)/T",
    quantity="regret_mean",
    where_symbols={"gamma": "beta1/sqrt(beta2)"},
    meaning=_DATA,
    assumes=_CONVEX,
    constants="read",
    problem=lambda: reddi.periodic(10.0, x0=1.0),
    optimizer=lambda: amsgrad(0.5, 0.9, 0.99, decay=0.99, schedule=SCHEDULE),
    run={"steps": 1_000},
)

COROLLARY_1 = Theorem(
    id="reddi2018.cor1",
    where="Corollary 1, with the factor d/alpha that its second term lacks in print, and vhat <= G^2",
    statement="With beta1_t = beta1 lambda^(t-1) the average regret of AMSGrad is of order sqrt(log T/T).",
    conditions=(*_ONLINE, *_AMSGRAD, _DECAYING, _INSIDE),
    bound="(d*D_inf^2*G*sqrt(T)/(lr*(1 - beta1)) + d*beta1*D_inf^2*G/(lr*(1 - beta1)^2*(1 - decay)^2)"
    " + d*lr*G*sqrt(T*(1 + log(T)))/((1 - beta1)^2*(1 - gamma)*sqrt(1 - beta2)))/T",
    quantity="regret_mean",
    where_symbols={"gamma": "beta1/sqrt(beta2)"},
    assumes=_CONVEX,
    constants="read",
    problem=lambda: reddi.periodic(10.0, x0=1.0),
    optimizer=lambda: amsgrad(0.5, 0.5, 0.9, decay=0.5, schedule=SCHEDULE),
    run={"steps": 100_000},
)

_MEAN_OF_SQUARES = (Condition("c == 1", "beta2_t = 1 - 1/t^r"), Condition("r == 1", "beta2_t = 1 - c/t"))
_CONDITIONS = {
    "zeta": "constant of condition 1",
    "slack": "smallest sqrt(v_t)/lr_t - norm(g_1 ... g_t)/zeta, over t and coordinates",
    "growth": "smallest increase of sqrt(v_t)/lr_t, over t and coordinates",
}

THEOREM_5 = Theorem(
    id="reddi2018.thm5",
    where="Theorem 5, with condition 1 at alpha_t, which the proof uses, where the text prints alpha_T",
    statement="The average regret of Adam with varying beta2_t, if sqrt(v_t)/lr_t does not fall and exceeds "
    "the norm of the gradients over zeta, is at most a sum of three terms that the gradients seen determine.",
    conditions=(
        *_ONLINE,
        _INSIDE,
        Condition("zeta > 0", "zeta is positive"),
        Condition("slack >= 0", "condition 1, at every t"),
        Condition("growth >= 0", "condition 2"),
    ),
    bound="(D_inf^2*sqrt(T)/(2*lr*(1 - beta1))*roots + D_inf^2/(1 - beta1)^2*weighted"
    " + 2*zeta/(1 - beta1)^3*norms)/T",
    quantity="regret_mean",
    meaning={**_CONDITIONS, **_DATA},
    assumes=_CONVEX,
    constants="read",
    problem=lambda: reddi.periodic(10.0, x0=1.0),
    optimizer=lambda: adam_nc(0.5, 0.9, decay=0.99, schedule=SCHEDULE),
    run={"steps": 1_000},
)

COROLLARY_2 = Theorem(
    id="reddi2018.cor2",
    where="Corollary 2, with the factor d/alpha that its second term lacks in print, zeta = alpha, and v <= "
    "G^2",
    statement="With beta2_t = 1 - 1/t and beta1_t = beta1 lambda^(t-1) the average regret of AdamNC is of "
    "order 1/sqrt(T).",
    conditions=(*_ONLINE, *_MEAN_OF_SQUARES, _DECAYING, _INSIDE),
    bound="(d*G*sqrt(T)*(D_inf^2/(2*lr*(1 - beta1)) + 2*lr/(1 - beta1)^3)"
    " + d*beta1*D_inf^2*G/(lr*(1 - beta1)^2*(1 - decay)^2))/T",
    quantity="regret_mean",
    assumes=_CONVEX,
    constants="read",
    problem=lambda: reddi.periodic(10.0, x0=1.0),
    optimizer=lambda: adam_nc(0.5, 0.5, decay=0.5, schedule=SCHEDULE),
    run={"steps": 100_000},
)

THEOREM_6 = Theorem(
    id="reddi2018.thm6",
    where="Theorem 6, with explicit conditions of our own",
    statement="No eps under the root repairs Adam: it fails on slopes (C, -1, -1) that are large compared "
    "with sqrt(eps).",
    conditions=(
        _THREE,
        _UNIT_RATIO,
        NO_MOMENTUM,
        NOT_GROWING,
        _STARTS,
        CYCLIC,
        *REST,
        NO_EPS_OUTSIDE,
        UNCORRECTED,
        Condition(
            "(1/2)^s/sqrt((1 - beta2)*(1 + beta2*ratio^2) + e) + (1/3)^s/sqrt((1 - beta2)*(1 + beta2 + "
            "beta2^2*ratio^2) + e) >= fall",
            "x returns in the first block",
        ),
        Condition(
            "(4/5)^s/sqrt(1 + beta2*(ratio^2 - 1) + e) + (2/3)^s/sqrt(1 + beta2^2*(ratio^2 - 1) + e) >= fall",
            "x returns in every later block",
        ),
    ),
    bound="small*(2*ratio - 4)/3",
    side="lower",
    quantity="regret_mean",
    where_symbols={"e": "eps_inside/small^2", "fall": "ratio/sqrt((1 - beta2)*ratio^2 + e)"},
    assumes=_ASSUMES,
    problem=lambda: reddi.rescaled(1.0),
    own_problem=True,
    families=(reddi.periodic,),
    optimizer=lambda: paper_adam(0.0, 0.01, 1.0),
    run={"steps": 3_000},
)

THEOREMS = [
    THEOREM_1,
    THEOREM_2,
    THEOREM_2_EXACT,
    THEOREM_3,
    THEOREM_4,
    COROLLARY_1,
    THEOREM_5,
    COROLLARY_2,
    THEOREM_6,
]
