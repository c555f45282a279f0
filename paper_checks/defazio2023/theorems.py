"""Theorems on the last iterate, of Defazio, Cutkosky, Mehta, Mishchenko (arXiv:2310.07831) and Harvey and
others.

The bounds are derived here from two facts.  For z_{t+1} = z_t - w_t g_t,

    sum_t w_t <g_t, z_t - u> <= (||z_1 - u||^2 + sum_t w_t^2 ||g_t||^2)/2.

And for x_{t+1} = x_t + (w_{t+1:T}/w_{1:T}) (z_{t+1} - z_t), x_1 = z_1, with any z_t whatever, the identity of
`theory_sim.evidence.last_iterate` at q_t = f(x_t) - f(u), convexity, and

    x_t - u + w_{1:T} sum_{k<t} (1/w_{k+1:T} - 1/w_{k:T}) (x_t - x_k) = z_t - u,

which is a telescoping sum, give f(x_T) - f(u) <= (1/w_{1:T}) sum_t w_t <g_t, z_t - u>, g_t a subgradient at
x_t.  The step at T is 0 there, so a run of T updates is one of T + 1 points.
"""

from __future__ import annotations

from counterexamples import nonsmooth
from paper_checks.theorems.conditions import CONSTANT, CONVEX, POSITIVE, UNBIASED
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.schedules import linear_decay, wsd
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.optimizers.momentum import gd, sgd

_WHERE = "2310.07831"
_ASSUMES = (
    "f is convex, and the gradients are bounded by G_norm in mean square.",
    "In expectation over the gradients.",
)
_NO_BOX = Condition("domain == 0", "no box")
_WEIGHTS = Condition("weights_sum > 0", "positive weights")


def _values(problem: Problem, optimizer: Optimizer) -> dict[str, float]:
    """Return whether there is a box, and the plan of a linear decay without warm-up."""
    schedule = optimizer.schedule
    found = {"domain": float(problem.domain is not None)}
    if schedule.family is linear_decay and schedule.parameters["warmup"] == 0.0:
        found["horizon"] = schedule.parameters["T"]
    return found


ANY_SCHEDULE = Theorem(
    id="defazio2023.last_iterate",
    where=f"{_WHERE}, Theorem 10 and appendix F, as an article quotes it",
    statement="With any schedule the last iterate of SGD on a convex function is at most D^2/(2 sum eta_t) "
    "+ (G^2/2) sum eta_t^2/eta_{t+1:T} above the minimum. Constant steps lose a logarithm in it, linear "
    "decay does not.",
    conditions=(POSITIVE, CONVEX, UNBIASED),
    bound="distance_1^2/(2*step_sum) + G_norm^2*step_spread/2",
    quantity="gap_final",
    assumes=_ASSUMES,
    problem=nonsmooth.pieces,
    optimizer=lambda: sgd(0.1, schedule=wsd(100)),
    run={"steps": 100},
)

LINEAR = Theorem(
    id="defazio2023.linear",
    where=f"{_WHERE}, main theorem at equal weights",
    statement="With lr_t = lr (1 - t/(T + 1)) the last iterate of SGD on a convex function is at most "
    "D^2/(2 lr (T + 1)) + lr G^2/2 above the minimum: D G/sqrt(T + 1) at the best lr, without a logarithm.",
    conditions=(
        POSITIVE,
        CONVEX,
        UNBIASED,
        _NO_BOX,
        Condition("horizon == T", "linear decay over the steps of the run"),
    ),
    bound="distance_1^2/(2*lr*(T + 1)) + lr*G_norm^2/2",
    quantity="gap_final",
    meaning={"horizon": "planned steps of linear_decay, without warm-up"},
    assumes=_ASSUMES,
    problem=nonsmooth.cone,
    optimizer=lambda: sgd(0.01, schedule=linear_decay(100)),
    run={"steps": 100},
    values=_values,
)

WEIGHTED = Theorem(
    id="defazio2023.weights",
    where=f"{_WHERE}, main theorem, as we recall it; the proof is repeated in this file",
    statement="With steps w_t w_{t+1:T}/w_{1:T}, whatever the weights w > 0, the last iterate of SGD on a "
    "convex function is at most (D^2 + sum w_t^2 E||g_t||^2)/(2 sum w_t) above the minimum.",
    conditions=(CONVEX, UNBIASED, _NO_BOX, _WEIGHTS),
    bound="(distance_1^2 + weights_square)/(2*weights_sum)",
    quantity="gap_final",
    meaning={"weights_sum": "sum of the weights w_t", "weights_square": "sum of w_t^2 E||g_t||^2"},
    assumes=_ASSUMES,
)

ANY_METHOD = Theorem(
    id="defazio2023.regret",
    where=f"{_WHERE}, main theorem for any base method, as we recall it; the proof is repeated in this file",
    statement="If the updates of any method are shrunk by w_{t+1:T}/w_{1:T}, for equal weights by linear "
    "decay, then the last iterate on a convex function is at most sum w_t <g_t, z_t - x*>/sum w_t above the "
    "minimum, z_t the iterates of the method without the decay.",
    conditions=(CONVEX, UNBIASED, _NO_BOX, _WEIGHTS),
    bound="regret/weights_sum",
    quantity="gap_final",
    meaning={"weights_sum": "sum of the weights w_t", "regret": "sum of w_t <g_t, z_t - x*> over the run"},
    assumes=_ASSUMES[:1],
)

REFINED = Theorem(
    id="defazio2023.refined",
    where=f"{_WHERE}, refinement; the weights that minimise the main theorem",
    statement="If the gradient norms G_t of the run are known, w_t = c G_t^-2 at the best c leaves at most "
    "D/sqrt(sum G_t^-2), the least value of the bound over all weights.",
    conditions=(CONVEX, UNBIASED, _NO_BOX, Condition("precision > 0", "positive precision")),
    bound="distance_1/sqrt(precision)",
    quantity="gap_final",
    meaning={"precision": "sum of 1/E||g_t||^2 over the run"},
    assumes=_ASSUMES,
)

CHAIN = Theorem(
    id="harvey2019.chain",
    where="1812.05217, Theorem 3.1, the construction, with a constant derived here",
    statement="After T constant steps on the chain of length T the last iterate is at least lr ln(T)/4 "
    "above the minimum, where it began.",
    conditions=(
        POSITIVE,
        CONSTANT,
        Condition("d == T", "as many steps as the chain is long"),
        Condition("x0 == 0", "the start is the minimiser"),
    ),
    # lr (H_T + H_T^(2))/4 exactly, see `counterexamples.nonsmooth.chain_end`
    bound="lr*log(T)/4",
    side="lower",
    quantity="gap_final",
    problem=lambda: nonsmooth.chain(100),
    optimizer=lambda: gd(0.1),
    own_problem=True,
    run={"steps": 100},
)

THEOREMS = [ANY_SCHEDULE, LINEAR, WEIGHTED, ANY_METHOD, REFINED, CHAIN]
