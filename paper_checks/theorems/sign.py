"""Sign methods: rates in the 1-norm, what error feedback guarantees, and where the sign alone cannot
converge.

T is the number of updates; a mean or minimum is over x_1 ... x_T.  Bounds of stochastic methods are on
expectations.
"""

from __future__ import annotations

from collections.abc import Mapping

from counterexamples import separable, sign, smooth
from paper_checks.theorems.conditions import (
    BETA1,
    CONSTANT,
    CONVEX,
    ONE_GRADIENT,
    POSITIVE,
    UNBIASED,
)
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.optimizers.sign import (
    ef_signsgd,
    extrapolated_signum,
    generalized_signsgd,
    lion,
    majority_vote,
    signsgd,
)

_ASYMMETRY = {"asymmetry": "|P(noise > 0) - P(noise < 0)|, 0 for unimodal symmetric noise"}
_SUP = {"L": "Lipschitz constant of grad f, from the sup-norm to the 1-norm"}
_SECOND = {"second_moment": "bound on E||g||^2"}


def _noise(problem: Problem, optimizer: Optimizer) -> Mapping[str, float]:
    """Return the asymmetry of the noise where it is known, and a batch of one where there is no batch."""
    found = {} if "batch" in problem.arguments else {"batch": 1.0}
    if problem.family in (sign.quadratic, sign.sparse_noise, separable.cosines, separable.logarithms):
        found["asymmetry"] = 0.0  # normal or uniform noise
    if problem.family is sign.skewed:
        found["asymmetry"] = abs(1.0 - 2.0 * problem.arguments["p"])
    return found


SIGNSGD = Theorem(
    id="bernstein2018.thm1",
    where="1802.04434, Theorem 1, for any constant step and batch",
    statement="The mean of E||grad f||_1 of signSGD is at most gap_1/(lr T) + lr L_sum/2 + 2 "
    "sigma_sum/sqrt(batch). The paper takes lr = 1/sqrt(L_sum T) and batch = T. Without noise the second "
    "term is attained, by a quadratic in one dimension.",
    conditions=(
        POSITIVE,
        CONSTANT,
        Condition("batch*workers >= 1", "at least one gradient per step"),
        UNBIASED,
    ),
    bound="gap_1/(lr*T) + lr*L_sum/2 + 2*sigma_sum/sqrt(batch*workers)",
    quantity="gradient_l1_mean",
    # f falls by lr ||g||_1 but for 2 lr |g_i| P(wrong sign) <= 2 lr sigma_i/sqrt(batch) (Markov) and lr^2
    # L_sum/2.
    problem=lambda: sign.quadratic(20, batch=16),
    optimizer=lambda: signsgd(0.02),
    run={"steps": 500, "seeds": 8},
    values=_noise,
)

MAJORITY_VOTE = Theorem(
    id="bernstein2018.thm2",
    where="1802.04434, Theorem 2, majority vote, for any constant step and batch",
    statement="With unimodal symmetric noise the mean of E||grad f||_1 of a majority vote is at most "
    "gap_1/(lr T) + lr L_sum/2 + 2 sigma_sum/sqrt(batch workers).",
    conditions=(
        POSITIVE,
        CONSTANT,
        Condition("asymmetry == 0", "unimodal symmetric noise"),
        Condition("batch*workers >= 1", "at least one gradient per step"),
        UNBIASED,
    ),
    bound="gap_1/(lr*T) + lr*L_sum/2 + 2*sigma_sum/sqrt(batch*workers)",
    quantity="gradient_l1_mean",
    meaning=_ASYMMETRY,
    assumes=("workers are independent",),
    # P(vote wrong) <= sqrt((1/(4 e^2) - 1)/workers)/2 with e = 1/2 - P(one wrong), and sqrt(1/(4 e^2) - 1) <=
    # 2 sigma/|g|.
    problem=lambda: sign.quadratic(20),
    optimizer=lambda: majority_vote(0.02),
    run={"steps": 500, "seeds": 8, "workers": 9},
    values=_noise,
)

SIGNUM = Theorem(
    id="sun2023.signum",
    where="2310.14616, abstract, first-order method; theorem and constants are ours",
    statement="The mean of E||grad f||_1 of Signum started at m_1 = g_1 is at most gap_1/(lr T) + lr L/2 + 2 "
    "(S/((1-beta1) T) + beta1 lr L/(1-beta1) + sqrt((1-beta1)/(1+beta1)) S), S = sigma_sum/sqrt(workers): of "
    "order T^(-1/4).",
    conditions=(
        POSITIVE,
        CONSTANT,
        BETA1,
        Condition("beta2 == 0", "the step is the sign of the momentum"),
        Condition("eps_adam == 0", "no eps"),
        UNBIASED,
    ),
    bound="gap_1/(lr*T) + lr*L/2 + 2*(S/((1 - beta1)*T) + beta1*lr*L/(1 - beta1) + sqrt((1 - beta1)/(1 + "
    "beta1))*S)",
    quantity="gradient_l1_mean",
    where_symbols={"S": "sigma_sum/sqrt(workers)"},
    meaning={**_SUP, "beta2": "weight of v, 0 for Signum", "eps_adam": "eps of generalized signSGD"},
    # f falls by lr ||grad f||_1 but for 2 lr ||m_t - grad f||_1 and lr^2 L/2.
    problem=separable.cosines,
    optimizer=lambda: generalized_signsgd(0.01, 0.9, 0.0),
    run={"steps": 1_000, "seeds": 8},
    values=lambda problem, optimizer: (
        {"eps_adam": optimizer.hyper["eps"]} if optimizer.family is generalized_signsgd else {}
    ),
)

EXTRAPOLATED = Theorem(
    id="sun2023.extrapolated",
    where="2310.14616, abstract, second-order method; theorem and constants are ours",
    statement="Signum on gradients at y_t = x_t + beta/(1-beta) (x_t - x_{t-1}), started at m_1 = g_1, has a "
    "mean of E||grad f(y_t)||_1 of at most gap_1/(lr T) + lr L/2 + 2 (S/((1-beta) T) + R lr^2 beta/(2 "
    "(1-beta)^2) + sqrt((1-beta)/(1+beta)) S) + lr L beta/(1-beta), S = sigma_sum/sqrt(workers). Without the "
    "last term it is the bound at x_t, of order T^(-2/7).",
    conditions=(POSITIVE, CONSTANT, Condition("beta < 1"), UNBIASED),
    bound="gap_1/(lr*T) + lr*L/2 + 2*(S/((1 - beta)*T) + R*lr**2*beta/(2*(1 - beta)**2)"
    " + sqrt((1 - beta)/(1 + beta))*S) + lr*L*beta/(1 - beta)",
    quantity="gradient_l1_mean",
    where_symbols={"S": "sigma_sum/sqrt(workers)"},
    meaning={**_SUP, "beta": "weight of the old momentum"},
    problem=separable.cosines,
    optimizer=lambda: extrapolated_signum(0.01, 0.9),
    run={"steps": 1_000, "seeds": 8},
)


def _moments(problem: Problem, optimizer: Optimizer) -> Mapping[str, float]:
    """Return the second moment of bounded gradients, the minimiser, and mu = 0 where f is convex."""
    found = {} if problem.optimum is None else {"optimum": problem.optimum}
    if problem.family is sign.kink:
        found |= {"second_moment": 2.0 * (1.0 + problem.arguments["eps"] ** 2), "mu": 0.0}
    if problem.family in (smooth.bounded, smooth.logcosh):
        found["second_moment"] = problem.dim * problem.facts["G"] ** 2
    if problem.family is smooth.logcosh:
        found["mu"] = 0.0
    return found


_CONTRACTION = {"contraction": "1/d"}

EF_NONCONVEX = Theorem(
    id="karimireddy2019.thm2",
    where="1901.09847, Theorem II, with the constants of our derivation",
    statement="The mean of E||grad f||^2 of EF-signSGD is at most 2 gap_1/(lr T) + lr L S + 4 lr^2 L^2 S (1 "
    "- contraction)/contraction^2, S a bound on E||g||^2, contraction = 1/d. The paper's second term is half "
    "as large, as we recall it.",
    conditions=(POSITIVE, CONSTANT, UNBIASED),
    bound="2*gap_1/(lr*T) + lr*L*second_moment + 4*lr**2*L**2*second_moment*(1 - contraction)/contraction**2",
    quantity="gradient_square_mean",
    where_symbols=_CONTRACTION,
    meaning=_SECOND,
    assumes=("f is L-smooth",),
    # z_t = x_t - e_t moves by -lr g_t; <grad f(z), grad f(x)> >= ||grad f(x)||^2/2 - L^2 ||e||^2/2; and
    # E||e_t||^2 <= 2 (1 - contraction)(2 - contraction) lr^2 S/contraction^2.
    problem=lambda: smooth.bounded(3),
    optimizer=lambda: ef_signsgd(0.005),
    run={"steps": 2_000, "seeds": 8},
    values=_moments,
)

EF_CONVEX = Theorem(
    id="karimireddy2019.convex",
    where="1901.09847, non-smooth convex case",
    statement="The mean gap of EF-signSGD on a convex function is at most ||x_1 - x*||^2/(2 lr T) + lr S "
    "(1/2 + 2 sqrt(1 - contraction)/contraction), S a bound on E||g||^2, contraction = 1/d; f may have "
    "kinks.",
    conditions=(POSITIVE, CONSTANT, UNBIASED, CONVEX),
    bound="d*(x0 - optimum)**2/(2*lr*T) + lr*second_moment*(1/2 + 2*sqrt(1 - contraction)/contraction)",
    quantity="gap_mean",
    where_symbols=_CONTRACTION,
    meaning=_SECOND,
    # ||z_{t+1} - x*||^2 with z = x - e, and <g, x - x*> - <g, e> >= f(x) - f* - ||g|| ||e||
    problem=sign.kink,
    optimizer=lambda: ef_signsgd(0.005),
    run={"steps": 2_000},
    values=_moments,
)

DRIFT = Theorem(
    id="karimireddy2019.ce1",
    where="1901.09847, first counterexample",
    statement="With g = 4 of probability 1/4 and -1 otherwise, f' = 1/4, signSGD raises E f by lr/8 per step "
    "if x is not confined.",
    conditions=(
        POSITIVE,
        CONSTANT,
        Condition("domain == 0", "x is not confined"),
        UNBIASED,
        ONE_GRADIENT,
    ),
    bound="gap_1 + lr*T/8",
    side="lower",
    quantity="gap_final",
    # E sign(g) = -1/2
    problem=lambda: sign.linear(domain=False),
    own_problem=True,
    optimizer=lambda: signsgd(0.01),
    run={"steps": 2_000, "seeds": 32},
)

KINK = Theorem(
    id="karimireddy2019.ce2",
    where="1901.09847, second counterexample",
    statement="signSGD with any steps on eps |x1 + x2| + |x1 - x2|, eps < 1, from (x0, x0) keeps x1 + x2 = 2 "
    "x0, so that f is at least 2 eps |x0| for ever, if the subgradient of |z| at 0 is taken as +-1.",
    conditions=(
        Condition("eps < 1"),
        Condition("eps > 0"),
        Condition("tie**2 >= 1", "subgradient +-1 at a tie"),
    ),
    bound="2*eps*Abs(x0)",
    side="lower",
    quantity="gap_min",
    meaning={"eps": "weight of the kink", "tie": "subgradient of |z| at z = 0"},
    problem=sign.kink,
    own_problem=True,
    optimizer=lambda: signsgd(0.1),
    run={"steps": 2_000},
)

PAIR = Theorem(
    id="karimireddy2019.ce3",
    where="1901.09847, third counterexample",
    statement="signSGD with any steps on <a1, x>^2 + <a2, x>^2, a = +-(1, -1) + eps (1, 1), one term at a "
    "time, from (x0, x0) keeps x1 + x2 = 2 x0, so that f is at least 8 eps^2 x0^2 for ever.",
    conditions=(
        Condition("eps < 1", "the signs of a1 and a2 are +-(1, -1)"),
        Condition("eps > 0"),
        Condition("at_zero == 0", "sign(0) = 0"),
        ONE_GRADIENT,
    ),
    bound="8*eps**2*x0**2",
    side="lower",
    quantity="gap_min",
    meaning={"at_zero": "sign(0)", "eps": "weight of the flat direction"},
    problem=sign.pair,
    own_problem=True,
    optimizer=lambda: signsgd(0.1),
    run={"steps": 2_000, "order": "replacement", "seeds": 4},
)

LION_BOX = Theorem(
    id="chen2023lionk.box",
    where="2310.05898, phase 1",
    statement="For lr weight_decay <= 1 the distance of every coordinate of Lion from the box |x_i| <= "
    "1/weight_decay shrinks by 1 - lr weight_decay per step, whatever the gradients, so that ||x_{T+1}|| <= "
    "sqrt(d) (1/weight_decay + (1 - lr weight_decay)^T max(|x0| - 1/weight_decay, 0)).",
    conditions=(
        Condition("weight_decay > 0"),
        Condition("lr*weight_decay <= 1"),
        Condition("optimum == 0", "distances are to the origin"),
        POSITIVE,
        CONSTANT,
    ),
    bound="sqrt(d)*(1/weight_decay + (1 - lr*weight_decay)**T*Max(Abs(x0) - 1/weight_decay, 0))",
    quantity="distance_final",
    # |x - lr (s + w x)| <= (1 - lr w) |x| + lr, and 1/w is the fixed point
    problem=lambda: smooth.quadratic(x0=8.0),
    optimizer=lambda: lion(0.05, weight_decay=0.5),
    run={"steps": 200},
    values=_moments,
)

THEOREMS = [
    SIGNSGD, MAJORITY_VOTE, SIGNUM, EXTRAPOLATED, EF_NONCONVEX, EF_CONVEX, DRIFT, KINK, PAIR, LION_BOX
]  # fmt: skip
