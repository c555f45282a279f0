"""Theorems of Zhang, Chen, Shi, Sun, Luo (arXiv:2208.09632) and of its extended version (arXiv:2603.02092).

The convergence theorems hide the constant of their threshold for beta2: it is a symbol without a value here,
so they are UNDECIDED unless one is given.  On their own divergence function the sign of the drift decides,
see `counterexamples.drift`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from counterexamples import zhang
from paper_checks.theorems.conditions import (
    BETA2_BELOW_ONE,
    BOUNDED,
    CYCLIC,
    NO_EPS,
    NO_EPS_INSIDE,
    NO_EPS_OUTSIDE,
    REPLACEMENT,
    RESHUFFLED,
    ROOT,
    STRONG_GROWTH,
    VANISHING,
)
from paper_checks.theorems.values import DRIFT, drift_of
from theory_sim.nouns.optimizer import Optimizer
from theory_sim.nouns.problem import Problem
from theory_sim.nouns.schedule import power
from theory_sim.nouns.theorem import Condition, Theorem
from theory_sim.nouns.verdict import Verdict
from theory_sim.optimizers.adam import adam

# The papers take lr/sqrt(t), and the update m/(sqrt(v) + eps); only the extended version has eps >= 0 in its
# theorem.
_STEPS = (ROOT, NO_EPS_INSIDE)
_ASSUMES = ("Every component has an L-Lipschitz gradient and f is bounded below.",)


def _adam(beta1: float, beta2: float) -> Callable[[], Optimizer]:
    def build() -> Optimizer:
        return adam(
            0.1,
            beta1,
            beta2,
            0.0,
            bias_correction=False,
            m0="mean_gradient",
            v0="max_square",
            schedule=power(0.5),
        )

    return build


_HORIZON = 100_000


def _symbols(problem: Problem, optimizer: Optimizer) -> Mapping[str, float]:
    """Return the drift, whether the moments start where no jump follows, and how far the path leads back."""
    moments = (optimizer.arguments.get("m0"), optimizer.arguments.get("v0"))
    found = {**drift_of(problem, optimizer), "warm": float(moments == ("mean_gradient", "max_square"))}
    if (
        found["warm"]
        and found.get("drift", 0.0) < 0.0
        and not optimizer.arguments.get("bias_correction", True)
    ):
        found |= _reach(problem, optimizer)
    return found


def _reach(problem: Problem, optimizer: Optimizer) -> Mapping[str, float]:
    """Return ``reach``: on the straight part, x >= -1, moments and steps do not depend on x.

    It is left out unless the path turned back for good in the first half of `_HORIZON` steps, over which the moments
    have forgotten their start to e^-20.
    """
    from scipy.signal import lfilter

    if optimizer.schedule.family is not power or problem.gradient is not zhang.piecewise_gradient:
        return {}
    n, C, t = int(problem.facts["n"]), float(problem.facts["ratio"]), np.arange(_HORIZON)
    beta1, beta2 = optimizer.hyper["beta1"], optimizer.hyper["beta2"]
    g = np.where(t % n == 0, C, -1.0)
    m, _ = lfilter([1.0 - beta1], [1.0, -beta1], g, zi=[beta1 * (C - n + 1.0) / n])
    v, _ = lfilter([1.0 - beta2], [1.0, -beta2], g * g, zi=[beta2 * C * C])
    left = np.cumsum(m / np.sqrt(v) / (t + 1.0) ** optimizer.schedule.parameters["s"])
    settled = left.argmax() < _HORIZON // 2 and (1.0 - max(beta1, beta2)) * _HORIZON / 2 > 20.0
    return {"reach": max(0.0, float(left.max()))} if settled else {}


# Near the minimiser D does not decide, see `counterexamples.drift.closed_form`; from rest without bias correction the
# first steps are long, and may carry x there, and so do all steps of a large lr: what runs away must stay on the
# straight part.
_WARM = {"warm": "1 if m starts at the mean gradient and v at the largest square, else 0"}
_REACH = {"reach": "how far left of its start lr = 1 leads on the straight part, left out where that is open"}
_MOMENTS = Condition("warm == 1", "the moments start at the mean gradient and the largest square")


def _small(n: int) -> Callable[[], Problem]:
    """The divergence function with a = 1/(n-1)^2, that is C = n (n-1)."""
    return lambda: zhang.piecewise(n, 1.0 / (n - 1) ** 2)


DIVERGENCE = Theorem(
    id="zhang2022.divergence",
    where="2208.09632, Proposition 3.3; 2603.02092, eq. 2.5; with the exact condition for the cyclic order",
    statement="On the divergence function Adam runs away from the optimum if its drift over an epoch points "
    "there.",
    conditions=(
        BOUNDED,
        Condition("drift < 0", "the drift over an epoch is negative"),
        *VANISHING,
        *NO_EPS,
        CYCLIC,
        Condition("x0 + 1 >= lr*reach", "x stays on the straight part, right of the kink at -1"),
        _MOMENTS,
    ),
    quantity="verdict",
    verdict=Verdict.DIVERGED,
    meaning={**DRIFT, **_WARM, **_REACH},
    problem=lambda: zhang.piecewise(10),
    own_problem=True,
    optimizer=_adam(0.5, 0.8),
    run={"steps": 50_000},
    values=_symbols,
)

CONVERGENCE = Theorem(
    id="zhang2022.convergence_exact",
    where="2208.09632, Theorem 3.1 with D0 = 0, on the divergence function, with the exact condition for the "
    "cyclic order",
    statement="On the divergence function Adam goes to the optimum if its drift over an epoch points there.",
    conditions=(
        BOUNDED,
        Condition("drift > 0", "the drift over an epoch is positive"),
        *VANISHING,
        *NO_EPS,
        CYCLIC,
        Condition("Abs(x0 + 2) >= 1", "x starts at least 1 from the minimiser"),
        _MOMENTS,
    ),
    quantity="verdict",
    verdict=Verdict.CONVERGED,
    meaning={**DRIFT, **_WARM},
    problem=lambda: zhang.piecewise(10),
    own_problem=True,
    optimizer=_adam(0.5, 0.99),
    run={"steps": 50_000},
    values=_symbols,
)


def _threshold(
    id: str, where: str, threshold: str, order: Condition, constants: str, outside: Condition
) -> Theorem:
    arguments: dict[str, Any] = {
        "statement": "Adam converges, up to a neighbourhood that vanishes with D0, if beta1 < sqrt(beta2) "
        "and beta2 is close to 1.",
        "conditions": (
            BOUNDED,
            BETA2_BELOW_ONE,
            STRONG_GROWTH,
            Condition(f"1 - beta2 <= {threshold}", "beta2 above its threshold"),
            *_STEPS,
            outside,
            order,
        ),
        "meaning": {
            "K": "constant of the threshold 1 - beta2, which the theorem hides",
            "rho": "quantity of the path in the threshold",
        },
        "assumes": _ASSUMES,
        "run": {"steps": 50_000, "order": order.sides[2]},
    }
    return Theorem(
        id=id,
        where=where,
        quantity="verdict",
        verdict=Verdict.CONVERGED,
        constants=constants,
        problem=lambda: zhang.piecewise(10),
        optimizer=_adam(0.5, 0.99),
        **arguments,
    )


THEOREM_31 = _threshold(
    "zhang2022.thm31",
    "2208.09632, Theorem 3.1",
    "K*(1 - beta1^n)/(n^2*rho)",
    RESHUFFLED,
    "recalled",
    NO_EPS_OUTSIDE,
)
EXTENDED = _threshold(
    "zhang2026.convergence",
    "2603.02092, convergence theorem",
    "K*(1 - beta1^n)/n^5",
    REPLACEMENT,
    "read",
    Condition("eps_outside >= 0", "eps outside the root not negative"),
)

_SIZE = {"a": "size of the small component gradients"}
_SMALL = Condition("Abs(a*(n - 1)^2 - 1) <= 1/10^12", "a = 1/(n-1)^2, to rounding")

D1_PRINTED = Theorem(
    id="zhang2026.d1_printed",
    where="2603.02092, after eq. 2.5, as printed",
    statement="With a = 1/(n-1)^2 the affine-variance constant of the divergence function is 2 n^2.",
    conditions=(_SMALL, Condition("n >= 3", "at least three components")),
    bound="2*n^2",
    meaning=_SIZE,
    quantity="D1",
    constants="read",
    problem=_small(3),
    optimizer=_adam(0.0, 0.9),
    run={"steps": 100},
)

D1_CORRECTED = Theorem(
    id="zhang2026.d1",
    where="2603.02092, after eq. 2.5, corrected",
    statement="With a = 1/(n-1)^2 the affine-variance constant is n^2 ((n/(n-1))^2 + (n-1)^-3): at most 2 "
    "n^2 from n = 4 on.",
    conditions=(_SMALL, Condition("n >= 2", "at least two components")),
    bound="n^2*((n/(n - 1))^2 + (n - 1)^(-3))",
    meaning=_SIZE,
    quantity="D1",
    problem=_small(3),
    optimizer=_adam(0.0, 0.9),
    run={"steps": 100},
)

THEOREMS = [DIVERGENCE, CONVERGENCE, THEOREM_31, EXTENDED, D1_PRINTED, D1_CORRECTED]
