"""Generic Adam, v_t = theta_t v_{t-1} + (1-theta_t) g_t^2 with step sizes alpha_t: Zou et al. 2019 and Chen
et al. 2022.

Zou, Shen, Jie, Zhang, Liu (arXiv:1811.09358) give a sufficient condition on alpha_t and theta_t, checked here
for any two sequences by `sufficient_condition`.  The constants of their bound are recalled at best; `RMSPROP`
and `HORIZON` have constants of our own for beta_t = 0 and |g_i| <= G, by the argument of Defossez et al.
(`paper_checks.defossez2022.claims`).  With w_t = theta_t v_{t-1} + (1-theta_t) E g_t^2 <= G^2 and F_t the
true gradient, coordinate by coordinate:

1. E[F g/sqrt(v)] >= F^2/(2 sqrt(w)) - 2 G sqrt(1-theta) E[g^2/v], by Young's inequality applied to F g
   (1/sqrt(v) - 1/sqrt(w)).
2. Descent lemma: alpha_t ||F_t||^2/(2G) <= f(x_t) - E f(x_{t+1}) + sum_i c_t E[(1-theta_t) g^2/v_t], where
   c_t = 2 G chi_t + L chi_t^2/2 and chi_t = alpha_t/sqrt(1-theta_t).
3. (1-theta_t) g^2/v_t <= log(v_t/v_{t-1}) - log theta_t.  If chi_t, hence c_t, is nonincreasing, summation by
   parts gives sum_t c_t log(v_t/v_{t-1}) <= c_1 log(G^2/v_0), for v_0 <= G^2.
4. -log theta_t <= (1-theta_t)/theta_1 for nondecreasing theta_t, and alpha_t >= alpha_T for nonincreasing
   alpha_t.

So the mean of E||F_t||^2 over t <= T is at most 2 G/(T alpha_T) (f(x_1) - f* + d (c_1 log(G^2/v_0) + sum_t (2
G alpha_t sqrt(1-theta_t) + L alpha_t^2/2)/theta_1)): parts (3) and (4) of the sufficient condition are what
makes this small.  For powers, sum_{t<=T} t^-p <= T^max(1-p, 0) (1 + log T).
"""

from __future__ import annotations

import math
from typing import Any

import theory_sim as ts
from counterexamples import smooth
from paper_checks.theorems.conditions import CONSTANT, NO_MOMENTUM
from theory_sim.evidence import sequences as asymptotics
from theory_sim.evidence.sequences import Decision
from theory_sim.nouns.theorem import Answer, Condition, Theorem
from theory_sim.rules import checks


def sufficient_condition(
    alpha: Any, theta: Any, beta: float = 0.9, *, start: int = 1, **values: float
) -> tuple[Decision, ...]:
    """Check the sufficient condition of Zou et al. for step sizes alpha_t and weights theta_t of v.

    Parameters
    ----------
    alpha, theta : str or sympy.Expr
        In the symbol t = 1, 2, ..., for instance ``"lr/sqrt(t)"`` and ``"1 - c/t^r"``.
    beta : float
        Largest weight of m.
    start : int
        First t for which the formulas hold; before it, alpha and theta are taken as constant.
    **values : float
        Values of the other symbols.

    Returns
    -------
    tuple of Decision
        (1) beta_t <= beta < 1; (2) 0 < theta_t < 1, nondecreasing; (3) chi_t = alpha_t/sqrt(1-theta_t) is
        within a constant factor of a nonincreasing sequence; (4) sum_{t<=T} alpha_t sqrt(1-theta_t)/(T
        alpha_T) -> 0.

    Raises
    ------
    ValueError
        For a symbol without a value.
    """
    import sympy

    checks.number("beta", beta)
    steps, weights = asymptotics.sequence(alpha, **values), asymptotics.sequence(theta, **values)
    share = sympy.sqrt(1 - weights)
    return (
        Decision(
            "(1) beta_t <= beta < 1",
            Answer.HOLDS if 0.0 <= beta < 1.0 else Answer.FAILS,
            "value",
            f"{beta:g}",
        ),
        asymptotics.positive(weights, start, name="(2) theta_t > 0"),
        asymptotics.positive(1 - weights, start, name="(2) theta_t < 1"),
        asymptotics.monotone(weights, start, rising=True, name="(2) theta_t is nondecreasing"),
        asymptotics.almost_nonincreasing(steps / share, start, name="(3) chi_t is almost nonincreasing"),
        asymptotics.vanishing_average(steps, share, start, name="(4) the average vanishes"),
    )


_ASSUMES = (
    "f is bounded below; stochastic gradients are unbiased and bounded by G in every coordinate.",
    "In expectation over the gradients.",
)
_SHARE = (Condition("c > 0", "theta_t below 1"), Condition("c < 1", "theta_1 above 0"))
_START = (Condition("v0 > 0", "v_0 above 0"), Condition("v0 <= G^2", "v_0 at most G^2"))

POWERS = Theorem(
    id="zou2019.powers",
    where="Main theorem and corollary, power schedules; constants as we recall them",
    statement="With alpha_t = lr/t^s and theta_t = 1 - c/t^r Generic Adam satisfies the sufficient "
    "condition, and the average of ||grad f||^(4/3) vanishes.",
    conditions=(
        Condition("beta1 < 1", "(1) beta below 1"),
        Condition("c > 0", "(2) theta_t below 1"),
        Condition("r/2 <= s", "(3) chi_t almost nonincreasing"),
        Condition("r > 0", "(4) theta_t tends to 1"),
        Condition("s < 1", "(4) T alpha_T grows without bound"),
    ),
    bound="((A + B*lr*sqrt(c)*T^Max(1 - s - r/2, 0)*(1 + log(T)))/(lr*T^(1 - s)))^(2/3)",
    quantity="gradient_43_mean",
    assumes=_ASSUMES,
    meaning={
        "A": "C of the theorem, a constant of L, G, d, beta, theta_1 and the gap that is not known here",
        "B": "C' of the theorem, a constant of L, G, d, beta and theta_1 that is not known here",
    },
    constants="recalled",
    problem=smooth.bounded,
    optimizer=lambda: ts.generic_adam(lr=0.5, beta1=0.9, c=0.99, r=1.0, v0=1e-8, schedule=ts.power(0.5)),
    run={"steps": 10_000, "seeds": 8},
)

RMSPROP = Theorem(
    id="zou2019.rmsprop",
    where="Main theorem for beta_t = 0, with constants of our own under bounded gradients",
    statement="With alpha_t = lr/t^s and theta_t = 1 - c/t^r the average squared gradient norm is at most a "
    "bound that vanishes exactly if r > 0 and s < 1.",
    conditions=(
        NO_MOMENTUM,
        *_SHARE,
        Condition("r >= 0", "theta_t nondecreasing"),
        Condition("r/2 <= s", "(3) chi_t nonincreasing"),
        *_START,
    ),
    bound="2*G/(lr*T^(1 - s))*(gap_1 + d*((2*G*chi + L*chi^2/2)*log(G^2/v0)"
    " + (1 + log(T))/(1 - c)*(2*G*lr*sqrt(c)*T^Max(1 - s - r/2, 0) + L*lr^2/2*T^Max(1 - 2*s, 0))))",
    quantity="gradient_square_mean",
    where_symbols={"chi": "lr/sqrt(c)"},
    assumes=_ASSUMES,
    problem=lambda: smooth.logcosh(4, 1.0),
    optimizer=lambda: ts.generic_adam(lr=0.1, beta1=0.0, c=0.5, r=1.0, v0=1.0, schedule=ts.power(0.5)),
    run={"steps": 20_000, "seeds": 8},
)

_HORIZON = 20_000

HORIZON = Theorem(
    id="chen2022.horizon",
    where="Theorem for constants tied to the horizon, for beta = 0 with constants of our own under bounded "
    "gradients",
    statement="With constant alpha and theta = 1 - c the average squared gradient norm is at most a bound "
    "that is of order 1/sqrt(T) for alpha = a/sqrt(T) and c = 1/T.",
    conditions=(
        NO_MOMENTUM,
        *_SHARE,
        Condition("r == 0", "constant theta"),
        CONSTANT,
        *_START,
    ),
    bound="2*G/(lr*T)*(gap_1 + d*(2*G*chi + L*chi^2/2)*(log(G^2/v0) - T*log(1 - c)))",
    quantity="gradient_square_mean",
    where_symbols={"chi": "lr/sqrt(c)"},
    assumes=_ASSUMES,
    problem=lambda: smooth.logcosh(4, 1.0),
    optimizer=lambda: ts.generic_adam(
        lr=1.0 / math.sqrt(_HORIZON), beta1=0.0, c=1.0 / _HORIZON, r=0.0, v0=1.0
    ),
    run={"steps": _HORIZON, "seeds": 8},
)

THEOREMS = [POWERS, RMSPROP, HORIZON]
