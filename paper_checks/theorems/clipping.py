"""Clipped, normalised and plain gradient descent on (L0, L1)-smooth functions.

Every constant is derived from the descent lemma f(y) <= f(x) + <g, y - x> + (L0 + L1 G)/L1^2 phi(L1 ||y -
x||), with g = grad f(x), G = ||g|| and phi(u) = e^u - 1 - u <= u^2/(2 (1 - u/3)) for 0 <= u < 3.  So a step
-h g with h (L0 + (4/3) L1 G) <= 1 lowers f by at least h G^2/2: the lemma leaves h G^2 (1 - (L0 + L1 G) h/(2
(1 - L1 h G/3))). T is the number of updates; a mean or minimum is over x_1 ... x_T.
"""

from __future__ import annotations

from collections.abc import Mapping

from counterexamples.generalized_smooth import hard_function, well
from paper_checks.theorems.conditions import CONSTANT, EXACT_GRADIENTS, M_REST, POSITIVE
from paper_checks.theorems.values import heavy_ball
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.optimizers.clipped import clipped_gd, mixed_clipping, normalized_gd
from theory_sim.optimizers.momentum import gd, sgdm

_SETTING = (POSITIVE, CONSTANT, EXACT_GRADIENTS)
_ASSUMES = ("f is (L0, L1)-smooth and bounded from below",)
# Measured at x_1, equal to the facts up to rounding: together they leave the start no choice but signs.
_OWN_START = (
    Condition("Abs(gap_1 - gap) <= gap/10^9", "the gap of the function's own start"),
    Condition(
        "Abs(gradient_norm_1 - sqrt(M^2 + 4*target^2)) <= M/10^9", "the gradient of the function's own start"
    ),
)

STEP = Theorem(
    id="vankov2024.lemma",
    where="2410.10800, descent lemma",
    statement="One step of gradient descent of any size on an (L0, L1)-smooth function ends with f(x_2) - f* "
    "at most gap_1 - lr G^2 + (L0 + L1 G)/L1^2 phi(L1 lr G), phi(u) = e^u - 1 - u.",
    conditions=(Condition("T == 1", "one step"), Condition("L1 > 0"), POSITIVE, EXACT_GRADIENTS),
    bound="gap_1 - lr*gradient_norm_1**2 + (L0 + L1*gradient_norm_1)/L1**2*(exp(u) - 1 - u)",
    quantity="gap_final",
    where_symbols={"u": "L1*lr*gradient_norm_1"},
    assumes=_ASSUMES,
    problem=lambda: well(delta=2.0),
    optimizer=lambda: gd(0.5),
    run={"steps": 1},
)

SHIFTED = Theorem(
    id="vankov2024.nonconvex",
    where="2410.10800, non-convex rate",
    statement="Normalised steps lr g/(G + offset) with lr <= 3/(4 L1) and offset >= lr L0 lower f by lr "
    "G^2/(2 (G + offset)) each, so that one of T points has G <= (r + sqrt(r^2 + 4 r offset))/2, r = 2 "
    "gap_1/(lr T). The paper's step 1/(L0 + 1.5 L1 G) is lr = 2/(3 L1), offset = lr L0.",
    conditions=(
        Condition("4*L1*lr <= 3", "steps of length at most 3/(4 L1)"),
        Condition("offset >= L0*lr", "steps of at most 1/L0"),
        *_SETTING,
    ),
    bound="(r + sqrt(r**2 + 4*r*offset))/2",
    quantity="gradient_norm_min",
    where_symbols={"r": "2*gap_1/(lr*T)"},
    assumes=_ASSUMES,
    problem=hard_function,
    optimizer=lambda: normalized_gd(0.75, 0.75),
    run={"steps": 20_000},
)

NORMALIZED = Theorem(
    id="zhang2020clipping.ngd",
    where="1905.11881, normalised gradient descent",
    statement="Steps of constant length lr with phi(L1 lr) < L1 lr keep the mean of ||grad f|| below "
    "(gap_1/(lr T) + L0 phi/(L1 u))/(1 - phi/u), u = L1 lr, phi = e^u - 1 - u.",
    conditions=(
        Condition("L1 > 0"),
        Condition("phi < u", "steps of length below 1.256/L1"),
        Condition("offset == 0", "steps of constant length"),
        *_SETTING,
    ),
    bound="(gap_1/(lr*T) + L0*phi/(L1*u))/(1 - phi/u)",
    quantity="gradient_norm_mean",
    where_symbols={"u": "L1*lr", "phi": "exp(u) - 1 - u"},
    assumes=_ASSUMES,
    # f(x - lr g/||g||) <= f - lr G + (L0 + L1 G) phi/L1^2, summed over t and divided by lr T (1 - phi/u).
    problem=hard_function,
    optimizer=lambda: normalized_gd(0.1),
    run={"steps": 3_000},
)

CLIPPED = Theorem(
    id="koloskova2023.deterministic",
    where="2305.01588, deterministic case",
    statement="Clipped gradient descent with lr (L0 + (4/3) L1 threshold) <= 1 lowers f by (lr/2) min(G^2, "
    "threshold G) in every step, so that one of T points has G <= max(sqrt(r), r/threshold), r = 2 gap_1/(lr "
    "T).",
    conditions=(
        Condition("lr*(L0 + 4*L1*threshold/3) <= 1", "small steps"),
        Condition("threshold > 0"),
        *_SETTING,
    ),
    bound="Max(sqrt(r), r/threshold)",
    quantity="gradient_norm_min",
    where_symbols={"r": "2*gap_1/(lr*T)"},
    assumes=_ASSUMES,
    problem=hard_function,
    optimizer=lambda: clipped_gd(0.5, 0.75),
    run={"steps": 20_000},
)

CLIPPED_COMPLEXITY = Theorem(
    id="zhang2020clipping.thm3",
    where="1905.11881, Theorem 3",
    statement="Clipped gradient descent with lr = 1/(10 L0) and threshold min(10 L0, L0/L1) meets ||grad f|| "
    "<= target within 20 L0 gap_1/target^2 + 20 max(1, L1^2) gap_1/L0 steps. The constants are as we recall "
    "them; they follow from koloskova2023.deterministic, whose count is 20 gap_1 max(L0/target^2, max(L1, "
    "1/10)/target), and are not sharp.",
    conditions=(
        Condition("10*L0*lr == 1", "step 1/(10 L0)"),
        Condition("threshold == Min(10*L0, L0/L1)", "threshold min(10 L0, L0/L1)"),
        Condition(
            "T - 1 >= 20*L0*gap_1/target**2 + 20*Max(1, L1**2)*gap_1/L0", "more updates than the complexity"
        ),
        Condition("target > 0"),
        CONSTANT,
        EXACT_GRADIENTS,
    ),
    bound="target",
    quantity="gradient_norm_min",
    assumes=_ASSUMES,
    problem=lambda: hard_function(delta=8.0, eps=0.25),
    optimizer=lambda: clipped_gd(0.1, 1.0),
    run={"steps": 3_000},
)

MIXED = Theorem(
    id="zhang2020improved.deterministic",
    where="2010.02519, deterministic mixed clipping; the constants are ours",
    statement="Mixed clipping started at zero momentum meets, among T points, one with min(G^2, threshold G) "
    "at most B = (gap_1/lr + 2 mix threshold momentum G_1/(1 - momentum) + T lr threshold^2 K (L0 + "
    "threshold L1/4))/(T (1 - mix/2 - lr threshold L1 K)); K and u = L1 lr threshold as below.",
    conditions=(
        Condition("L1 > 0"),
        Condition("u < 3", "steps of length below 3/L1"),
        Condition("lr*threshold*L1*K < 1 - mix/2", "small steps"),
        Condition("mix <= 1"),
        Condition("momentum < 1"),
        *_SETTING,
    ),
    bound="Max(sqrt(B), B/threshold)",
    quantity="gradient_norm_min",
    # clip is a projection: <g, clip(m)> >= min(G^2, cG)/2 - 2 c ||m - g||; ||m_t - g_t|| <= momentum^t G_1 +
    # sum over k of momentum^k (L0 + L1 G_{t-k}) lr c (e^u - 1)/u; and c G <= min(G^2, c G) + c^2/4 absorbs
    # the sums of L1 G.
    where_symbols={
        "u": "L1*lr*threshold",
        "K": "2*mix*momentum*(exp(u) - 1)/(u*(1 - momentum)) + 1/(2*(1 - u/3))",
        "B": "(gap_1/lr + 2*mix*threshold*momentum*gradient_norm_1/(1 - momentum)"
        " + T*lr*threshold**2*K*(L0 + threshold*L1/4))/(T*(1 - mix/2 - lr*threshold*L1*K))",
    },
    assumes=(*_ASSUMES, "the momentum starts at 0"),
    problem=hard_function,
    optimizer=lambda: mixed_clipping(0.01, 1.0, 0.9, 0.7),
    run={"steps": 20_000},
)


def _sup_gradient(problem: Problem, optimizer: Optimizer) -> Mapping[str, float]:
    """Return G_max of the well in one dimension, whose slope grows with its value, up to its own start."""
    if problem.family is not well or problem.dim > 1:
        return {}
    # The gap measured at the start may round above the fact; M = L1 delta + L0/(2 L1) or sqrt(2 L0 delta)
    # grows no faster.
    return {
        "G_max": problem.facts["M"] * (1.0 + 1e-9),
        "level": problem.facts["gap"] * (1.0 + 1e-9),
    }


PLAIN = Theorem(
    id="zhang2020clipping.gd",
    where="1905.11881, fixed-step gradient descent",
    statement="Gradient descent with lr (L0 + (4/3) L1 G_max) <= 1 stays where f <= f(x_1) and meets, among "
    "T points, one with ||grad f|| <= sqrt(2 gap_1/(lr T)).",
    conditions=(
        Condition("lr*(L0 + 4*L1*G_max/3) <= 1", "step small for the largest gradient"),
        Condition("gap_1 <= level", "a start below the level of G_max"),
        *_SETTING,
    ),
    bound="sqrt(2*gap_1/(lr*T))",
    quantity="gradient_norm_min",
    meaning={
        "G_max": "sup of ||grad f|| where f - f* <= level",
        "level": "largest f - f* that G_max is for",
    },
    assumes=_ASSUMES,
    problem=lambda: well(delta=8.0),
    optimizer=lambda: gd(0.08),
    run={"steps": 100},
    values=_sup_gradient,
)

GD_LOWER = Theorem(
    id="wang2024separability.gd",
    where="2403.15146, lower bound of Theorem 2, without momentum; the constants are ours",
    statement="On F = E(x) + S(y) no constant step of gradient descent meets ||grad F|| <= target among its "
    "first T points if T <= ((1 - split) gap - 15 target^2/(4 L0))/(4 target^2 critical_lr), critical_lr = 2 "
    "x_1/M: a longer step than that diverges in x, a shorter one moves y by at most 2 target critical_lr. "
    "With split = 1/2 and a large gap this is L1^2 gap^2/(32 target^2 (1 + log(L1^2 gap/(2 L0)))).",
    conditions=(
        Condition(
            "T <= ((1 - split)*gap - 15*target**2/(4*L0))/(4*target**2*critical_lr)",
            "fewer updates than the bound",
        ),
        Condition("M > target", "the steep coordinate starts outside the target"),
        *_OWN_START,
        CONSTANT,
        EXACT_GRADIENTS,
    ),
    bound="target",
    side="lower",
    quantity="gradient_norm_min",
    meaning={"split": "share of the gap in the steep coordinate"},
    problem=hard_function,
    own_problem=True,
    optimizer=lambda: gd(0.2),
    run={"steps": 2_000},
)


MOMENTUM_LOWER = Theorem(
    id="wang2024separability.thm2",
    where="2403.15146, Theorem 2, for a given step and momentum; the constants are ours",
    statement="On F = E(x) + S(y) gradient descent with any momentum, started at 0, does not meet ||grad F|| "
    "<= target among its first T points if T <= ((1 - split) gap - 15 target^2/(4 L0))/(4 target^2 lr), lr "
    "in units of the gradient: every update moves y by at most 2 target lr.",
    conditions=(
        Condition(
            "T <= ((1 - split)*gap - 15*target**2/(4*L0))*(1 - momentum)/(4*target**2*alpha)",
            "fewer updates than the bound",
        ),
        M_REST,
        *_OWN_START,
        CONSTANT,
        EXACT_GRADIENTS,
    ),
    bound="target",
    side="lower",
    quantity="gradient_norm_min",
    meaning={"split": "share of the gap in the steep coordinate"},
    problem=hard_function,
    own_problem=True,
    optimizer=lambda: sgdm(0.1, 0.9, convention="ema"),
    run={"steps": 7_000},
    covers=("convention",),
    values=lambda problem, optimizer: heavy_ball(optimizer),
)

THEOREMS = [
    STEP, SHIFTED, NORMALIZED, CLIPPED, CLIPPED_COMPLEXITY, MIXED, PLAIN, GD_LOWER, MOMENTUM_LOWER
]  # fmt: skip
