"""Gradient descent, stochastic gradient descent and the heavy ball on L-smooth functions.

The heavy ball is x_{t+1} = x_t - alpha grad f(x_t) + momentum (x_t - x_{t-1}), x_0 = x_1: SGDM with alpha =
lr, or alpha = lr (1 - momentum) in the EMA convention.  T is the number of updates; a mean or minimum is over
x_1 ... x_T.
"""

from __future__ import annotations

from fractions import Fraction

from counterexamples import sign
from paper_checks.theorems.conditions import (
    CONSTANT,
    CONVEX,
    EXACT_GRADIENTS,
    M_REST,
    POSITIVE,
    STRONGLY_CONVEX,
    UNBIASED,
)
from paper_checks.theorems.values import heavy_ball
from theory_sim.evidence.search import piecewise
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.optimizers.momentum import gd, sgd, sgdm

_PLAIN = Condition("momentum == 0", "no momentum")
_SHORT = Condition("L*lr <= 1", "step of at most 1/L")
_BELOW_2 = Condition("L*lr < 2", "step below 2/L")
_SETTING = (EXACT_GRADIENTS, CONSTANT)
_HEAVY = (Condition("alpha > 0", "positive step"), M_REST, *_SETTING)


def _values(problem: Problem, optimizer: Optimizer) -> dict[str, float | Fraction]:
    """Return the heavy ball's constants, the mini-batch, and sigma2 = 0 where every worker sees grad f."""
    found = {"batch": problem.arguments.get("batch", 1), **heavy_ball(optimizer)}
    if problem.draws == 0 and problem.components == 1 and "workers" not in problem.facts:
        found["sigma2"] = 0.0
    return found


def dipping() -> Problem:
    """Return the worst case of `GD_NONCONVEX`.

    Gradient descent with step 1/L sees the same gradient norm at both iterates; between them
    it falls to half.
    """
    return piecewise((1.0, 1.5), (1.0, -1.0, 1.0), 2.0)


def stretched() -> Problem:
    """Return a function of curvature 1 near its minimum, else 0.1: the worst case of lr = 1/L and 2/L."""
    return piecewise((-0.5, 0.3), (0.1, 1.0, 0.1), 1.0)


GD_NONCONVEX = Theorem(
    id="abbaszadehpeivasti2021.gd",
    where="2104.05468, main theorem for steps of at most 1/L",
    statement="Gradient descent on an L-smooth function meets, among T points, one with ||grad f||^2 at most "
    "4 gap_1/((T - 1) lr (4 - L lr) + 2/L). The bound is attained.",
    conditions=(POSITIVE, _SHORT, *_SETTING, _PLAIN),
    bound="4*gap_1/((T - 1)*lr*(4 - L*lr) + 2/L)",
    quantity="gradient_square_min",
    assumes=("f is L-smooth and bounded from below",),
    # f_i - f_{i+1} >= ((2 - (1-s)^2) a^2 - 2(1-s) <a,b> + b^2)/(4L), s = L lr, a and b consecutive gradients
    # (smooth interpolation), which for |a|, |b| >= m is at least s (4 - s) m^2/(4L); and f_T - f* >=
    # m^2/(2L).
    problem=dipping,
    optimizer=lambda: gd(1.0),
    run={"steps": 2},
    values=_values,
)

SGD_NONCONVEX = Theorem(
    id="ghadimi2013.sgd",
    where="1309.5549, randomized stochastic gradient, constant step",
    statement="Stochastic gradient descent on an L-smooth function has mean E||grad f||^2 at most (2 "
    "gap_1/(lr T) + lr L sigma2/(batch workers))/(2 - L lr). On a quadratic of one curvature the second term "
    "is attained.",
    conditions=(POSITIVE, _BELOW_2, CONSTANT, _PLAIN, UNBIASED),
    bound="(2*gap_1/(lr*T) + lr*L*sigma2/(batch*workers))/(2 - L*lr)",
    quantity="gradient_square_mean",
    assumes=("f is L-smooth and bounded from below",),
    # E f(x_{t+1}) <= f(x_t) - lr (1 - L lr/2) ||grad f||^2 + lr^2 L sigma2/2, summed
    problem=lambda: sign.quadratic(10),
    optimizer=lambda: sgd(0.1),
    run={"steps": 1_000, "seeds": 8},
    values=_values,
)

GD_CONVEX = Theorem(
    id="drori2014.thm3.1",
    where="1206.3209, Theorem 3.1",
    statement="Gradient descent on a convex L-smooth function ends with f(x_{T+1}) - f* at most L R^2/(4 T L "
    "lr + 2). The bound is attained by a Huber function.",
    conditions=(CONVEX, POSITIVE, _SHORT, *_SETTING, _PLAIN),
    bound="L*distance_1**2/(4*T*L*lr + 2)",
    quantity="gap_final",
    assumes=("f is L-smooth with a minimiser",),
    constants="read",  # as the documentation of PEPit quotes the theorem
    problem=lambda: piecewise((1.0 / 41.0,), (1.0, 0.0), 1.0),
    optimizer=lambda: gd(1.0),
    run={"steps": 20},
    values=_values,
)

GD_CONJECTURE = Theorem(
    id="drori2014.conjecture",
    where="1206.3209, conjecture for steps up to 2/L",
    statement="For every step below 2/L the worst case of gradient descent on convex L-smooth functions is "
    "that of a Huber function or of a quadratic: L R^2/2 max(1/(2 T L lr + 1), (1 - L lr)^(2T)), as we "
    "recall it.",
    conditions=(CONVEX, POSITIVE, _BELOW_2, *_SETTING, _PLAIN),
    bound="L*distance_1**2/2*Max(1/(2*T*L*lr + 1), (1 - L*lr)**(2*T))",
    quantity="gap_final",
    assumes=("f is L-smooth with a minimiser",),
    constants="recalled",
    problem=lambda: piecewise((0.5,), (1.0, 0.5), 1.0),
    optimizer=lambda: gd(1.5),
    run={"steps": 20},
    values=_values,
)

GD_STRONGLY_CONVEX = Theorem(
    id="taylor2017.contraction",
    where="1502.05666, gradient method on strongly convex functions; textbook",
    statement="Gradient descent on a mu-strongly convex L-smooth function contracts the distance to the "
    "minimiser by max(|1 - lr mu|, |1 - lr L|) per step. The bound is attained by a quadratic.",
    conditions=(STRONGLY_CONVEX, POSITIVE, *_SETTING, _PLAIN),
    bound="Max(Abs(1 - lr*mu), Abs(1 - lr*L))**T*distance_1",
    quantity="distance_final",
    assumes=("mu and L bound the curvature of f",),
    # grad f(x) = H (x - x*), H a mean of Hessians with eigenvalues in [mu, L]
    problem=stretched,
    optimizer=lambda: gd(1.8),
    run={"steps": 20},
    values=_values,
)

HEAVY_BALL_CONVEX = Theorem(
    id="ghadimi2015.thm1",
    where="1412.7457, Theorem 1",
    statement="The heavy ball on a convex L-smooth function has a mean gap of at most "
    "(1 - momentum) R^2/(2 alpha T) + momentum gap_1/((1 - momentum) T).",
    conditions=(
        CONVEX,
        Condition("alpha*L <= 1 - momentum", "alpha of at most (1 - momentum)/L"),
        Condition("momentum < 1"),
        *_HEAVY,
    ),
    bound="(1 - momentum)*distance_1**2/(2*alpha*T) + momentum*gap_1/((1 - momentum)*T)",
    quantity="gap_mean",
    assumes=("f is L-smooth with a minimiser",),
    # z_t = x_t + momentum/(1 - momentum) (x_t - x_{t-1}) moves by -alpha/(1 - momentum) grad f(x_t); sum
    # ||z_t - x*||^2.
    problem=lambda: piecewise((0.05,), (1.0, 0.0), 1.0),
    optimizer=lambda: sgdm(0.5, 0.5),
    covers=("convention",),
    run={"steps": 20},
    values=_values,
)

HEAVY_BALL_STRONGLY_CONVEX = Theorem(
    id="ghadimi2015.thm4",
    where="1412.7457, Theorem 4",
    statement="With momentum^2 <= (1 - alpha mu) (1 - alpha L) the heavy ball on a mu-strongly convex "
    "L-smooth function has f(x_{T+1}) - f* at most (1 - alpha mu)^T gap_1. The paper takes the largest such "
    "momentum.",
    conditions=(
        STRONGLY_CONVEX,
        Condition("alpha*L <= 1", "alpha of at most 1/L"),
        Condition("momentum**2 <= (1 - alpha*mu)*(1 - alpha*L)", "small momentum"),
        *_HEAVY,
    ),
    bound="(1 - alpha*mu)**T*gap_1",
    quantity="gap_final",
    assumes=("f is L-smooth",),
    # V = f - f* + (1/alpha - L) ||x_t - x_{t-1}||^2/2 shrinks by 1 - alpha mu: V_{t+1} <= f - f* - alpha
    # ||g||^2/2 + momentum^2 ||x_t - x_{t-1}||^2/(2 alpha), and ||g||^2 >= 2 mu (f - f*).
    problem=stretched,
    optimizer=lambda: sgdm(0.5, 0.6),
    covers=("convention",),
    run={"steps": 20},
    values=_values,
)

HEAVY_BALL_NONCONVEX = Theorem(
    id="ghadimi2015.nonconvex",
    where="1412.7457, the Lyapunov function of Theorem 4 at mu = 0",
    statement="With momentum^2 <= 1 - alpha L the heavy ball on an L-smooth function has a mean of ||grad "
    "f||^2 of at most 2 gap_1/(alpha T).",
    conditions=(
        Condition("momentum**2 <= 1 - alpha*L", "small momentum"),
        *_HEAVY,
    ),
    bound="2*gap_1/(alpha*T)",
    quantity="gradient_square_mean",
    assumes=("f is L-smooth and bounded from below",),
    problem=dipping,
    optimizer=lambda: sgdm(0.5, 0.7),
    covers=("convention",),
    run={"steps": 20},
    values=_values,
)


THEOREMS = [
    GD_NONCONVEX,
    SGD_NONCONVEX,
    GD_CONVEX,
    GD_CONJECTURE,
    GD_STRONGLY_CONVEX,
    HEAVY_BALL_CONVEX,
    HEAVY_BALL_STRONGLY_CONVEX,
    HEAVY_BALL_NONCONVEX,
]
